"""Runs ONNX graphs node by node, lifted to float64 or in the declared types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from tautomer.model import TensorSpec
from tautomer.numerics.branches import Branches
from tautomer.numerics.onnx_evaluator import control_flow, signatures
from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import (
    Array,
    Value,
    compute_dtype,
    convert,
    declared_dtype,
    dtype_name,
    element_of,
    is_floating,
    storage_dtype,
)
from tautomer.numerics.onnx_evaluator.errors import (
    EvaluatorError,
    InvalidInput,
    InvalidModel,
    InvalidNode,
    NodeExecutionError,
    UnsupportedOperator,
)
from tautomer.numerics.onnx_evaluator.kernels import KERNELS
from tautomer.numerics.onnx_evaluator.loading import LoadedModel, densify, read_tensor
from tautomer.numerics.onnx_evaluator.node_values import (
    constant_value,
    location_of,
    resolve,
    resolved_node,
    spec_of,
)
from tautomer.numerics.onnx_evaluator.operator_functions import function_of_schema
from tautomer.numerics.onnx_evaluator.plan import (
    Plan,
    Step,
    compile_function,
    compile_graph,
    normal_domain,
    opsets_of,
)
from tautomer.numerics.onnx_evaluator.reference_kernel import reference_kernel
from tautomer.numerics.onnx_evaluator.rounding_noise import RoundingNoise
from tautomer.numerics.onnx_evaluator.scope import Held, Scope

Observe = Callable[[str, Value], None]
Force = Callable[[onnx.NodeProto, str, Value], Value | None]
Perturb = Callable[[str, Array], Array]
_SignatureKey = tuple[int, bytes, tuple[str, ...]]


class Evaluator:
    """Evaluates one model.

    Args:
        model: what to run.
        lift: True computes every float16, bfloat16 and float32 value in float64, with the constants exactly as stored.
            Rounding that is part of the function stays: casts to a narrower 16-bit type, integers cast to floats, and
            double constants cast to float32. False computes in the declared types; float16 and bfloat16 nodes
            compute in float32 and are rounded at their outputs.
        kernels: faster kernels by (domain, op_type) that take precedence over the evaluator's own.
        perturb: called with the name and the (lifted) array of each floating initializer, Constant and attribute
            (`node.attribute`) at every use; it must give the same array for the same name.
        noise: perturbs the rounding of every node; only with `lift`.
        branches: conditions of loops and branches to take, or to record.

    Raises:
        InvalidModel: the graph is malformed.
    """

    def __init__(
        self,
        model: LoadedModel | onnx.ModelProto,
        *,
        lift: bool,
        kernels: Mapping[tuple[str, str], Kernel] = {},
        perturb: Perturb | None = None,
        noise: RoundingNoise | None = None,
        branches: Branches | None = None,
    ) -> None:
        loaded = model if isinstance(model, LoadedModel) else LoadedModel(model, None)
        self._folder = loaded.folder
        self._lift = lift
        self._kernels = {**{("", name): kernel for name, kernel in KERNELS.items()}, **kernels}
        self._perturb = perturb
        self._noise = noise
        self._branches = branches or Branches()
        self._graph = loaded.proto.graph
        opsets = opsets_of(loaded.proto.opset_import)
        self._plan = compile_graph(self._graph, opsets)
        self._functions = {
            (normal_domain(function.domain), function.name, function.overload): compile_function(function, opsets)
            for function in loaded.proto.functions
        }
        self._signatures: dict[_SignatureKey, tuple[str, ...]] = {}
        self._schema_functions: dict[_SignatureKey, Plan | None] = {}
        if self._plan.outer:
            raise InvalidModel(f"the graph uses values that nothing defines: {sorted(self._plan.outer)}")

    @property
    def inputs(self) -> list[TensorSpec]:
        """The inputs a caller must give: the graph's, without those that are initializers."""
        stored = {**self._plan.initializers, **self._plan.sparse_initializers}
        return [spec_of(value) for value in self._graph.input if value.name not in stored]

    @property
    def outputs(self) -> list[TensorSpec]:
        """The graph's outputs."""
        return [spec_of(value) for value in self._graph.output]

    def run(
        self, inputs: Mapping[str, Value], observe: Observe | None = None, force: Force | None = None
    ) -> dict[str, Value]:
        """The graph's outputs by name: arrays (float64 for every lifted float), lists for sequences, None.

        Args:
            inputs: by name, in the declared types; when lifted, float64 arrays are taken as well.
            observe: called with the name and value of every node output of the main graph, as it is computed.
            force: called with the node, the name and the value of every node output of the main graph; what it gives
                back stands in the value's place for all that uses it, None leaves the value.

        Raises:
            InvalidInput: an input is missing, unknown, or of another type or shape than declared.
            EvaluatorError: the model cannot be evaluated; the class says why.
        """
        scope = Scope(self._plan, None, {})
        declared = {value.name: value for value in self._graph.input}
        if unknown := sorted(set(inputs) - set(declared)):
            raise InvalidInput(f"the graph has no inputs {unknown}; it has {sorted(declared)}")
        for spec in self.inputs:
            if spec.name not in inputs:
                raise InvalidInput(f"the graph's input {spec.name!r} is missing")
        for index, name in enumerate(self._plan.inputs):
            if name in inputs:
                scope.values[name] = self._admit(spec_of(declared[name]), self._plan.input_types[index], inputs[name])
        with np.errstate(all="ignore"):
            results = self._execute(scope, observe, force)
        return {name: held.value for name, held in zip(self._plan.outputs, results, strict=True)}

    def _admit(self, spec: TensorSpec, type_name: str, value: Value) -> Held:
        if not type_name and isinstance(value, np.ndarray):
            type_name = f"tensor({dtype_name(value.dtype)})"
        if isinstance(value, list) or value is None or not type_name.startswith("tensor("):
            element = element_of(type_name)
            dtype = storage_dtype(element, lift=self._lift) if element else None
            return Held(value if dtype is None else convert(value, dtype), type_name)
        array = np.asarray(value)
        element = element_of(type_name)
        if array.dtype.kind in "UT":
            array = array.astype(object)
        stored = storage_dtype(element, lift=self._lift)
        if array.dtype not in (declared_dtype(element), stored):
            raise InvalidInput(f"input {spec.name!r} has type {array.dtype} where the graph declares {spec.dtype}")
        if spec.shape is not None and (
            len(spec.shape) != array.ndim
            or any(isinstance(size, int) and size != found for size, found in zip(spec.shape, array.shape, strict=True))
        ):
            raise InvalidInput(f"input {spec.name!r} has shape {array.shape} where the graph declares {spec.shape}")
        return Held(convert(array, stored), type_name)

    def _execute(
        self,
        scope: Scope,
        observe: Observe | None = None,
        force: Force | None = None,
        outputs_count: int | None = None,
    ) -> list[Held]:
        for step in scope.plan.steps:
            try:
                results = self._step(step, scope)
            except EvaluatorError as error:
                if not error.op_type:
                    raise type(error)(error.message, **location_of(step)) from error
                raise
            for name, held in zip(step.node.output, results, strict=False):
                if name:
                    if observe is not None:
                        observe(name, held.value)
                    forced = force(step.node, name, held.value) if force is not None else None
                    scope.values[name] = held if forced is None else self._forced(held, forced)
            for name in step.frees:
                scope.values.pop(name, None)
        return [self._look_up(name, scope) for name in scope.plan.outputs[:outputs_count]]

    def _forced(self, held: Held, value: Value) -> Held:
        dtype = storage_dtype(element_of(held.type_name), lift=self._lift)
        return Held(convert(np.asarray(value), dtype), held.type_name)

    def _look_up(self, name: str, scope: Scope, *, as_stored: bool = False) -> Held:
        seen: Scope | None = scope
        while seen is not None:
            if name in seen.values:
                return seen.values[name]
            if name in seen.plan.initializers:
                tensor = read_tensor(seen.plan.initializers[name], self._folder)
                return self._constant(name, tensor, as_stored=as_stored)
            if name in seen.plan.sparse_initializers:
                return self._constant(name, densify(seen.plan.sparse_initializers[name], self._folder))
            seen = seen.parent
        raise InvalidModel(f"the value {name!r} is used before anything defines it")

    def _constant(self, name: str, array: Array, *, as_stored: bool = False) -> Held:
        element = dtype_name(array.dtype)
        if as_stored:
            return Held(array, f"tensor({element})", is_constant=True)
        value = convert(array, storage_dtype(element, lift=self._lift))
        if self._perturb is not None and is_floating(value.dtype):
            value = convert(np.asarray(self._perturb(name, value)), value.dtype)
        return Held(value, f"tensor({element})", is_constant=True)

    def _step(self, step: Step, scope: Scope) -> Sequence[Held]:
        custom = self._kernels.get((step.domain, step.op_type))
        function = self._functions.get((step.domain, step.op_type, step.node.overload))
        # Lifting a whole embedding table to read a few rows of it would cost its size twice over.
        as_stored = custom is KERNELS["Gather"] and function is None and self._perturb is None
        held = [self._look_up(name, scope, as_stored=as_stored) if name else None for name in step.node.input]
        given = resolve(step.attributes, scope.attributes)
        if function is not None:
            return self._call_function(function, held, given, len(step.node.output))
        opset = scope.plan.opsets.get(step.domain)
        schema = signatures.schema_of(step.domain, step.op_type, opset) if opset is not None else None
        if schema is None or opset is None:
            version = "that the model does not import" if opset is None else f"at opset {opset}"
            # What a standard domain does not define is no operator; another domain may define what we do not know.
            kind = InvalidNode if step.domain in ("", "ai.onnx.ml") else UnsupportedOperator
            raise kind(
                f"no operator of this name in domain {step.domain or 'ai.onnx'!r} {version}", **location_of(step)
            )
        if step.op_type == "Constant" and step.domain == "":
            return [self._constant(step.node.output[0], constant_value(given, step, self._folder))]
        node = resolved_node(step, given)
        types = tuple("" if item is None else item.type_name for item in held)
        outputs = self._signature(step, schema, opset, node, types)
        control = control_flow.OPERATORS.get(step.op_type) if step.domain == "" else None
        if control is not None:
            return control(
                control_flow.ControlCall(
                    step,
                    opset,
                    given,
                    tuple(held),
                    self._lift,
                    lambda plan, arguments: self._run_body(plan, arguments, scope),
                    self._branches.decide,
                )
            )
        attributes = {**signatures.default_attributes(step.domain, step.op_type, opset), **given}
        if self._perturb is not None:
            attributes = self._perturbed_attributes(step, attributes, self._perturb)
        if custom is None:
            expansion = self._expansion(step, schema, scope.plan.opsets, node, types)
            if expansion is not None:
                results = self._call_function(expansion, held, attributes, len(outputs))
                return [
                    Held(item.value, declared or item.type_name)
                    for item, declared in zip(results, outputs, strict=False)
                ]
        call = Call(
            node,
            opset,
            attributes,
            self._computable(held, as_stored=as_stored),
            types,
            outputs,
            self._lift,
            tuple(item is not None and item.is_constant for item in held),
        )
        noise = None if as_stored else self._noise
        computed = _invoke(custom or reference_kernel, call if noise is None else noise.on_inputs(call), step)
        if noise is not None:
            computed = noise.on_outputs(call, computed)
        if as_stored:
            computed = [convert(item, call.output_dtype()) for item in computed]
        return self._finish(call, computed)

    @staticmethod
    def _perturbed_attributes(step: Step, attributes: Mapping[str, Any], perturb: Perturb) -> dict[str, Any]:
        """A float attribute (a slope, an epsilon) is a constant in the declared precision like any other."""
        changed = dict(attributes)
        for name, value in attributes.items():
            if isinstance(value, float):
                changed[name] = float(perturb(f"{step.node.name or step.op_type}.{name}", np.asarray(value)))
        return changed

    def _computable(self, held: Sequence[Held | None], *, as_stored: bool) -> tuple[Value, ...]:
        values: list[Value] = []
        for item in held:
            element = element_of(item.type_name) if item is not None else ""
            if item is not None and item.is_constant and as_stored:
                values.append(item.value)
                continue
            value = None if item is None else item.value
            values.append(convert(value, compute_dtype(element, lift=self._lift)) if element else value)
        return tuple(values)

    def _finish(self, call: Call, results: Sequence[Value]) -> list[Held]:
        finished = []
        for index, declared in enumerate(call.output_types):
            if not declared:
                finished.append(Held(None, ""))
                continue
            value = results[index] if index < len(results) else None
            finished.append(Held(self._stored(value, declared, index), declared))
        return finished

    def _stored(self, value: Value, declared: str, index: int) -> Value:
        if isinstance(value, list):
            return [self._stored(item, declared, index) for item in value]
        if value is None:
            if declared.startswith("optional("):
                return None
            raise NodeExecutionError(f"the kernel gave no output {index}, which the graph uses")
        element = element_of(declared)
        array = np.asarray(value)
        allowed = (storage_dtype(element, lift=self._lift), compute_dtype(element, lift=self._lift))
        if array.dtype not in allowed:
            raise NodeExecutionError(f"output {index} is {array.dtype} where {declared} asks for {allowed[0]}")
        return convert(array, allowed[0])

    def _run_body(self, plan: Plan, arguments: Sequence[Held], scope: Scope) -> list[Held]:
        if len(arguments) != len(plan.inputs):
            raise InvalidNode(f"its body {plan.name!r} takes {len(plan.inputs)} inputs and is given {len(arguments)}")
        # A body may declare an optional where the node is given a plain value.
        values = {
            name: Held(item.value, declared) if declared.startswith("optional(") else item
            for name, declared, item in zip(plan.inputs, plan.input_types, arguments, strict=True)
        }
        return self._execute(Scope(plan, scope, scope.attributes, values))

    def _call_function(
        self, plan: Plan, held: Sequence[Held | None], given: Mapping[str, Any], outputs_count: int
    ) -> list[Held]:
        if len(held) > len(plan.inputs):
            raise InvalidNode(f"function {plan.name!r} takes {len(plan.inputs)} inputs and is given {len(held)}")
        scope = Scope(plan, None, {**plan.defaults, **given})
        for index, name in enumerate(plan.inputs):
            item = held[index] if index < len(held) else None
            scope.values[name] = Held(None, "") if item is None else item
        return self._execute(scope, outputs_count=outputs_count)

    def _signature(
        self, step: Step, schema: onnx.defs.OpSchema, opset: int, node: onnx.NodeProto, types: tuple[str, ...]
    ) -> tuple[str, ...]:
        key = _signature_key(step, node, types)
        if key not in self._signatures:
            bound = signatures.check_inputs(schema, opset, node, types)
            is_control = step.domain == "" and step.op_type in control_flow.OPERATORS
            self._signatures[key] = () if is_control else signatures.output_types(schema, opset, node, types, bound)
        return self._signatures[key]

    def _expansion(
        self,
        step: Step,
        schema: onnx.defs.OpSchema,
        opsets: Mapping[str, int],
        node: onnx.NodeProto,
        types: tuple[str, ...],
    ) -> Plan | None:
        key = _signature_key(step, node, types)
        if key not in self._schema_functions:
            function = function_of_schema(schema, opsets[step.domain], node, types)
            self._schema_functions[key] = None if function is None else compile_function(function, opsets)
        return self._schema_functions[key]


def _signature_key(step: Step, node: onnx.NodeProto, types: tuple[str, ...]) -> _SignatureKey:
    # Steps live as long as the evaluator, so their identity names them; a node inside a function also depends on the
    # attributes it was called with.
    return id(step), b"" if node is step.node else node.SerializeToString(), types


def _invoke(kernel: Kernel, call: Call, step: Step) -> Sequence[Value]:
    try:
        results = kernel(call)
    except (EvaluatorError, MemoryError):
        raise
    except Exception as error:
        raise NodeExecutionError(f"{type(error).__name__}: {error}", **location_of(step)) from error
    return [results] if isinstance(results, np.ndarray | np.generic) else results
