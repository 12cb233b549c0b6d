"""What the description of an adapter promises."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.worker_api import resolve_function
from tautomer.testing.suite import Suite, promised_by

FRAMEWORKS = (
    "torch onnxscript onnxruntime transformers tensorflow keras tf2onnx jax openvino ai_edge_litert onnxslim".split()
)

_BLOCKED = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2].split(","):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from tautomer.adapters.worker_api import resolve_function
print(callable(resolve_function(sys.argv[1])))
"""

_HANDED_OVER = {
    AdapterKind.SOURCE: {"spec"},
    AdapterKind.CONVERTER: {"spec", "settings", "expected"},
    AdapterKind.RUNTIME: {"model", "checkpoint", "inputs", "feeds", "level"},
}


class DescriptionPromises(Suite):
    """Tests of descriptions, for adapters of every kind; none of them needs the adapter's framework."""

    def test_the_entry_point_is_called_as_the_adapter(self, adapter: Adapter) -> None:
        entries = [one for one in importlib.metadata.entry_points(group=registry.GROUP) if one.load() is adapter]
        assert [one.name for one in entries] == [adapter.name]

    def test_it_can_be_found_by_its_name(self, adapter: Adapter) -> None:
        assert registry.get(adapter.kind, adapter.name) is adapter

    def test_the_task_is_a_function_that_takes_what_the_pipeline_hands_over(self, adapter: Adapter) -> None:
        signature = inspect.signature(resolve_function(adapter.task))
        signature.bind("channel", **dict.fromkeys(_HANDED_OVER[adapter.kind]))

    def test_what_it_needs_are_top_level_modules(self, adapter: Adapter) -> None:
        assert adapter.requires
        assert all("." not in module for module in adapter.requires)
        assert adapter.extra

    def test_the_host_is_one_that_can_be_repeated(self, adapter: Adapter) -> None:
        host = adapter.host
        assert host.preload
        assert host.prime is None or ":" in host.prime
        same_name = {one.host for one in registry.adapters().values() if one.host.name == host.name}
        assert same_name == {host}, "adapters that share a process describe it alike"

    @promised_by(lambda adapter: adapter.kind is AdapterKind.SOURCE)
    def test_the_default_converter_takes_what_the_source_reads(self, adapter: Adapter) -> None:
        if adapter.default_converter is None:
            runtimes = [one for one in registry.adapters().values() if one.kind is AdapterKind.RUNTIME]
            assert any(set(adapter.accepts) <= set(one.accepts) for one in runtimes)
            return
        converter = registry.get(AdapterKind.CONVERTER, adapter.default_converter)
        assert set(adapter.accepts) <= set(converter.accepts)

    @promised_by(lambda adapter: adapter.kind is AdapterKind.CONVERTER)
    def test_some_runtime_or_converter_takes_what_the_converter_makes(self, adapter: Adapter) -> None:
        takers = [one for one in registry.adapters().values() if one.kind is not AdapterKind.SOURCE]
        assert any(adapter.produces in one.accepts for one in takers if one is not adapter)

    def test_the_task_can_be_imported_without_its_framework(self, adapter: Adapter) -> None:
        blocked = ",".join({*FRAMEWORKS, *adapter.requires} - {"numpy", "onnx", "onnx_ir"})
        done = subprocess.run(
            [sys.executable, "-c", _BLOCKED, adapter.task, blocked],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout.strip() == "True", done.stderr
