"""Sequence analysis: exact against brute force and against the published procedure, and what it costs.

`python benchmarks/sequences.py` (`make bench-sequences`) prints the tables of docs/reference/coverage.md: one core, no
framework. Models are random graphs of operators, seeded; nothing is executed.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Sequence

from tautomer.coverage import coverage_of
from tautomer.coverage.data_flow import BARE_ARROW, contained, sequences_of
from tautomer.coverage.direct_tests import occurrence
from tautomer.coverage.published import distinct_paths, number_of_paths, reduced, shared
from tautomer.coverage.sequence_sets import exact_sequences
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin, ValueType

LONGEST = 5
BLOCK = (
    ("LayerNormalization", (-1,)),
    ("MatMul", (0,)),
    ("MatMul", (0,)),
    ("MatMul", (0,)),
    ("Transpose", (2,)),
    ("MatMul", (1, 4)),
    ("Softmax", (5,)),
    ("MatMul", (6, 3)),
    ("MatMul", (7,)),
    ("Add", (-1, 8)),
    ("LayerNormalization", (9,)),
    ("MatMul", (10,)),
    ("Gelu", (11,)),
    ("MatMul", (12,)),
    ("Add", (9, 13)),
)
"""A transformer block: operators, and the places in the block they take values from; -1 is the block before."""


def random_model(nodes: int, operators: int, seed: int, *, reach: int = 10) -> Architecture:
    """A random graph: each node takes one or two values from the `reach` before it; unused ones are outputs."""
    generator = random.Random(seed)
    made: list[OperatorNode] = []
    for position in range(nodes):
        count = generator.choice((1, 1, 2))
        operands = tuple(
            Operand(port, Origin.NODE, generator.randrange(max(0, position - reach), position))
            if position
            else Operand(port, Origin.INPUT, 0)
            for port in range(count)
        )
        made.append(OperatorNode(f"Op{generator.randrange(operators)}", operands))
    used = {one.index for node in made for one in node.operands if one.origin is Origin.NODE}
    ends = tuple((index, 0) for index in range(nodes) if index not in used)
    return Architecture(f"random-{seed}", "onnx", (ValueType(),), tuple(made), ends)


def transformer(nodes: int) -> Architecture:
    """Identical blocks, one after another, up to so many nodes."""
    made: list[OperatorNode] = []
    while len(made) < nodes:
        first = len(made)
        for operator, places in BLOCK[: nodes - first]:
            sources = [first - 1 if place < 0 else first + place for place in places]
            operands = tuple(
                Operand(port, Origin.NODE, one) if one >= 0 else Operand(port, Origin.INPUT, 0)
                for port, one in enumerate(sources)
            )
            made.append(OperatorNode(operator, operands))
    return Architecture(f"transformer-{nodes}", "onnx", (ValueType(),), tuple(made), ((nodes - 1, 0),))


def walked(architecture: Architecture, length: int, *, ports: bool) -> set[str]:
    """Sequences of one length, by walking every path."""

    def ending_at(index: int, left: int) -> Iterator[str]:
        node = architecture.nodes[index]
        if left == 1:
            yield node.operator
            return
        for one in node.operands:
            if one.origin is Origin.NODE:
                step = f" {one.output}>{one.port} " if ports else BARE_ARROW
                yield from (before + step + node.operator for before in ending_at(one.index, left - 1))

    return {found for index in range(len(architecture.nodes)) for found in ending_at(index, length)}


def against_brute_force(count: int) -> None:
    """Every set of sequences of random small graphs, with ports and without, beside the walked one."""
    same = compared = 0
    for seed in range(count):
        model = random_model(2 + seed % 14, 2 + seed % 5, seed, reach=6)
        for ports in (False, True):
            found = sequences_of(model, LONGEST, ports=ports)
            for length in range(1, LONGEST + 1):
                compared += 1
                same += found[length - 1] == walked(model, length, ports=ports)
    print(
        f"{count:,} random graphs of 2 to 15 nodes: {same:,} of {compared:,} sets identical to those of brute force\n"
    )


def against_published(models: int, nodes: int, orders: int) -> None:
    """What the published procedure finds in failing models only, in several orders, beside the exact answer."""
    failing = [random_model(nodes, 4, seed, reach=4) for seed in range(models)]
    passing = [random_model(nodes, 4, 1000 + seed, reach=4) for seed in range(models)]
    began_s = time.perf_counter()
    true = {
        one.item
        for one in exact_sequences(failing, passing, longest=nodes).sequences
        if one.only_failing and one.failing > 1 and one.length > 2
    }
    exact_s = time.perf_counter() - began_s
    print(f"{models} failing and {models} passing models of {nodes} nodes, sequences of at least 3 operators that two")
    print("failing models share and no passing model has:\n")
    print("| order | found | reduced | in a passing model after all | missed | missed, and in no found one | s |")
    print("|---|---|---|---|---|---|---|")
    for order in range(orders):
        generator = random.Random(order)
        own, others = failing[:], passing[:]
        if order:
            generator.shuffle(own)
            generator.shuffle(others)
        began_s = time.perf_counter()
        only = published_only(own, others)
        took_s = time.perf_counter() - began_s
        items = {BARE_ARROW.join(one) for one in only}
        wrong = sum(any(occurrence(model, item, ports=False) for model in passing) for item in items)
        parts = {part for item in items for part in contained(item)}
        print(
            f"| {f'shuffled {order}' if order else 'given'} | {len(items)} | {len(reduced(only))} | {wrong} "
            f"| {len(true - items)} | {len(true - parts)} | {took_s:.1f} |",
            flush=True,
        )
    print(f"| exact, any | {len(true)} | – | 0 | 0 | 0 | {exact_s:.2f} |\n")


def published_only(failing: Sequence[Architecture], passing: Sequence[Architecture]) -> list[tuple[str, ...]]:
    """The procedure's sequences of failing models only, in the order in which it finds them."""
    own, others = [distinct_paths(one) for one in failing], [distinct_paths(one) for one in passing]
    among = dict.fromkeys(one for left, right in itertools.combinations(own, 2) for one in shared(left, right))
    elsewhere = {one for left, right in itertools.product(own, others) for one in shared(left, right)}
    return [one for one in among if one not in elsewhere]


