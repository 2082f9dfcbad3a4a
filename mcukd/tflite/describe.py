"""TFLite metadata: names, standardisation, labels and origin, as the TensorFlow tools display them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from mcukd.models.tflite_widths import TfliteWidths
from mcukd.models.weights import GruMlpWeights
from mcukd.tensorflow_setup import SCHEMA, part

LABELS_FILE = "labels.txt"


@dataclass(frozen=True)
class ModelInfo:
    """Origin of a model, as its file states it. Empty texts are left out."""

    name: str = "mcukd student"
    card: str = ""
    licence: str = ""
    version: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class Contents:
    """Descriptions of the tensors of a file: opening sentence, a sentence for each end, the one with classes.

    tensors: by name in the signature. scores: the output with a value per class. mean, std: (C,) in counts,
    of the input `x`.
    """

    opening: str
    tensors: Mapping[str, str]
    scores: str
    mean: Sequence[float]
    std: Sequence[float]


def cell_contents(weights: GruMlpWeights, window: int, widths: TfliteWidths) -> Contents:
    """Return what the one-step cell's tensors are; window: samples per window."""
    return Contents(
        f"One step of a GRU with its classifier head, {widths.name}; call it {window} times a window and "
        "carry h.",
        {
            "x": "One sample, standardised: (counts - mean) / std, per channel.",
            "h": "State of the step before; zero (its zero point) at a window's start.",
            "h_low": "What rounding left of the state of the step before; zero at a window's start.",
            "h_next": "State after this sample; give it back as h, as it is.",
            "h_low_next": "What rounding left of it; give it back as h_low, as it is.",
            "logits": "Class scores; those of a window's last sample count.",
        },
        "logits",
        weights.mean.tolist(),
        weights.std.tolist(),
    )


def describe(path: Path, contents: Contents, classes: Sequence[str], info: ModelInfo) -> Optional[str]:
    """Put metadata into the TFLite file at `path`.

    Returns None, or a sentence that says why the file stays without metadata.
    """
    try:
        # `import tflite_support` itself fails under TensorFlow 2.19; its metadata writers do not.
        from tensorflow_lite_support.metadata import metadata_schema_py_generated as schema
        from tensorflow_lite_support.metadata.python.metadata_writers import (
            metadata_info,
            metadata_writer,
            writer_utils,
        )
    except ImportError as error:
        return (
            f"The TFLite file carries no metadata, because tflite-support is not installed here ({error}); "
            "it has wheels up to Python 3.11."
        )

    model = path.read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        labels = Path(scratch) / LABELS_FILE
        labels.write_text("\n".join(classes) + "\n", encoding="utf-8")
        general = metadata_info.GeneralMd(
            name=info.name,
            version=info.version or None,
            description=_description(contents.opening, classes, info),
            licenses=info.licence or None,
        ).create_metadata()
        by_name = {name: _tensor(schema, name, sentence) for name, sentence in contents.tensors.items()}
        by_name["x"].processUnits = [_normalisation(schema, contents)]
        by_name[contents.scores].associatedFiles = [metadata_info.LabelFileMd(LABELS_FILE).create_metadata()]
        names = _signature_names(model)
        writer = metadata_writer.MetadataWriter.create_from_metadata(
            bytearray(model),
            general,
            [by_name[name] for name in names["inputs"]],
            [by_name[name] for name in names["outputs"]],
            [str(labels)],
        )
        writer_utils.save_file(writer.populate(), str(path))
    return None


def _description(opening: str, classes: Sequence[str], info: ModelInfo) -> str:
    parts = [opening, f"Classes: {', '.join(classes)}."]
    if info.card:
        parts.append(f"Trained on {info.card}.")
    if info.simulated:
        parts.append("SIMULATED DATA: not for use on animals.")
    return " ".join(parts)


def _tensor(schema: Any, name: str, description: str) -> Any:
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.description = name, description
    tensor.content = schema.ContentT()
    tensor.content.contentPropertiesType = schema.ContentProperties.FeatureProperties
    tensor.content.contentProperties = schema.FeaturePropertiesT()
    return tensor


def _normalisation(schema: Any, contents: Contents) -> Any:
    options = schema.NormalizationOptionsT()
    options.mean, options.std = list(contents.mean), list(contents.std)
    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = options
    return unit


def _signature_names(model: bytes) -> dict[str, list[str]]:
    """Return the signature's names of inputs and outputs in the order of the graph."""
    schema = part(SCHEMA)

    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    graph, signature = tree.subgraphs[0], tree.signatureDefs[0]
    names = {}
    for key, order, ends in (
        ("inputs", graph.inputs, signature.inputs),
        ("outputs", graph.outputs, signature.outputs),
    ):
        by_tensor = {end.tensorIndex: end.name.decode() for end in ends}
        names[key] = [by_tensor[tensor] for tensor in order]
    return names
