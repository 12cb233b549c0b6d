"""What can go wrong while a graph is evaluated; each error names the node, because the node is the finding."""

from __future__ import annotations


class EvaluatorError(Exception):
    """Base of the evaluator's errors: the model under test cannot be evaluated, which is a result and not misuse.

    Args:
        message: what happened, what was expected and what was found.
        node_name: name of the node in its graph; empty where no node is concerned or the node has no name.
        op_type: operator of the node; empty where no node is concerned.
        domain: domain of the operator; empty for ONNX's own.
    """

    def __init__(self, message: str, *, node_name: str = "", op_type: str = "", domain: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.node_name = node_name
        self.op_type = op_type
        self.domain = domain

    def __str__(self) -> str:
        if not self.op_type:
            return self.message
        operator = f"{self.domain}::{self.op_type}" if self.domain else self.op_type
        return f"{operator} {self.node_name!r}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.message, self.node_name, self.op_type, self.domain)


def _restore(kind: type[EvaluatorError], message: str, node_name: str, op_type: str, domain: str) -> EvaluatorError:
    return kind(message, node_name=node_name, op_type=op_type, domain=domain)


class InvalidModel(EvaluatorError):
    """The model breaks a rule of ONNX above the level of a node: unreadable, dangling names, external data astray."""


class InvalidInput(EvaluatorError):
    """A graph input is missing, or its type or shape is not the one the graph declares."""


class InvalidNode(EvaluatorError):
    """A node breaks its operator's schema: an input of a type the operator does not take, a wrong arity."""


class UnsupportedOperator(EvaluatorError):
    """The evaluator has no kernel for the operator, or none that keeps float64."""


class NodeExecutionError(EvaluatorError):
    """The kernel raised on these inputs; the original exception is the cause."""
