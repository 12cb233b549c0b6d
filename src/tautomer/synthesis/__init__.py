"""Models made up node by node: operators as specifications, rules of types, growth; knows no framework."""

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.growth import Growth
from tautomer.synthesis.program import DrawnTensor, Node, Program, Reference
from tautomer.synthesis.request import Request
from tautomer.synthesis.runs import Kernels, values_of
from tautomer.synthesis.specification import Application, Fresh, Operand, Rule, Scope, Specification, Value
from tautomer.synthesis.spelling import spelled
from tautomer.synthesis.tensor_types import Domain, DtypeName, TensorType

__all__ = [
    "Application",
    "Domain",
    "Draw",
    "DrawnTensor",
    "DtypeName",
    "Fresh",
    "Growth",
    "Kernels",
    "Node",
    "Operand",
    "Program",
    "Reference",
    "Request",
    "Rule",
    "Scope",
    "Specification",
    "TensorType",
    "Value",
    "spelled",
    "values_of",
]
