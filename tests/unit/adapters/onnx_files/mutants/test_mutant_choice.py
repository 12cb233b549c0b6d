"""Which faults are chosen, and what is never mutated."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

from tautomer.adapters.onnx_files.mutants import Subject, apply, choose, sites

LAYERS = 12


@pytest.fixture(scope="module")
def deep():
    """Twelve layers of MatMul, Add and Tanh."""
    lines, value = [], "x"
    for layer in range(LAYERS):
        lines.append(f"p{layer} = MatMul({value}, w{layer}) s{layer} = Add(p{layer}, b) t{layer} = Tanh(s{layer})")
        value = f"t{layer}"
    signature = '<ir_version: 10, opset_import: ["": 20]> g (float[2,8] x) => (float[2,8] y)'
    model = onnx.parser.parse_model(f"{signature} {{ {' '.join(lines)} y = Neg({value}) }}")
    generator = np.random.default_rng(0)
    stored = {f"w{layer}": generator.standard_normal((8, 8)) for layer in range(LAYERS)} | {"b": np.ones(8) / 3}
    for name, array in stored.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    return model


def test_the_same_seed_chooses_the_same_faults_and_a_larger_count_adds_to_them(deep):
    chosen = choose(deep, 20, seed=3)
    assert choose(deep, 20, seed=3) == chosen
    assert choose(deep, 30, seed=3)[:20] == chosen
    assert choose(deep, 20, seed=4) != chosen


def test_a_choice_holds_every_kind_as_often_as_any_other(deep):
    kinds = {site.kind for site in sites(deep)}
    counts = [sum(site.kind == kind for site in choose(deep, 2 * len(kinds), seed=0)) for kind in kinds]
    assert set(counts) <= {1, 2, 3}
    assert len(choose(deep, 10**6, seed=0)) == len(list(sites(deep)))


def test_a_few_faults_of_a_kind_are_spread_over_the_depth_of_the_graph(deep):
    positions = [site.index for site in choose(deep, 10**6, seed=0) if site.kind == "weight_sign"]
    thirds = {position * 3 // len(deep.graph.node) for position in positions[:5]}
    assert thirds == {0, 1, 2}


def test_arithmetic_on_shapes_is_never_mutated():
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20]> g (float[n,8] x) => (float[a,b] y) {
             shape = Shape(x)
             zero = Constant<value = int64[1] {0}>()
             two = Constant<value = int64[1] {2}>()
             rows = Gather(shape, zero)
             half = Div(rows, two)
             wide = Constant<value = int64[1] {16}>()
             target = Concat<axis=0>(half, wide)
             y = Reshape(x, target)
           }"""
    )
    assert list(sites(model)) == []


def test_faults_are_found_inside_functions_and_subgraphs():
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20, "own": 1]> g (float[2,8] x, bool c) => (float[2,8] y) {
             f = own.act(x)
             y = If(c) <
               then_branch = t () => (float[2,8] a) { a = LeakyRelu<alpha=0.1>(f) },
               else_branch = e () => (float[2,8] a) { a = Identity(f) }
             >
           }
           <domain: "own", opset_import: ["": 20]> act (v) => (w) { w = Elu<alpha=2.0>(v) }"""
    )
    found = {site.scope: site for site in sites(model) if site.kind == "activation_slope"}
    assert set(found) == {"/1.then_branch", "function own:act:"}
    inside = apply(model, found["/1.then_branch"])
    assert inside.graph.node[1].attribute[0].g.node[0].attribute[0].f == pytest.approx(0.101)
    function = apply(model, found["function own:act:"])
    assert function.functions[0].node[0].attribute[0].f == pytest.approx(2.02)
    for mutant in (inside, function):
        onnx.checker.check_model(mutant)


def test_a_changed_weight_is_stored_inside_and_the_other_weights_stay_outside(deep, tmp_path):
    path = tmp_path / "deep.onnx"
    whole = onnx.ModelProto()
    whole.CopyFrom(deep)
    onnx.save(whole, path, save_as_external_data=True, location="deep.data", size_threshold=0)
    model = onnx.load(str(path), load_external_data=False)
    subject = Subject(model, tmp_path)
    site = next(site for site in subject.sites() if site.kind == "weight_bfloat16")
    mutant = subject.mutant(site)
    [changed] = mutant.tensors
    outside = {one.name for one in mutant.model.graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL}
    assert outside == {one.name for one in model.graph.initializer} - {changed}
    (tmp_path / "mutant.onnx").write_bytes(mutant.model.SerializeToString())
    onnx.checker.check_model(str(tmp_path / "mutant.onnx"))
    read = onnx.load(str(tmp_path / "mutant.onnx"))
    before = next(onnx.numpy_helper.to_array(one) for one in deep.graph.initializer if one.name == changed)
    after = next(onnx.numpy_helper.to_array(one) for one in read.graph.initializer if one.name == changed)
    assert 0 < np.abs(after - before).max() <= 2.0**-8 * np.abs(before).max()


def test_metadata_and_names_of_untouched_nodes_survive(deep):
    model = onnx.ModelProto()
    model.CopyFrom(deep)
    for index, node in enumerate(model.graph.node):
        node.name = f"node_{index}"
        node.metadata_props.append(onnx.StringStringEntryProto(key="line", value=f"model.py:{index}"))
    site = next(site for site in sites(model) if site.kind == "tanh_by_exp")
    mutant = apply(model, site)
    lines = {node.name: node.metadata_props[0].value for node in mutant.graph.node}
    assert len(mutant.graph.node) > len(model.graph.node)
    for node in model.graph.node:
        assert lines[node.name] == node.metadata_props[0].value
    new = [node for node in mutant.graph.node if "/mutant_" in node.name]
    assert {node.metadata_props[0].value for node in new} == {f"model.py:{site.index}"}


def test_a_model_whose_weights_are_elsewhere_has_sites_without_reading_them(deep, tmp_path):
    whole = onnx.ModelProto()
    whole.CopyFrom(deep)
    onnx.save(whole, tmp_path / "deep.onnx", save_as_external_data=True, location="deep.data", size_threshold=0)
    (tmp_path / "deep.data").unlink()
    model = onnx.load(str(tmp_path / "deep.onnx"), load_external_data=False)
    assert {"weight_bfloat16", "tanh_by_exp"} <= {site.kind for site in sites(model)}