def by_size() -> None:
    """Seconds and distinct items as the graph grows, and the paths that a walk would have to go."""
    print("| model | nodes | paths | distinct sequences of 2 to 5 | sequences, ms | all kinds, ms |")
    print("|---|---|---|---|---|---|")
    for kind, make in (
        ("random, 60 operators", lambda nodes: random_model(nodes, 60, 0)),
        ("transformer blocks", transformer),
    ):
        for nodes in (10, 100, 1_000, 10_000):
            model = make(nodes)
            sequences_ms, found = timed(lambda model=model: sequences_of(model, LONGEST))
            all_ms, _ = timed(lambda model=model: coverage_of(model))
            distinct = sum(map(len, found[1:]))
            print(
                f"| {kind} | {nodes:,} | {scientific(number_of_paths(model))} | {distinct:,} | {sequences_ms:.1f} | "
                f"{all_ms:.1f} |",
                flush=True,
            )
    print()


def many_models(count: int, nodes: int) -> None:
    """Two sets of models, analysed whole."""
    failing = [random_model(nodes, 60, seed) for seed in range(count)]
    passing = [random_model(nodes, 60, 10_000 + seed) for seed in range(count)]
    own, others = sum(map(number_of_paths, failing)), sum(map(number_of_paths, passing))
    for ports in (False, True):
        began_s = time.perf_counter()
        found = exact_sequences(failing, passing, longest=LONGEST, ports=ports)
        took_s = time.perf_counter() - began_s
        print(
            f"{count} x {count} models of {nodes} nodes, {'with' if ports else 'without'} ports: {took_s:.1f} s; "
            f"{found.tested[1]:,} sequences tested, {found.only_failing.count:,} in failing models only, "
            f"{found.only_failing.reduced:,} of them minimal"
        )
    print(f"The published procedure would compare {scientific(own * others)} pairs of paths of the two sets alone.")


def timed(action, repeats: int = 3):
    """The least milliseconds of a few runs, and what came of it."""
    best, result = float("inf"), None
    for _ in range(repeats):
        began_s = time.perf_counter()
        result = action()
        best = min(best, (time.perf_counter() - began_s) * 1e3)
    return best, result


def scientific(number: int) -> str:
    """A whole number as people write it: in full up to a million, then by its power of ten."""
    if number < 10**6:
        return f"{number:,}"
    digits = str(number)
    return f"{digits[0]}.{digits[1]}e{len(digits) - 1}"


if __name__ == "__main__":
    against_brute_force(1000)
    against_published(8, 20, 6)
    by_size()
    many_models(200, 100)
