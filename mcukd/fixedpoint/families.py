"""Integer forms of student families: the part of a family that quantizes, runs and traces it in integers.

The registry is `mcukd.models.families`; `integer_form` looks a family's form up there. Forms of mcukd's own
lie in one folder each, `gru/`, `filter_mlp/` and `cnn/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.fixedpoint.arithmetic import IntArray
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.result import InferenceResult, StreamResult
from mcukd.models.families import FAMILIES

#: Fractional lengths by weight group that are not to be chosen, or None; for families with `qat`.
Lengths = Mapping[str, NDArray[np.int64]] | None

#: Takes a model, samples (S, C), a hop, the state before them (H,) or None, and the number of samples before.
StreamRun = Callable[[Any, NDArray[np.int16], int, NDArray[np.int16] | None, int], StreamResult]


@dataclass(frozen=True)
class MixedWidths:
    """How the widths of a family can be mixed (`mcukd.fixedpoint.mixed`).

    candidates: widths to try, given the base and the kinds of gate table. flash_bytes: bytes of weights,
    biases and tables that float weights take with some widths.
    """

    candidates: Callable[[QuantizeConfig, Any], list[QuantizeConfig]]
    flash_bytes: Callable[[Any, QuantizeConfig], int]


@dataclass(frozen=True)
class QatStart:
    """Where quantization-aware training of one student starts.

    weights: the float weights that its integer model stands for, with `mean` and `std` of the samples.
    lengths: fractional lengths of the weight groups that are trained on their grid. shape: all else that a
    compiled training step depends on. build: the Keras model, from standardised windows to logits.
    """

    weights: Any
    lengths: Mapping[str, NDArray[np.int64]]
    shape: tuple[int, ...]
    build: Callable[[], Any]


@dataclass(frozen=True)
class QatForm:
    """How a family is fine-tuned with its quantized weights (`mcukd.distillation.qat`).

    start: given the integer model, the weights it was made from, the widths, and the largest width whose
    groups are trained on their grid. trained: the weights of the trained Keras model as a device would use
    them, given that model and the weights it started from.
    """

    start: Callable[[Any, Any, QuantizeConfig, int], QatStart]
    trained: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class IntegerForm:
    """The part `integers` of a family.

    model: the class of its integer models. quantize: makes one of float weights, calibration windows, widths,
    the hop in operation, and `Lengths`. run: the reference on counts (N, T, C); its last argument says
    whether to compute checksums of states. trace: every tensor of `model.trace_tensors` of every step of one
    window (T, C). run_stream: the reference on a recording (S, C) whose state is carried, as
    `reference.run_stream` calls it; None where the family has no state that can go on after a window, and its
    models no `stream`.
    check_window: raises UserError for a number of samples that a window cannot have.
    gate_tables: whether the kind of gate table is worth varying. mixed, qat: mixed widths and
    quantization-aware training; None where the family has none. ranges: compares float weights and integer
    model step by step on windows, for `mcukd ranges`.
    """

    model: type[IntegerModel]
    quantize: Callable[[Any, Windows, QuantizeConfig, int, Lengths], IntegerModel]
    run: Callable[[Any, NDArray[np.int16], bool], InferenceResult]
    trace: Callable[[Any, NDArray[np.int16]], list[dict[str, IntArray]]]
    run_stream: StreamRun | None = None
    check_window: Callable[[int], None] = lambda steps: None
    gate_tables: bool = False
    mixed: MixedWidths | None = None
    qat: QatForm | None = None
    ranges: Callable[[Any, Any, Windows], dict[str, Any]] | None = None


def integer_form(family: str) -> IntegerForm:
    """Return the integer form of a family. Raises ValueError for a family that has none."""
    form: IntegerForm = FAMILIES[family].part("integers")
    return form
