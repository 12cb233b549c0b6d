"""What caused a finding: the operator, the category by evidence, and a sentence that a maintainer can act on."""

from tautomer.checking.causes.explained import explained_findings

__all__ = ["explained_findings"]
