"""Failed assertions of the suites show their values: pytest is told so before they are imported."""

from __future__ import annotations

import pytest

SUITES = ("suite", "converter_promises", "description_promises", "runtime_promises", "source_promises")

pytest.register_assert_rewrite(*(f"tautomer.testing.{name}" for name in SUITES))
