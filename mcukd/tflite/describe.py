"""TFLite metadata: names, standardisation, labels and origin, as the TensorFlow tools display them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcukd.models.tflite_widths import TfliteWidths
from mcukd.models.weights import GruMlpWeights
from mcukd.tensorflow_setup import SCHEMA, part
from mcukd.tflite.metadata import labels_file, model, normalization, packed, tensor, with_metadata

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


def describe(path: Path, contents: Contents, classes: Sequence[str], info: ModelInfo) -> None:
    """Put metadata into the TFLite file at `path`, and the classes as a file of labels."""
    content = path.read_bytes()
    by_name = {name: tensor(name, sentence) for name, sentence in contents.tensors.items()}
    by_name["x"] = tensor("x", contents.tensors["x"], [normalization(contents.mean, contents.std)])
    scores = contents.scores
    by_name[scores] = tensor(scores, contents.tensors[scores], files=[labels_file(LABELS_FILE)])
    names = _signature_names(content)
    metadata = model(
        info.name,
        _description(contents.opening, classes, info),
        info.version,
        info.licence,
        [by_name[name] for name in names["inputs"]],
        [by_name[name] for name in names["outputs"]],
    )
    labels = "\n".join(classes) + "\n"
    path.write_bytes(with_metadata(content, packed(metadata), {LABELS_FILE: labels.encode()}))


def _description(opening: str, classes: Sequence[str], info: ModelInfo) -> str:
    parts = [opening, f"Classes: {', '.join(classes)}."]
    if info.card:
        parts.append(f"Trained on {info.card}.")
    if info.simulated:
        parts.append("SIMULATED DATA: not for use on animals.")
    return " ".join(parts)


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
