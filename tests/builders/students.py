"""Random students and windows, for tests of all rooms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcukd.data.windows import Windows
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import as_stream, run
from mcukd.fixedpoint.refusal import with_rule
from mcukd.fixedpoint.refusal_fitting import distance_arrays, measured_rule, with_thresholds
from mcukd.models.weights import GruMlpWeights, Head

COUNTS_PER_G = 4096.0
#: Prototypes a class has, by kind of head.
KINDS = {"linear": 1, "prototype": 3}
#: Files that only a stream with a carried state, or with windows that overlap, has or has otherwise.
STREAMS = {
    "carried": ("mcukd_model.h", "app_stream.h", "app_stream.c"),
    "staggered": (
        *("app_stream.h", "app_stream.c"),
        *("mcukd_pair.h", "mcukd_pair.c", "mcukd_pair_kernel.S"),
    ),
}


def random_student(
    seed: int = 0,
    hidden: int = 8,
    dense: int = 8,
    classes: int = 4,
    channels: int = 3,
    counts_per_g: float = COUNTS_PER_G,
) -> GruMlpWeights:
    """A student with glorot kernels, orthogonal recurrence and biases that are not zero."""
    rng = np.random.default_rng(seed)
    scale = counts_per_g / COUNTS_PER_G

    def glorot(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, shape) * np.sqrt(6 / sum(shape))

    recurrent = [np.linalg.qr(rng.normal(size=(hidden, hidden)))[0] for _ in range(3)]
    arrays = {
        "mean": scale * rng.uniform(-3000, 3000, channels),
        "std": scale * rng.uniform(500, 3000, channels),
        "kernel": glorot(channels, 3 * hidden),
        "recurrent": np.concatenate(recurrent, axis=1),
        "bias": rng.uniform(-0.2, 0.2, (2, 3 * hidden)),
        "dense_kernel": 2 * glorot(hidden, dense),
        "dense_bias": rng.uniform(-0.2, 0.2, dense),
        "output_kernel": 2 * glorot(dense, classes),
        "output_bias": rng.uniform(-0.2, 0.2, classes),
    }
    return GruMlpWeights.from_arrays(arrays)


def random_windows(count: int = 40, steps: int = 30, seed: int = 0, classes: int = 4) -> Windows:
    """Windows of gravity, three sines per axis and noise, as int16 counts."""
    rng = np.random.default_rng(seed)
    gravity = rng.normal(size=(count, 1, 3))
    gravity /= np.linalg.norm(gravity, axis=2, keepdims=True)
    time = np.arange(steps)[None, :, None] / 50
    sines = sum(
        rng.uniform(0, 0.4, (count, 1, 3))
        * np.sin(2 * np.pi * rng.uniform(0.2, 6, (count, 1, 3)) * time + rng.uniform(0, 6, (count, 1, 3)))
        for _ in range(3)
    )
    samples = gravity + sines + rng.normal(0, 0.02, (count, steps, 3))
    return Windows(
        counts=np.clip(np.round(samples * COUNTS_PER_G), -32768, 32767).astype(np.int16),
        labels=rng.integers(0, classes, count),
        animals=np.array([f"a{i % 5}" for i in range(count)]),
        segments=np.arange(count),
        classes=tuple(f"class-{k}" for k in range(classes)),
        rate_hz=50.0,
        counts_per_g=COUNTS_PER_G,
        card="random",
        simulated=True,
    )


def random_model(
    seed: int = 0, bits: int = 8, activation_bits: int = 16, steps: int = 30, **shape: int
) -> IntegerModel:
    """An integer model of a random student."""
    windows = random_windows(steps=steps, seed=seed, classes=shape.get("classes", 4))
    student = random_student(seed, **shape)
    return quantize(student, windows, QuantizeConfig(bits, activation_bits), operation_hop=steps)


def streamed_model(name: str) -> IntegerModel:
    """A small model of a kind of `STREAMS`, of windows of eight samples, a result every three."""
    model = replace(random_model(0, hidden=4, dense=4, steps=8), hop=3)
    return as_stream(model) if name == "carried" else model


def refusing_model(
    seed: int = 0, share: float = 0.25, distance: bool = True, model: IntegerModel | None = None
) -> IntegerModel:
    """A random model whose rule makes about `share` of random windows too close to call, and as many too far.

    distance: False for margins alone. model: in place of a random one, of random windows' classes and rate.
    """
    model = model or random_model(seed)
    counts = random_windows(200, model.window, seed + 100, len(model.classes)).counts
    counts = np.rint(counts * (model.counts_per_g / COUNTS_PER_G)).astype(np.int16)
    found = run(with_rule(model, {}), counts, checksums=False)
    arrays = None
    if distance:
        labels = np.arange(len(found.state)) % len(model.classes)
        arrays = distance_arrays(model, found.state, labels)
    margins, squared = measured_rule(
        with_thresholds(model, [0.0] * len(model.classes), [np.inf] * len(model.classes), arrays),
        found.logits,
        found.state,
    )
    limits = [float(np.quantile(squared, 1 - share))] * len(model.classes)
    return with_thresholds(model, [float(np.quantile(margins, share))] * len(model.classes), limits, arrays)


def extreme_windows(count: int, steps: int, seed: int = 0) -> np.ndarray:
    """Counts that no animal makes: full-scale noise, constants at both ends and square waves."""
    rng = np.random.default_rng(seed)
    windows = rng.integers(-32768, 32768, (count, steps, 3))
    windows[0], windows[1] = -32768, 32767
    windows[2] = np.where(np.arange(steps) % 2, 32767, -32768)[:, None]
    return windows.astype(np.int16)


def headed_student(
    kind: str, seed: int = 0, hidden: int = 8, classes: int = 4, gain: float = 1.0
) -> GruMlpWeights:
    """A random student with patterns of the size of states as its head."""
    rng, prototypes = np.random.default_rng(seed), KINDS[kind]
    patterns = rng.uniform(-0.6, 0.6, (hidden, classes * prototypes))
    kernel, bias = 4 * gain * patterns, -2 * gain * (patterns**2).sum(axis=0)
    return random_student(seed, hidden=hidden, classes=classes).with_head(
        Head.direct(kernel, bias, prototypes)
    )


def headed_model(
    kind: str, seed: int = 0, bits: int = 8, activation_bits: int = 16, steps: int = 30, **shape: int
) -> IntegerModel:
    """An integer model of a random student with such a head."""
    windows = random_windows(steps=steps, seed=seed, classes=shape.get("classes", 4))
    return quantize(
        headed_student(kind, seed, **shape), windows, QuantizeConfig(bits, activation_bits), steps
    )
