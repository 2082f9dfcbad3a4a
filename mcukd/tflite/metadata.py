"""TFLite metadata as a flatbuffer in the model's file, and the files that belong to it as a zip at its end.

The layout is that of TensorFlow's `metadata_schema.fbs`, of which only what mcukd writes is here: a table's
fields by their number, as a name in that schema means nothing to a reader.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mcukd.tensorflow_setup import SCHEMA, part

#: Name of the buffer in which readers look for metadata, and what the buffer begins with.
_ENTRY, _IDENTIFIER = "TFLITE_METADATA", b"M001"
#: The first parser knows every field that is written.
_PARSER = "1.0.0"
#: Values of `AssociatedFileType`, and of the unions `ContentProperties` and `ProcessUnitOptions`.
_TENSOR_AXIS_LABELS, _FEATURE, _NORMALIZATION = 2, 1, 1
#: The earliest moment that a zip knows, so that the same model makes the same bytes.
_MOMENT = (1980, 1, 1, 0, 0, 0)


class Byte(NamedTuple):
    """A field of one byte, such as an enumeration's."""

    value: int


#: Number → value of the fields of a table: a text, a byte, a table, tables, or real numbers as an array.
Table = Mapping[int, Any]


def tensor(name: str, description: str, units: Sequence[Table] = (), files: Sequence[Table] = ()) -> Table:
    """Return `TensorMetadata` of a tensor of features. units: `normalization`; files: `labels_file`."""
    content = {0: Byte(_FEATURE), 1: {}}
    return {0: name, 1: description, 3: content, 4: list(units), 6: list(files)}


def normalization(mean: Sequence[float], std: Sequence[float]) -> Table:
    """Return the `ProcessUnit` that takes a value to (value − mean) / std, by channel."""
    return {0: Byte(_NORMALIZATION), 1: {0: np.asarray(mean, np.float32), 1: np.asarray(std, np.float32)}}


def labels_file(name: str) -> Table:
    """Return the `AssociatedFile` with a class a line."""
    return {0: name, 1: "Classes in the order of the scores, one a line.", 2: Byte(_TENSOR_AXIS_LABELS)}


def model(
    name: str,
    description: str,
    version: str,
    licence: str,
    inputs: Sequence[Table],
    outputs: Sequence[Table],
) -> Table:
    """Return `ModelMetadata` of a model with one graph. inputs, outputs: `tensor`, in the graph's order."""
    graph = {2: list(inputs), 3: list(outputs)}
    return {0: name, 1: description, 2: version, 3: [graph], 5: licence, 7: _PARSER}


def packed(table: Table) -> bytes:
    """Return a table as a flatbuffer with the metadata's identifier. Fields of empty texts are left out."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_put(builder, table), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def with_metadata(content: bytes, metadata: bytes, files: Mapping[str, bytes]) -> bytes:
    """Return a TFLite model's bytes with a buffer of metadata, and files by name as a zip behind it.

    The bytes are the same for the same model and metadata.
    """
    stream = io.BytesIO(with_entry(content, _ENTRY, metadata))
    with zipfile.ZipFile(stream, "a") as archive:
        for name, each in files.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), each)
    return stream.getvalue()


def with_entry(content: bytes, name: str, data: bytes) -> bytes:
    """Return a TFLite model's bytes with a buffer that an entry of its metadata names."""
    schema = part(SCHEMA)
    tree = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, np.uint8)
    entry.name, entry.buffer = name, len(tree.buffers)
    tree.buffers.append(buffer)
    tree.metadata = [*(tree.metadata or []), entry]
    return model_bytes(tree)


def model_bytes(tree: Any) -> bytes:
    """Return a model of objects of TFLite's schema as a file's bytes."""
    return bytes(part("tensorflow.lite.tools.flatbuffer_utils").convert_object_to_bytearray(tree))


def _put(builder: Any, value: Any) -> int:
    """Write a text, a table or a vector, and return where it is."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, list):
        offsets = [_put(builder, each) for each in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())
    fields = {
        number: each for number, each in value.items() if isinstance(each, (Byte, Mapping)) or len(each)
    }
    # What a table points to is written before it.
    placed = {n: each if isinstance(each, Byte) else _put(builder, each) for n, each in fields.items()}
    builder.StartObject(max(fields, default=-1) + 1)
    for number, each in placed.items():
        if isinstance(each, Byte):
            builder.PrependInt8Slot(number, each.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(number, each, 0)
    return int(builder.EndObject())
