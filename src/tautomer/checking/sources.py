"""Recognise what a user hands over, and refuse what cannot or must not be opened, before any worker starts."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.errors import InputsError, MisuseError, ModelFileError
from tautomer.model import ArtifactKind

_BY_SUFFIX = {
    ".pt2": ArtifactKind.EXPORTED_PROGRAM,
    ".onnx": ArtifactKind.ONNX,
    ".keras": ArtifactKind.KERAS_FILE,
    ".h5": ArtifactKind.KERAS_FILE,
    ".hdf5": ArtifactKind.KERAS_FILE,
    ".tflite": ArtifactKind.TFLITE,
}
_KNOWN = "Give a model module (.py), .pt2, TorchScript, a SavedModel folder, .keras, .h5, .tflite or .onnx."
_DEFAULT_RUNTIMES = {ArtifactKind.ONNX: "onnxruntime", ArtifactKind.TFLITE: "litert"}
_KIND_OF_MODULE = {
    "torch": ArtifactKind.MODEL_MODULE,
    "tensorflow": ArtifactKind.TENSORFLOW_MODULE,
    "onnx": ArtifactKind.ONNX,
}
"""What a Python file is by the framework that it names."""
_TORCH_SUFFIXES = (".pt", ".pth", ".ts", ".torchscript", ".jit")


Route = tuple[Adapter, ...]
"""Converters that a model goes through, in order; none where a runtime takes the model itself."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A model file and the adapter that reads it.

    Attributes:
        path: of the file.
        kind: what it is, or what it stands for.
        adapter: of the source.
        builds_onnx: whether it is a Python file that builds an ONNX model, which is yet to be written out.
        built_by: the Python file that has built it.
    """

    path: Path
    kind: ArtifactKind
    adapter: Adapter
    builds_onnx: bool = False
    built_by: Path | None = None

    @property
    def given(self) -> Path:
        """The file that the user named."""
        return self.built_by or self.path


def recognise(path: Path, *, trust_pickle: bool) -> SourceFile:
    """Say what a model file is.

    Raises:
        ModelFileError: no such file, an unknown kind, a pickle without leave, a corrupt ONNX file, or external data
            outside its folder.
    """
    if not path.exists():
        raise ModelFileError("TA110", f"there is no file {path}.")
    if path.is_dir() and not (path / "saved_model.pb").exists():
        raise ModelFileError("TA110", f"{path} is a folder, and not one of a SavedModel.", _KNOWN)
    kind = ArtifactKind.SAVED_MODEL if path.is_dir() else _BY_SUFFIX.get(path.suffix.lower())
    builds_onnx = False
    if kind is None and path.suffix.lower() == ".py":
        kind = module_kind(path)
        builds_onnx = kind is ArtifactKind.ONNX
    if kind is None and path.suffix.lower() in _TORCH_SUFFIXES:
        kind = _torch_file(path, trust_pickle=trust_pickle)
    if kind is None:
        raise ModelFileError(
            "TA111",
            f"{path.name} is of an unknown kind ('{path.suffix}').",
            _KNOWN,
        )
    if kind is ArtifactKind.ONNX and not builds_onnx:
        from tautomer.adapters.onnx_files.digest import check_external_data, read_structure

        check_external_data(read_structure(path), path.parent)
    adapter = next(
        adapter
        for (seam, _), adapter in registry.adapters().items()
        if seam is AdapterKind.SOURCE and kind in adapter.accepts
    )
    return SourceFile(path.resolve(), kind, adapter, builds_onnx)


def names_a_model(path: Path) -> bool:
    """Whether a path is that of a model: a file, or the folder of a SavedModel."""
    return path.is_file() or (path / "saved_model.pb").is_file()


def module_kind(path: Path) -> ArtifactKind:
    """Which framework's model module a Python file is, without running it.

    It is TensorFlow's where it says `FRAMEWORK = "tensorflow"`, or where it imports tensorflow or keras and not torch;
    it builds an ONNX model where it says `FRAMEWORK = "onnx"`, or where it imports onnx and none of these.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ArtifactKind.MODEL_MODULE  # whoever imports it tells the user's line
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add((node.module or "").partition(".")[0])
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "FRAMEWORK" for target in statement.targets
        ):
            said = statement.value.value if isinstance(statement.value, ast.Constant) else None
            if said not in _KIND_OF_MODULE:
                raise ModelFileError(
                    "TA111", f"{path.name} says FRAMEWORK = {said!r}.", "It is 'torch', 'tensorflow' or 'onnx'."
                )
            return _KIND_OF_MODULE[said]
    if "torch" in imported:
        return ArtifactKind.MODEL_MODULE
    if imported & {"tensorflow", "keras"}:
        return ArtifactKind.TENSORFLOW_MODULE
    return ArtifactKind.ONNX if "onnx" in imported else ArtifactKind.MODEL_MODULE


