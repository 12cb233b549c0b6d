"""Which argument of an operator is found to have been ignored, or exchanged for another."""

from __future__ import annotations

import json

import pytest
import torch

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.counterfactuals import try_arguments
from tautomer.adapters.torch_programs.operator_calls import calls_of
from tautomer.adapters.torch_programs.trees import CallArguments, to_tensor
from tautomer.adapters.worker_api import EVENTS_FILE, Channel

pytestmark = pytest.mark.needs("torch")

X, Y = torch.linspace(-2, 2, 8), torch.linspace(3, 1, 8)


@pytest.fixture
def explained(tmp_path):
    """How a target's result of the last operator of a function is explained."""

    def run(function, target, *inputs):
        captured = capture(function, CallArguments(inputs, {}))
        call = calls_of(captured.graph)[-1]
        places = [node.name for node in captured.graph.graph.nodes if node.op == "placeholder"]
        values = {**dict(zip(places, inputs, strict=True)), call["name"]: function(*inputs)}
        files = tmp_path / "values", tmp_path / "computed"
        write_values(files[0], {name: to_tensor(one) for name, one in values.items()})
        write_values(files[1], {call["name"]: to_tensor(target)})
        try_arguments(Channel(tmp_path), tried=[{"call": call, "values": str(files[0]), "computed": str(files[1])}])
        events = tmp_path / EVENTS_FILE
        fields = json.loads(events.read_text())["fields"] if events.exists() else None
        return (fields["how"], fields["arguments"]) if fields else None

    return run


@pytest.mark.parametrize(
    ("function", "target", "inputs", "found"),
    [
        (lambda x, y: torch.add(x, y, alpha=2), X + Y, (X, Y), ("default", ["alpha"])),
        (
            lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
            torch.nn.functional.gelu(X),
            (X,),
            ("default", ["approximate"]),
        ),
        (
            lambda x: torch.nn.functional.softplus(x, 2.0, 1.0),
            torch.nn.functional.softplus(X),
            (X,),
            ("default", ["beta", "threshold"]),
        ),
        (torch.sub, Y - X, (X, Y), ("exchanged", ["self", "other"])),
        (lambda x: x - 0.5, 0.5 - X, (X,), ("exchanged", ["self", "other"])),
        (torch.sub, X + Y, (X, Y), None),
        (torch.sub, X - Y, (X, Y), None),
    ],
)
def test_only_what_a_misread_argument_explains_is_explained(explained, function, target, inputs, found):
    assert explained(function, target, *inputs) == found


def test_what_was_not_recorded_explains_nothing(tmp_path):
    write_values(tmp_path / "values", {"node": to_tensor(X)})
    call = {
        "name": "node",
        "operator": "aten.add.Tensor",
        "arguments": [
            {"name": "self", "type": "Tensor", "value": {"node": "x"}, "has_default": False, "default": None},
            {"name": "alpha", "type": "number", "value": 2, "has_default": True, "default": 1},
        ],
    }
    file = str(tmp_path / "values")
    try_arguments(Channel(tmp_path), tried=[{"call": call, "values": file, "computed": file}])
    assert not (tmp_path / EVENTS_FILE).exists()
