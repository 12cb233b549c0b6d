"""`tautomer generate`: the models it writes are checked, covered, and the same for the same seed."""

import json

import pytest

from tautomer.cli.application import main

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("generated")
    assert main(["generate", "--count", "6", "--nodes", "4-9", "--seed", "40", "-o", str(made)]) == 0
    return made


def test_the_index_says_what_was_made(folder):
    index = json.loads((folder / "index.json").read_text())
    assert [one["seed"] for one in index["models"]] == list(range(40, 46))
    assert all((folder / one["file"]).is_file() for one in index["models"])
    assert all(4 <= one["nodes"] == len(one["operators"]) <= 9 for one in index["models"])
    assert not index["failed"]


def test_a_model_is_made_again_by_its_own_seed(folder, tmp_path):
    assert main(["generate", "--count", "1", "--nodes", "4-9", "--seed", "43", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "model-000043.py").read_bytes() == (folder / "model-000043.py").read_bytes()


def test_a_generated_model_can_be_checked(folder, tmp_path):
    assert main(["generate", "--count", "1", "--nodes", "5", "--operators", "torch.relu", "--operators", "torch.add",
                 "--operators", "F.linear", "--operators", "torch.tanh", "-o", str(tmp_path)]) == 0  # fmt: skip
    assert main(["check", str(tmp_path / "model-000000.py"), "--keep", "none"]) == 0


def test_what_a_folder_does_not_cover_is_what_is_aimed_at(tmp_path):
    few = ("torch.relu", "torch.tanh", "torch.add", "torch.mul", "torch.neg", "torch.sigmoid", "torch.maximum")
    chosen = [part for name in few for part in ("--operators", name)]

    def made(name, seed, *arguments):
        arguments = ["--count", "8", "--nodes", "8", "--seed", str(seed), "-o", str(tmp_path / name), *arguments]
        assert main(["generate", *chosen, *arguments]) == 0
        return {tuple(one) for one in json.loads((tmp_path / name / "index.json").read_text())["sequences"]}

    known = made("known", 10)
    aimed = made("aimed", 90, "--aim-at", str(tmp_path / "known"))
    assert len(aimed - known) > len(made("any", 90) - known)


def test_models_are_made_like_others(tmp_path):
    (tmp_path / "mlp.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.b = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)\n"
        "    def forward(self, x):\n"
        "        return torch.tanh(self.b(torch.relu(self.a(x))))\n"
        "def inputs():\n"
        "    return (torch.ones(2, 4),)\n"
    )
    made = tmp_path / "alike"
    assert main(["generate", "--count", "3", "--like", str(tmp_path / "mlp.py"), "-o", str(made)]) == 0
    used = {name for one in json.loads((made / "index.json").read_text())["models"] for name in one["operators"]}
    assert used <= {"F.linear", "F.linear without bias", "torch.relu", "torch.tanh"}
    assert len(used) >= 3


def test_a_model_of_the_same_name_is_not_overwritten(folder, capsys):
    before = (folder / "model-000041.py").read_bytes()
    assert main(["generate", "--count", "2", "--nodes", "3", "--seed", "41", "-o", str(folder)]) == 2
    assert "TA169" in capsys.readouterr().err
    assert (folder / "model-000041.py").read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [["--nodes", "0"], ["--framework", "caffe"], ["--dtypes", "float8"], ["--like", "a", "--aim-at", "b"]]
)
def test_misuse_is_told_and_ends_with_two(arguments, tmp_path, capsys):
    assert main(["generate", *arguments, "-o", str(tmp_path / "none")]) == 2
    assert "TA16" in capsys.readouterr().err


def test_mutants_of_a_model_run_and_differ_from_it(tmp_path):
    import torch

    (tmp_path / "net.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv, self.norm = torch.nn.Conv2d(2, 4, 3), torch.nn.GroupNorm(2, 4)\n"
        "    def forward(self, x):\n"
        "        return torch.softmax(torch.relu(self.norm(self.conv(x))).mean((2, 3)), -1)\n"
        "def inputs():\n"
        "    return (torch.randn(2, 2, 8, 8),)\n"
    )
    made = tmp_path / "mutants"
    assert main(["generate", "--mutate", str(tmp_path / "net.py"), "--count", "8", "-o", str(made)]) == 0
    index = json.loads((made / "index.json").read_text())
    assert len(index["models"]) == 8
    assert all(1 <= len(one["changes"]) <= 3 for one in index["models"])
    answers = []
    for one in index["models"]:
        program = torch.export.load(made / one["file"])
        args, kwargs = program.example_inputs
        answers.append(program.module()(*args, **kwargs))
    assert all(torch.isfinite(one).all() for one in answers)
    assert len({tuple(one.flatten().tolist()) for one in answers}) >= 6
    assert main(["check", str(made / index["models"][0]["file"]), "--keep", "none"]) in (0, 1)


def test_what_cannot_be_mutated_is_misuse(tmp_path, capsys):
    (tmp_path / "net.tflite").write_bytes(b"TFL3")
    assert main(["generate", "--mutate", str(tmp_path / "net.tflite"), "-o", str(tmp_path / "mutants")]) == 2
    assert "TA166" in capsys.readouterr().err
