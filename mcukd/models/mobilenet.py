"""Teacher and slim student of SMLDist: MobileNetV3 (Howard et al., ICCV 2019) in one dimension, on counts.

SMLDist (arXiv 2107.07331) builds both from MobileNetV3 bottlenecks, 15 in the teacher and 10 in the student;
some are anchors, at which both have the same channels and the same steps. Its sizes are not known. Those
below are ours, for tags: 50 samples leave 7 steps, and the student costs about half of what its teacher does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from mcukd.errors import UserError
from mcukd.models.resnet import standardisation

if TYPE_CHECKING:
    import keras

STEM_FILTERS, STEM_KERNEL = 16, 5
#: E, the length of the embedding.
EMBEDDING = 64
#: A squeeze-and-excite is this many times narrower in its middle than the channels it weighs.
SQUEEZE = 8
#: P, the patterns of the memory head.
PATTERNS = 32
HEADS = ("linear", "memory")


@dataclass(frozen=True)
class Bottleneck:
    """1×1 convolution to `expanded` channels, depthwise `kernel` with `stride`, 1×1 convolution to `filters`.

    excite: the expanded channels are weighed by squeeze-and-excite. swish: hard-swish instead of ReLU.
    anchor: the output (N, steps, filters), layer "anchor1", "anchor2", …, is one for a student to match.
    """

    kernel: int
    expanded: int
    filters: int
    excite: bool = False
    swish: bool = False
    stride: int = 1
    anchor: bool = False


TEACHER = (
    Bottleneck(3, 48, 16, stride=2),
    Bottleneck(3, 48, 16),
    Bottleneck(3, 48, 16, anchor=True),
    Bottleneck(5, 72, 24, excite=True, stride=2),
    Bottleneck(5, 72, 24, excite=True),
    Bottleneck(5, 72, 24, excite=True),
    Bottleneck(5, 72, 24, excite=True, anchor=True),
    Bottleneck(3, 96, 32, swish=True),
    Bottleneck(3, 96, 32, swish=True),
    Bottleneck(3, 96, 32, swish=True),
    Bottleneck(3, 96, 32, swish=True, anchor=True),
    Bottleneck(5, 144, 48, excite=True, swish=True, stride=2),
    Bottleneck(5, 144, 48, excite=True, swish=True),
    Bottleneck(5, 144, 48, excite=True, swish=True),
    Bottleneck(5, 144, 48, excite=True, swish=True, anchor=True),
)
#: Ten bottlenecks alone would save a third; narrower expansions bring it to the half of the paper.
STUDENT = (
    Bottleneck(3, 32, 16, stride=2),
    Bottleneck(3, 32, 16, anchor=True),
    Bottleneck(5, 56, 24, excite=True, stride=2),
    Bottleneck(5, 56, 24, excite=True, anchor=True),
    Bottleneck(3, 72, 32, swish=True),
    Bottleneck(3, 72, 32, swish=True),
    Bottleneck(3, 72, 32, swish=True, anchor=True),
    Bottleneck(5, 112, 48, excite=True, swish=True, stride=2),
    Bottleneck(5, 112, 48, excite=True, swish=True),
    Bottleneck(5, 112, 48, excite=True, swish=True, anchor=True),
)


def build_mobilenet(
    window: int,
    channels: int,
    classes: int,
    mean: ArrayLike,
    variance: ArrayLike,
    *,
    slim: bool,
    head: str = "linear",
    patterns: int = PATTERNS,
) -> keras.Model:
    """Build the network that maps counts (N, T, C) float32 to logits (N, K) float32.

    Convolution of 5 to 16 channels → bottlenecks of `TEACHER`, or of `STUDENT` where slim → 1×1 convolution
    to 64 → mean over time, the layer "embedding" (N, E) → head. Convolutions have no bias and a batch
    normalization after them; bottlenecks that keep steps and channels have a shortcut; anchors are linear.

    window, channels, classes: T, C, K. mean, variance: (C,) in counts and counts². head: "linear", a dense
    layer, or "memory", that of `mcukd.models.hopfield` with `patterns` patterns. The last layer is "logits".
    Raises UserError for a head of another name.
    """
    if head not in HEADS:
        raise UserError(f"MobileNet: there is no head '{head}'; choose from {', '.join(HEADS)}.")
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    inputs = keras.Input((window, channels), name="counts")
    x = standardisation(mean, variance)(inputs)
    x = layers.Conv1D(STEM_FILTERS, STEM_KERNEL, padding="same", use_bias=False, name="stem")(x)
    x = _hard_swish(_normalised(x, "stem"), "stem")
    anchors = 0
    for number, bottleneck in enumerate(STUDENT if slim else TEACHER, 1):
        anchors += bottleneck.anchor
        x = _bottleneck(x, bottleneck, f"b{number}", f"anchor{anchors}" if bottleneck.anchor else None)
    x = layers.Conv1D(EMBEDDING, 1, use_bias=False, name="last")(x)
    x = _hard_swish(_normalised(x, "last"), "last")
    x = layers.GlobalAveragePooling1D(name="embedding")(x)
    if head == "memory":
        from mcukd.models.hopfield import memory_head

        outputs = memory_head(x, patterns, classes)
    else:
        outputs = layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, outputs, name="mobilenet_student" if slim else "mobilenet_teacher")


def anchor_names(model: keras.Model) -> list[str]:
    """Return the names of the anchor layers of a model, first to last."""
    return [layer.name for layer in model.layers if layer.name.startswith("anchor")]


def load_mobilenet(path: Path) -> keras.Model:
    """Load a model of `build_mobilenet` from a `.keras` file.

    Raises UserError where it is missing, unreadable or a model of another structure.
    """
    import mcukd.models.hopfield  # noqa: F401 - so that a memory head is recognised
    from mcukd.tensorflow_setup import keras

    if not path.is_file():
        raise UserError(f"{path}: no such file; run 'mcukd distill' to train a model.")
    try:
        # Keras raises what its unzipping, HDF5 and JSON parts raise: there is no common type but Exception.
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: not a readable Keras model ({reason}); run 'mcukd distill' again."
        ) from error
    missing = {"standardisation", "stem", "embedding", "logits"} - {layer.name for layer in model.layers}
    if missing:
        raise UserError(
            f"{path}: not a mobilenet, the layer '{sorted(missing)[0]}' is missing; expected a model made "
            f"with 'mcukd distill --student mobilenet'."
        )
    return model


def mobilenet_parameters(
    channels: int, classes: int, *, slim: bool, head: str = "linear", patterns: int = PATTERNS
) -> int:
    """Number of trained parameters: convolutions, BN scales and shifts, squeeze-and-excite, head."""
    total = channels * STEM_FILTERS * STEM_KERNEL + 2 * STEM_FILTERS
    before = STEM_FILTERS
    for b in STUDENT if slim else TEACHER:
        total += b.expanded * (before + b.kernel + b.filters) + 2 * (2 * b.expanded + b.filters)
        if b.excite:
            narrow = b.expanded // SQUEEZE
            total += 2 * b.expanded * narrow + narrow + b.expanded
        before = b.filters
    total += (before + 2) * EMBEDDING + (EMBEDDING + 1) * classes
    # Patterns, values, the inverse temperature and the weights of memory and intuition.
    return total + (patterns * (EMBEDDING + classes) + 3 if head == "memory" else 0)


def mobilenet_macs_per_window(
    window: int,
    channels: int,
    classes: int,
    *,
    slim: bool,
    head: str = "linear",
    patterns: int = PATTERNS,
) -> int:
    """Multiply-accumulates of one window, without BN, which folds into the convolutions, and gates."""
    steps, before = window, STEM_FILTERS
    total = channels * STEM_FILTERS * STEM_KERNEL * steps
    for b in STUDENT if slim else TEACHER:
        total += before * b.expanded * steps
        steps = -(-steps // b.stride)
        total += b.expanded * (b.kernel + b.filters) * steps
        if b.excite:
            total += 2 * b.expanded * (b.expanded // SQUEEZE)
        before = b.filters
    total += before * EMBEDDING * steps + EMBEDDING * classes
    return total + (patterns * (EMBEDDING + classes) if head == "memory" else 0)


def _bottleneck(x: Any, b: Bottleneck, name: str, anchor: str | None) -> Any:
    from mcukd.tensorflow_setup import keras

    layers = keras.layers

    def activated(y: Any, part: str) -> Any:
        return _hard_swish(y, part) if b.swish else layers.ReLU(name=f"{part}_relu")(y)

    y = layers.Conv1D(b.expanded, 1, use_bias=False, name=f"{name}_expand")(x)
    y = activated(_normalised(y, f"{name}_expand"), f"{name}_expand")
    # Keras's default divides by the channels too, which a depthwise kernel does not sum over: activations
    # become so small that statistics of the batch normalization, which start at one, lag behind for long.
    y = layers.DepthwiseConv1D(
        b.kernel,
        b.stride,
        "same",
        use_bias=False,
        depthwise_initializer=keras.initializers.RandomNormal(stddev=b.kernel**-0.5),
        name=f"{name}_depthwise",
    )(y)
    y = activated(_normalised(y, f"{name}_depthwise"), f"{name}_depthwise")
    if b.excite:
        y = _excited(y, b.expanded, name)
    y = layers.Conv1D(b.filters, 1, use_bias=False, name=f"{name}_project")(y)
    y = _normalised(y, f"{name}_project")
    if b.stride == 1 and x.shape[-1] == b.filters:
        return layers.Add(name=anchor or f"{name}_add")([x, y])
    return layers.Identity(name=anchor)(y) if anchor else y


def _excited(y: Any, width: int, name: str) -> Any:
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    weights = layers.GlobalAveragePooling1D(name=f"{name}_squeeze")(y)
    weights = layers.Dense(width // SQUEEZE, activation="relu", name=f"{name}_narrow")(weights)
    weights = layers.Dense(width, activation="hard_sigmoid", name=f"{name}_excite")(weights)
    return layers.Multiply(name=f"{name}_weigh")(
        [y, layers.Reshape((1, width), name=f"{name}_each")(weights)]
    )


def _normalised(x: Any, name: str) -> Any:
    from mcukd.tensorflow_setup import keras

    # Keras's default momentum of .99 remembers longer than the short schedules here last.
    return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)


def _hard_swish(x: Any, name: str) -> Any:
    from mcukd.tensorflow_setup import keras

    return keras.layers.Activation("hard_swish", name=f"{name}_swish")(x)