def _torch_file(path: Path, *, trust_pickle: bool) -> ArtifactKind:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any("/code/" in name for name in names) and any(name.endswith("/constants.pkl") for name in names):
            return ArtifactKind.TORCHSCRIPT
    if not trust_pickle:
        raise ModelFileError(
            "TA119",
            f"{path.name} is a pickle and not a TorchScript archive; opening it can run any code.",
            "If you trust the file, pass --trust-pickle; better, export it to .pt2 or write a model module.",
        )
    return ArtifactKind.PICKLED_MODULE


def sample_files(inputs: Path | None) -> list[Path]:
    """The sample files that --inputs stands for: one file, or every readable sample of a folder, by name.

    Raises:
        InputsError: there is none.
    """
    if inputs is None:
        return []
    if not inputs.exists():
        raise InputsError("TA130", f"there is no file or folder {inputs}.")
    if inputs.is_file():
        return [inputs.resolve()]
    known = (".npz", ".npy", ".safetensors", ".pt", ".pth")
    files = sorted(one.resolve() for one in inputs.iterdir() if one.suffix in known)
    if not files:
        raise InputsError("TA136", f"the folder {inputs} holds no samples.", f"Known: {', '.join(known)}.")
    return files


def resolve_converters(source: SourceFile, names: Sequence[str]) -> list[Adapter | None]:
    """The single converters to go through; [None] where the source itself is what runtimes take.

    Raises:
        MisuseError: unknown, a chain, or not one that takes this source.
    """
    routes = [route(source, (name,)) for name in _chosen(source, names)]
    return [one[0] for one in routes] or [None]


def resolve_routes(source: SourceFile, names: Sequence[str]) -> list[Route]:
    """The chains of converters to go through; [()] where the source itself is what runtimes take.

    Args:
        source: what the first converters take.
        names: of chains, their links separated by commas; empty for the source's own converter.

    Raises:
        MisuseError: unknown, or one that does not take what comes to it.
    """
    routes = [route(source, links_of(name)) for name in _chosen(source, names)]
    return routes or [()]


def _chosen(source: SourceFile, names: Sequence[str]) -> Sequence[str]:
    return names or ((source.adapter.default_converter,) if source.adapter.default_converter else ())


def links_of(name: str) -> tuple[str, ...]:
    """The converters that a name as users write it stands for: `torch.onnx,onnxslim`."""
    return tuple(link.strip() for link in name.split(","))


def route(source: SourceFile, names: Sequence[str]) -> Route:
    """The converters of one chain.

    Raises:
        MisuseError: TA105 unknown; TA129 one does not take the source, or what the one before makes; TA106 the same one
            twice, which a report could not tell apart.
    """
    found: list[Adapter] = []
    kind = source.kind
    for name in names:
        converter = registry.get(AdapterKind.CONVERTER, name)
        if kind not in converter.accepts:
            given = f"what '{found[-1].name}' makes" if found else "this kind of source"
            raise MisuseError(
                "TA129",
                f"converter '{name}' does not take {given}: {_spoken(kind)}.",
                f"It takes: {', '.join(map(_spoken, converter.accepts))}.",
            )
        if converter in found:
            raise MisuseError(
                "TA106", f"the chain {','.join(names)} names '{name}' twice.", "Name each converter once."
            )
        assert converter.produces is not None
        kind = converter.produces
        found.append(converter)
    return tuple(found)


