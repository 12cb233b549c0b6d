"""What every suite of promises has: the adapters it is about, and a workbench that runs their tasks as a check does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind, WarmHost
from tautomer.adapters.tensor_file import read_values
from tautomer.errors import NotInstalledError
from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import ArtifactKind, Attempt, Completed, Event, Limits, Tensor
from tautomer.testing.examples import Examples

LIMITS = Limits(timeout_s=180.0, memory_bytes=6 << 30)

_BENCH = pytest.StashKey["Workbench"]()
_SELECTS = "_promised_by"


def promised_by(selects: Callable[[Adapter], bool]) -> Callable[[Any], Any]:
    """Mark a test as one for the adapters that a predicate selects: others promise nothing of the kind."""

    def marked(test: Any) -> Any:
        setattr(test, _SELECTS, selects)
        return test

    return marked


class Workbench:
    """Runs adapters' tasks in warm workers, one pool for a whole session, and makes the example models they need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = itertools.count()
        self._pool = Pool()
        self._pool.__enter__()
        self.examples = Examples(folder / "examples", self.run_in)

    def close(self) -> None:
        """End the pool."""
        self._pool.__exit__(None, None, None)

    def run_in(self, host: WarmHost, function: str, **arguments: Any) -> Attempt:
        """Run any task in a worker of a host."""
        spec = HostSpec(host.name, host.preload, host.prime, host.fork_safe, environment=dict(host.environment))
        task = Task(spec, function, arguments, function.rpartition(".")[2])
        return self._pool.submit(task, LIMITS, folder=self._folder / f"attempt-{next(self._count)}")

    def submit(self, adapter: Adapter, **arguments: Any) -> Attempt:
        """Run an adapter's task."""
        return self.run_in(adapter.host, adapter.task, **arguments)

    def source_of(self, kind: ArtifactKind, spec: dict[str, Any]) -> Attempt:
        """What the registered source of a kind of model answers."""
        return self.submit(reader_of(kind), spec=spec)

    def convert(
        self, adapter: Adapter, kind: ArtifactKind, *, spec: dict[str, Any] | None = None, **expected: Any
    ) -> Attempt:
        """Run a converter on a model, by default the example of its kind, as a check does.

        Args:
            adapter: the converter.
            kind: of the model.
            spec: of the model.
            expected: entries in which `expected` differs from what the source answers.
        """
        spec = spec or self.examples.spec(kind)
        source = self.source_of(kind, spec)
        assert isinstance(source, Completed), source
        told = {**told_of(source), **expected}
        return self.submit(adapter, spec=spec, settings={"opset": None, "options": {}}, expected=told)


def told_of(source: Completed) -> dict[str, Any]:
    """What a converter is told of a source's answers: `expected`."""
    declared = read_values(source.log.parent / source.result["sets"][0]["s32"])
    assert isinstance(declared, dict)
    return {
        "parameters_digest": source.result["parameters_digest"],
        "inputs_digests": [one["inputs_digest"] for one in source.result["sets"]],
        "output_paths": [path for path, value in declared.items() if isinstance(value, Tensor)],
    }


def reader_of(kind: ArtifactKind) -> Adapter:
    """The registered source of a kind of model."""
    found = [one for one in registry.adapters().values() if one.kind is AdapterKind.SOURCE and kind in one.accepts]
    assert found, f"no registered source reads models of kind {kind}"
    return found[0]


def testable_kinds(adapter: Adapter) -> list[ArtifactKind]:
    """The kinds of models an adapter takes whose source is installed here.

    Raises:
        AssertionError: there is none, so that nothing would be tested.
    """
    found = []
    for kind in adapter.accepts:
        try:
            registry.require(reader_of(kind))
        except NotInstalledError:
            continue
        found.append(kind)
    assert found, f"no source of what '{adapter.name}' takes is installed"
    return found


def assert_measured(events: Iterable[Event], names: set[str]) -> None:
    """Events of these names exist and carry the time and the memory that they took."""
    measured = [one for one in events if one.name in names]
    assert measured, f"no event {' or '.join(sorted(names))}"
    for one in measured:
        assert one.fields["seconds"] > 0
        assert one.fields["peak_memory_bytes"] > 1 << 20, one


class Suite:
    """A class of tests, each run for the adapters it is about.

    Attributes:
        adapters: what is tested; those of other kinds than the suite's are left out.
        about: the kind of adapters that the suite is about; None for all.
    """

    adapters: ClassVar[Sequence[Adapter]] = ()
    about: ClassVar[AdapterKind | None] = None

    @classmethod
    def marks_for(cls, adapter: Adapter) -> Sequence[Any]:
        """Marks of the tests of one adapter; none unless a suite says so."""
        return ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes an `adapter` for the adapters that promise what it tests."""
        if "adapter" not in metafunc.fixturenames:
            return
        selects = getattr(metafunc.function, _SELECTS, lambda adapter: True)
        chosen = [one for one in self.adapters if self.about in (None, one.kind) and selects(one)]
        metafunc.parametrize(
            "adapter", [pytest.param(one, id=one.name, marks=list(self.marks_for(one))) for one in chosen]
        )

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
        """The session's workbench."""
        stash = request.config.stash
        if _BENCH not in stash:
            stash[_BENCH] = Workbench(tmp_path_factory.mktemp("promises"))
            request.config.add_cleanup(stash[_BENCH].close)
        return stash[_BENCH]
