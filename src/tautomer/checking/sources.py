"""Recognise what a user hands over, and refuse what cannot or must not be opened, before any worker starts."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.errors import InputsError, MisuseError, ModelFileError
from tautomer.model import ArtifactKind

_BY_SUFFIX = {".py": ArtifactKind.MODEL_MODULE, ".pt2": ArtifactKind.EXPORTED_PROGRAM, ".onnx": ArtifactKind.ONNX}
_TORCH_SUFFIXES = (".pt", ".pth", ".ts", ".torchscript", ".jit")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A model file and the adapter that reads it."""

    path: Path
    kind: ArtifactKind
    adapter: Adapter


def recognise(path: Path, *, trust_pickle: bool) -> SourceFile:
    """Say what a model file is.

    Raises:
        ModelFileError: no such file, an unknown kind, a pickle without leave, a corrupt ONNX file, or external data
            outside its folder.
    """
    if not path.exists():
        raise ModelFileError("TA110", f"there is no file {path}.")
    if path.is_dir():
        raise ModelFileError(
            "TA110", f"{path} is a folder, not a model file.", "Give a model module (.py), .pt2, TorchScript or .onnx."
        )
    kind = _BY_SUFFIX.get(path.suffix.lower())
    if kind is None and path.suffix.lower() in _TORCH_SUFFIXES:
        kind = _torch_file(path, trust_pickle=trust_pickle)
    if kind is None:
        raise ModelFileError(
            "TA111",
            f"{path.name} is of an unknown kind ('{path.suffix}').",
            "Give a model module (.py), .pt2, TorchScript or .onnx.",
        )
    if kind is ArtifactKind.ONNX:
        from tautomer.adapters.onnx_files.digest import check_external_data, read_structure

        check_external_data(read_structure(path), path.parent)
    adapter = next(
        adapter
        for (seam, _), adapter in registry.adapters().items()
        if seam is AdapterKind.SOURCE and kind in adapter.accepts
    )
    return SourceFile(path.resolve(), kind, adapter)


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


def resolve_converters(source: SourceFile, names: tuple[str, ...]) -> list[Adapter | None]:
    """The converters to go through; [None] where the source itself is what runtimes take.

    Raises:
        MisuseError: unknown, or not one that takes this source.
    """
    chosen = names or ((source.adapter.default_converter,) if source.adapter.default_converter else ())
    found: list[Adapter | None] = []
    for name in chosen:
        converter = registry.get(AdapterKind.CONVERTER, name)
        if source.kind not in converter.accepts:
            raise MisuseError(
                "TA129",
                f"converter '{name}' does not take this kind of source: {source.kind.replace('_', ' ')}.",
                f"It takes: {', '.join(kind.replace('_', ' ') for kind in converter.accepts)}.",
            )
        found.append(converter)
    return found or [None]


def resolve_runtimes(names: tuple[str, ...]) -> list[Adapter]:
    """The runtimes to run in.

    Raises:
        MisuseError: unknown.
    """
    return [registry.get(AdapterKind.RUNTIME, name) for name in names]
