"""The adapter's description: all that Tautomer's main process imports of it."""

from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.model import ArtifactKind, Stage

ADAPTER = Adapter(
    name="onnx-version",
    kind=AdapterKind.CONVERTER,
    task="tautomer_onnx_version.conversion:convert",
    host=ONNX_HOST,
    requires=("onnx",),
    extra="onnxruntime",
    accepts=(ArtifactKind.ONNX,),
    produces=ArtifactKind.ONNX,
    checkpoints=(
        AdapterCheckpoint("converted", Stage.NODE_CONVERSION),
        AdapterCheckpoint("saved", Stage.EXPORT),
    ),
    float64=True,
)
