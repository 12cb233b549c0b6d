"""The promises of an adapter as tests: for this project's own adapters and for those of third parties.

Needs pytest. Derive a class of each suite in a test module, and name the adapters it is about:

    from tautomer.testing import DescriptionPromises, RuntimePromises

    class TestDescription(DescriptionPromises):
        adapters = (ADAPTER,)

    class TestRuntime(RuntimePromises):
        adapters = (ADAPTER,)

An adapter must be registered (entry point `tautomer.adapters`), since that is how a check finds it.
"""

from tautomer.testing.assertions import SUITES
from tautomer.testing.converter_promises import ConverterPromises
from tautomer.testing.description_promises import DescriptionPromises
from tautomer.testing.runtime_promises import RuntimePromises
from tautomer.testing.source_promises import SourcePromises
from tautomer.testing.suite import Suite, Workbench

__all__ = [
    "SUITES",
    "ConverterPromises",
    "DescriptionPromises",
    "RuntimePromises",
    "SourcePromises",
    "Suite",
    "Workbench",
]
