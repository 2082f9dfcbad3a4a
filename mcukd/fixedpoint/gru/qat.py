"""Quantization-aware training of the GRU-MLP: initial weights, the model to train, and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.families import QatForm, QatStart
from mcukd.fixedpoint.gru.model import GATES, GruMlpModel
from mcukd.fixedpoint.gru.quantize import weight_lengths
from mcukd.models.weights import GruMlpWeights

if TYPE_CHECKING:
    import keras


def start(model: GruMlpModel, student: GruMlpWeights, config: QuantizeConfig, largest_bits: int) -> QatStart:
    """Return the start at the values of an integer model; groups of up to `largest_bits` keep its formats."""
    values, widths = device_values(model, student), config.widths
    bits = {"kernel": widths.kernel, "recurrent": widths.recurrent}
    lengths = {
        name: length
        for name, length in weight_lengths(model).items()
        if bits.get(name.split("_")[0], widths.head) <= largest_bits
    }
    dense_length = model.length("dense_out") if model.dense else 0
    window, channels = model.window, model.channels

    def build() -> keras.Model:
        from mcukd.fixedpoint.gru.fake_layer import FakeQuantizedStudent
        from mcukd.tensorflow_setup import keras

        inputs = keras.Input((window, channels))
        layer = FakeQuantizedStudent(values, config, lengths, dense_length, name="student")
        return keras.Model(inputs, layer(inputs), name="student_qat")

    shape = (window, channels, values.hidden, values.dense, values.classes)
    return QatStart(values, lengths, shape, build)


def trained(model: keras.Model, start: GruMlpWeights) -> GruMlpWeights:
    """Return the weights of a trained model as a device would use them."""
    layer = model.get_layer("student")
    values = {name: np.asarray(getattr(layer, name)) for name in ("bias", "dense_bias", "output_bias")}
    values.update({name: np.asarray(value) for name, value in layer.device_weights().items()})
    return GruMlpWeights.from_arrays({"mean": start.mean, "std": start.std, **values})


def device_values(model: GruMlpModel, student: GruMlpWeights) -> GruMlpWeights:
    """Return the float student that an integer model's weights and biases stand for.

    student: the one it was made from, whose standardisation it keeps. The two biases of z and r are summed in
    the first row, as on the device.
    """

    def value(name: str, length: int) -> NDArray[np.float64]:
        return np.ldexp(model.arrays[name].astype(np.float64), -length)

    length, shifts = model.length, model.shifts
    std, mean = student.std.astype(np.float64), student.mean.astype(np.float64)
    kernels = [value(f"kernel_{gate}", length(f"{gate}_sum")).T for gate in GATES]
    slack = model.packing.slack
    recurrent = [value(f"recurrent_{gate}", length(f"recurrent_{gate}") + slack).T for gate in GATES]
    biases = [value(f"bias_{gate}", length(f"{gate}_sum")) for gate in GATES]
    carried = value("bias_h_rec", length("h_rec") + shifts["h_rec"])
    # The integer kernels read counts, from which no mean is subtracted.
    first = np.concatenate(biases) + mean @ np.concatenate(kernels, axis=1)
    second = np.concatenate([np.zeros(2 * model.hidden), carried])
    arrays = {
        "mean": mean,
        "std": std,
        "kernel": np.concatenate(kernels, axis=1) * std[:, None],
        "recurrent": np.concatenate(recurrent, axis=1),
        "bias": np.stack([first, second]),
        "dense_kernel": value("dense", length("dense")).T,
        "dense_bias": value("dense_bias", length("dense") + length("h")),
        "output_kernel": value("output", length("output")).T,
        "output_bias": value("output_bias", length("output") + length("dense_out")),
    }
    return GruMlpWeights.from_arrays({name: array.astype(np.float32) for name, array in arrays.items()})


QAT = QatForm(start, trained)
