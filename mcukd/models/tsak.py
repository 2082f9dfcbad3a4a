"""Teacher of TSAK: attention, causal and combined representations, and a semantic classifier over them.

TSAK (Bello et al., arXiv 2408.14146) has a first stage with these three representations and a second that
merges them; a student with fewer sensors learns from the second. Its layers and sizes are not known: those
below are ours, and docs/reference/methods.md says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from mcukd.errors import UserError
from mcukd.models.resnet import standardisation

if TYPE_CHECKING:
    import keras

#: W, the filters of every convolution and the length of each representation.
WIDTH = 32
#: A teacher's small relative, for what TSAK's figures compare: the same layers, narrower.
SLIM_WIDTH = 12
HEADS = 4
STEM_KERNEL, CAUSAL_KERNEL = 5, 3
#: The feed-forward part of the attention block is this many times wider than the block.
EXPANSION = 2
REPRESENTATIONS = ("attention", "causal", "combined")
#: The classifiers of the first stage, and that of the second.
STAGE_ONE = tuple(f"{name}_logits" for name in REPRESENTATIONS)
LOGITS = "logits"


def build_tsak(
    window: int, channels: int, classes: int, mean: ArrayLike, variance: ArrayLike, width: int = WIDTH
) -> keras.Model:
    """Build the network that maps samples (N, T, C + E) float32 to logits (N, K) float32.

    Attention: convolution of 5 → self-attention of four heads over time → feed-forward, both with a shortcut.
    Causal: causal convolutions of 3 with doubling dilation, until the last sample sees the whole window.
    Combined: a 1×1 convolution over both, sample by sample. The mean over time of each is the layer
    "attention", "causal" or "combined" (N, W), and has a classifier, "attention_logits" and so on (N, K).
    The second stage: the three representations and their class probabilities → the layer "embedding" (N, W)
    → "logits" (N, K).

    window, channels, classes: T, C + E, K; the accelerometer's C channels come first. mean, variance:
    (C + E,) in counts and in the extra channels' units. width: W, a multiple of four. Raises UserError where
    it is not.
    """
    if width < HEADS or width % HEADS:
        raise UserError(f"TSAK: the width is {width}, expected a multiple of {HEADS}, its attention's heads.")
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    inputs = keras.Input((window, channels), name="counts")
    x = standardisation(mean, variance)(inputs)
    attention = _attention(_convolved(x, width, STEM_KERNEL, "stem"), width)
    causal = _causal(x, window, width)
    both = layers.Concatenate(name="both")([attention, causal])
    combined = _convolved(both, width, 1, "merge")
    pooled, scores = [], []
    for name, sequence in zip(REPRESENTATIONS, (attention, causal, combined)):
        pooled.append(layers.GlobalAveragePooling1D(name=name)(sequence))
        scores.append(layers.Dense(classes, name=f"{name}_logits")(pooled[-1]))
    chances = [layers.Softmax(name=f"{name}_chances")(s) for name, s in zip(REPRESENTATIONS, scores)]
    y = layers.Concatenate(name="semantics")([*pooled, *chances])
    y = layers.Dense(width, activation="relu", name="embedding")(y)
    return keras.Model(inputs, layers.Dense(classes, name=LOGITS)(y), name="tsak_teacher")


def with_all_logits(model: keras.Model) -> keras.Model:
    """Return a model of the same layers that gives "logits" and the logits of the first stage by name."""
    from mcukd.tensorflow_setup import keras

    outputs = {name: model.get_layer(name).output for name in (LOGITS, *STAGE_ONE)}
    return keras.Model(model.input, outputs, name=model.name)


def semantic_only(model: keras.Model) -> keras.Model:
    """Return a model of the same layers that gives the logits of the semantic classifier alone."""
    from mcukd.tensorflow_setup import keras

    return keras.Model(model.input, model.get_layer(LOGITS).output, name=model.name)


def stage_layers(model: keras.Model, stage: int) -> list[keras.Layer]:
    """Return the layers with trained weights of stage 1 (representations) or 2 (the semantic classifier)."""
    if stage not in (1, 2):
        raise ValueError(f"TSAK has the stages 1 and 2, not {stage}")
    second = ("embedding", LOGITS)
    return [
        layer
        for layer in model.layers
        if layer.trainable_variables and (layer.name in second) == (stage == 2)
    ]


def stage_variables(model: keras.Model, stage: int) -> list[Any]:
    """Return the trained variables of stage 1 or 2."""
    return [variable for layer in stage_layers(model, stage) for variable in layer.trainable_variables]


def load_tsak(path: Path) -> keras.Model:
    """Load a model of `build_tsak` from a `.keras` file. Raises UserError where it is none or unreadable."""
    from mcukd.tensorflow_setup import keras

    if not path.is_file():
        raise UserError(f"{path}: no such file; run 'mcukd distill --method tsak' to train a teacher.")
    try:
        # Keras raises what its unzipping, HDF5 and JSON parts raise: there is no common type but Exception.
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: not a readable Keras model ({reason}); run 'mcukd distill' again."
        ) from error
    missing = {"standardisation", "embedding", LOGITS, *STAGE_ONE} - {layer.name for layer in model.layers}
    if missing:
        raise UserError(
            f"{path}: not a teacher of TSAK, the layer '{sorted(missing)[0]}' is missing; expected a model "
            f"made with 'mcukd distill --method tsak'."
        )
    return model


def dilations(window: int) -> tuple[int, ...]:
    """Return the dilations 1, 2, 4, … with which the last of T samples sees all of them."""
    found = [1]
    while 1 + (CAUSAL_KERNEL - 1) * sum(found) < window:
        found.append(2 * found[-1])
    return tuple(found)


def tsak_parameters(window: int, channels: int, classes: int, width: int = WIDTH) -> int:
    """Number of trained parameters; the window decides how many dilations there are."""
    blocks = len(dilations(window)) - 1
    normalised = 2 * width
    attention = 4 * (width + 1) * width + 2 * normalised
    forward = (width + 1) * EXPANSION * width + (EXPANSION * width + 1) * width
    convolutions = (STEM_KERNEL + CAUSAL_KERNEL) * channels * width + 2 * normalised
    convolutions += blocks * (CAUSAL_KERNEL * width**2 + normalised) + 2 * width**2 + normalised
    heads = 3 * (width + 1) * classes
    semantic = (3 * (width + classes) + 1) * width + (width + 1) * classes
    return attention + forward + convolutions + heads + semantic


def tsak_macs_per_window(window: int, channels: int, classes: int, width: int = WIDTH) -> int:
    """Multiply-accumulates of one window; softmax, normalization and elementwise products do not count."""
    per_sample = (STEM_KERNEL + CAUSAL_KERNEL) * channels * width
    per_sample += (len(dilations(window)) - 1) * CAUSAL_KERNEL * width**2 + 2 * width**2
    per_sample += (4 + 2 * EXPANSION) * width**2
    # Scores of every sample with every other, and the sums that they weigh, over all heads.
    attention = 2 * window**2 * width
    return per_sample * window + attention + 3 * width * classes + (3 * (width + classes) + classes) * width


def _attention(x: Any, width: int) -> Any:
    """One block of a transformer with normalization before each part (N, T, W).

    Samples carry no position: behaviours have no fixed place in a window, and the convolution before knows
    each sample's neighbours.
    """
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    y = layers.LayerNormalization(name="attention_norm")(x)
    y = layers.MultiHeadAttention(HEADS, width // HEADS, name="heads")(y, y)
    x = layers.Add(name="attention_add")([x, y])
    y = layers.LayerNormalization(name="forward_norm")(x)
    y = layers.Dense(EXPANSION * width, activation="relu", name="forward_wide")(y)
    y = layers.Dense(width, name="forward")(y)
    return layers.Add(name="forward_add")([x, y])


def _causal(x: Any, window: int, width: int) -> Any:
    from mcukd.tensorflow_setup import keras

    first, *rest = dilations(window)
    y = _convolved(x, width, CAUSAL_KERNEL, "causal1", padding="causal", dilation_rate=first)
    for dilation in rest:
        name = f"causal{dilation}"
        z = _convolved(y, width, CAUSAL_KERNEL, name, padding="causal", dilation_rate=dilation)
        y = keras.layers.Add(name=f"{name}_add")([y, z])
    return y


def _convolved(x: Any, width: int, kernel: int, name: str, **how: Any) -> Any:
    from mcukd.tensorflow_setup import keras

    layers = keras.layers
    how.setdefault("padding", "same")
    y = layers.Conv1D(width, kernel, use_bias=False, name=name, **how)(x)
    # Keras's default momentum of .99 remembers longer than the short schedules here last.
    y = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(y)
    return layers.ReLU(name=f"{name}_relu")(y)