def _spoken(kind: ArtifactKind) -> str:
    return kind.replace("_", " ")


def refuse_chains(names: Sequence[str], verb: str) -> None:
    """Refuse what is done to one converter at a time.

    Args:
        names: of converters or chains.
        verb: what cannot be done, as a participle.

    Raises:
        MisuseError: TA149 one is a chain.
    """
    chain = next((links_of(name) for name in names if len(links_of(name)) > 1), None)
    if chain is not None:
        raise MisuseError(
            "TA149",
            f"the chain {','.join(chain)} cannot be {verb} as a whole.",
            f"Check it, then name the link that broke it: --via {chain[0]}, or its model --via {chain[-1]}.",
        )


def result_of(source: SourceFile, through: Route) -> ArtifactKind:
    """What runtimes get of a source that goes through converters."""
    made = through[-1].produces if through else source.kind
    assert made is not None
    return made


def resolve_runtimes(names: Sequence[str], kind: ArtifactKind = ArtifactKind.ONNX) -> list[Adapter]:
    """The runtimes to run in; the default one for this kind of model where none is named.

    Raises:
        MisuseError: TA105 unknown; TA148 no runtime takes such models.
    """
    if names:
        return [registry.get(AdapterKind.RUNTIME, name) for name in names]
    takers = {
        adapter.name: adapter
        for (seam, _), adapter in registry.adapters().items()
        if seam is AdapterKind.RUNTIME and kind in adapter.accepts
    }
    if not takers:
        raise MisuseError(
            "TA148", f"no runtime takes {_spoken(kind)} files by themselves.", "Name a converter with --via."
        )
    return [takers.get(_DEFAULT_RUNTIMES.get(kind, "")) or takers[min(takers)]]


def resolve_pairs(source: SourceFile, via: Sequence[str], to: Sequence[str]) -> list[tuple[Route, list[Adapter]]]:
    """Every chain of converters with the runtimes that take what it makes.

    With several chains and several runtimes, those are paired that fit.

    Raises:
        MisuseError: as for `resolve_routes` and `resolve_runtimes`; TA148 a chain or a runtime that was asked for fits
            none of the others.
    """
    routes = resolve_routes(source, via)
    named = resolve_runtimes(to) if to else []
    pairs: list[tuple[Route, list[Adapter]]] = []
    for one in routes:
        kind = result_of(source, one)
        fitting = [runtime for runtime in named if kind in runtime.accepts] if to else resolve_runtimes((), kind)
        if not fitting:
            made = f"what '{one[-1].name}' makes" if one else source.path.name
            names = " or ".join(f"'{runtime.name}'" for runtime in named)
            takers = [name for name in registry.names(AdapterKind.RUNTIME) if kind in _runtime(name).accepts]
            raise MisuseError(
                "TA148",
                f"runtime {names} does not take {made}: {_spoken(kind)}.",
                f"What takes it: {', '.join(takers) or 'no runtime'}.",
            )
        pairs.append((one, fitting))
    idle = [runtime for runtime in named if not any(runtime in fitting for _, fitting in pairs)]
    if idle:
        made = ", ".join(sorted({_spoken(result_of(source, one)) for one in routes}))
        raise MisuseError(
            "TA148",
            f"runtime '{idle[0].name}' does not take what it would get: {made}.",
            f"It takes: {', '.join(map(_spoken, idle[0].accepts))}.",
        )
    return pairs


def _runtime(name: str) -> Adapter:
    return registry.get(AdapterKind.RUNTIME, name)
