"""A check names exactly the node that a fault was planted in, in the exporter or the runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "planted"))

from choosing import chosen
from measuring import clean_conversion, faulty_software, measured
from plants import Where

from tautomer.execution import Pool

MODEL = Path(__file__).parent / "planted" / "models" / "encoder.py"
CASES = [
    ("single", Where.TRANSLATION),
    ("single", Where.KERNEL),
    ("pair", Where.OPTIMIZER),
]

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "torch.onnx", "onnxruntime")]


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


@pytest.fixture(scope="module")
def plant_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plants") / "plant.json"
    with faulty_software(path):
        yield path


@pytest.fixture(scope="module")
def clean(pool, plant_file, tmp_path_factory):
    return clean_conversion(MODEL, pool, tmp_path_factory.mktemp("clean"), seed=0)


@pytest.mark.parametrize(("rule", "where"), CASES, ids=[f"{rule}-{where}" for rule, where in CASES])
def test_a_check_names_exactly_the_planted_node_and_its_stage(rule, where, clean, plant_file, pool, tmp_path):
    ((_, plant),) = chosen(clean, [(rule, where)])
    row = measured(MODEL, plant, plant_file, pool, tmp_path, reduces=False)
    named = {node for finding in row["findings"] for node in finding["nodes"]}
    assert (row["planted"], row["outcome"], row["stage"]) == (True, "divergent", where.stage)
    assert named == {*plant.nodes}
