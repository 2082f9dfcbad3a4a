"""Refusal rule of an integer model: when its result is "unknown" in place of the class of its largest logit.

A model has a rule where its arrays have `MARGINS`. A result of class k is unknown where

    largest logit − second largest < margins[k]                                       (too close to call)
    Σ_i min(|y_i − means[k][i]|, DEVIATION_MOST)² > limits[k]                         (unlike the class)

with y = sat16(round_shift(whitening · h, shift)), h being the state that the head reads. The second part is
there where `WHITENING` is: it is the squared distance of the state from the mean of the class's training
windows, along axes and in units in which the training windows of all classes scatter alike (Mahalanobis
distance with a shared covariance; Lee et al. 2018, arXiv 1807.03888). Everything is integers;
`docs/arithmetic.md` specifies it, and the generated C computes the same (`mcukd_model_decide`).

Arrays, all of them part of the model's file and hash where they are there:

    unknown_margins    (K,) int32     mantissas of the logits, 0 … 65535; 0: no result is too close
    unknown_whitening  (H, H) int16   row i gives y_i
    unknown_shift      (1,) int32     of the sums of the whitening, 0 … 31
    unknown_means      (K, H) int16   y of each class's training windows on average
    unknown_limits     (K,) uint32    of the squared distance; 2³² − 1: none is too far
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mcukd.errors import UserError
from mcukd.fixedpoint.arithmetic import IntArray, round_shift, saturate
from mcukd.fixedpoint.model import RULE_ARRAYS, UNKNOWN, IntegerModel
from mcukd.fixedpoint.result import InferenceResult, StreamResult

_Result = TypeVar("_Result", InferenceResult, StreamResult)

MARGINS, WHITENING, SHIFT, MEANS, LIMITS = RULE_ARRAYS
#: Fractional length of y: a deviation of the training windows is 2^6.
DISTANCE_LENGTH = 6
#: Largest deviation that a distance takes, so that the squares of 256 units add up below 2^32.
DEVIATION_MOST = 4095
#: The outcome is told in a byte, of which 255 stands for none yet.
CLASSES_MOST = 254
MARGIN_MOST, LIMIT_MOST = 65_535, (1 << 32) - 1


def check_names(classes: tuple[str, ...]) -> None:
    """Raise UserError where a class has the name of the outcome that is no class."""
    if any(name.strip().casefold() == UNKNOWN for name in classes):
        raise UserError(
            f"a class is named '{UNKNOWN}', which is what a tag answers where it refuses to name a class; "
            "rename the class in the card, or leave its recordings out with classes.ignore."
        )


def with_rule(model: IntegerModel, arrays: dict[str, NDArray[Any]]) -> IntegerModel:
    """Return the model with a rule in place of the one it may have; without arrays, with none.

    arrays: by the names above. Raises UserError for a class named "unknown", ValueError for arrays that are
    no rule of this model.
    """
    kept = {name: array for name, array in model.arrays.items() if name not in RULE_ARRAYS}
    made = replace(model, arrays={**kept, **arrays})
    if arrays:
        check_names(model.classes)
        problem = rule_problem(made)
        if problem:
            raise ValueError(problem)
    return made


def rule_problem(model: IntegerModel) -> str | None:
    """Return what is wrong with the arrays of a model's rule; None where nothing is, or it has none."""
    found = {name: model.arrays[name] for name in RULE_ARRAYS if name in model.arrays}
    if not found:
        return None
    if set(found) not in ({MARGINS}, set(RULE_ARRAYS)):
        return f"arrays {sorted(found)} are no refusal rule"
    classes, units = len(model.classes), model.state_halfwords
    if classes > CLASSES_MOST:
        return f"{classes} classes leave no byte for unknown"
    shapes = {
        MARGINS: (classes,),
        WHITENING: (units, units),
        SHIFT: (1,),
        MEANS: (classes, units),
        LIMITS: (classes,),
    }
    for name, array in found.items():
        if array.dtype != RULE_ARRAYS[name] or array.shape != shapes[name]:
            return f"array '{name}' is {array.dtype} {array.shape}, expected {shapes[name]}"
    if found[MARGINS].min() < 0 or found[MARGINS].max() > MARGIN_MOST:
        return f"array '{MARGINS}' goes beyond 0 to {MARGIN_MOST}"
    if WHITENING in found:
        if model.head_input != "h":
            return "a distance needs a head that reads the state"
        shift = int(found[SHIFT][0])
        if not 0 <= shift <= 31:
            return f"array '{SHIFT}' is {shift}, expected 0 to 31"
        if sum_bound(found[WHITENING], shift) >= 1 << 31:
            return f"array '{WHITENING}' can drive a sum beyond 32 bits"
    return None


def sum_bound(whitening: NDArray[np.int16], shift: int) -> int:
    """Return the largest magnitude that any 16-bit state drives a sum of the whitening to."""
    return int(np.abs(whitening.astype(np.int64)).sum(axis=1).max()) * 32768 + (1 << shift >> 1)


def outcomes_of(model: IntegerModel, logits: NDArray[Any], state: NDArray[Any]) -> NDArray[np.int64]:
    """Return outcomes (N,): the first class of the largest logit, or K (unknown) where the rule refuses it.

    logits: (N, K) mantissas. state: (N, H) that the head reads; not looked at without a distance.
    """
    classes: NDArray[np.int64] = np.argmax(logits, axis=1)
    if not model.may_refuse or not len(logits):
        return classes
    refused = margins_of(logits) < model.arrays[MARGINS][classes]
    if WHITENING in model.arrays:
        refused |= distances_of(model, classes, state) > model.arrays[LIMITS][classes]
    return np.where(refused, len(model.classes), classes)


def margins_of(logits: NDArray[Any]) -> NDArray[np.int64]:
    """Return the margins (N,) of logits (N, K): the largest minus the second largest; 65,535 with K = 1."""
    wide = logits.astype(np.int64)
    if wide.shape[1] < 2:
        return np.full(len(wide), MARGIN_MOST, np.int64)
    top = np.partition(wide, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def distances_of(model: IntegerModel, classes: NDArray[np.int64], state: NDArray[Any]) -> NDArray[np.int64]:
    """Return squared distances (N,) of states (N, H) from the means of classes (N,)."""
    arrays = model.arrays
    y = whitened(arrays[WHITENING], int(arrays[SHIFT][0]), state)
    deviations = np.abs(y - arrays[MEANS].astype(np.int64)[classes])
    return np.asarray((np.minimum(deviations, DEVIATION_MOST) ** 2).sum(axis=1))


def whitened(whitening: NDArray[np.int16], shift: int, state: NDArray[Any]) -> IntArray:
    """Return y (N, H) of states (N, H)."""
    # Exact in float64: sums stay below 2^31.
    sums = (state.astype(np.float64) @ whitening.T.astype(np.float64)).astype(np.int64)
    return saturate(round_shift(sums, shift), 16)


def refused(model: IntegerModel, result: _Result) -> _Result:
    """Return a result whose classes are the outcomes of the model's rule; the same where it has none."""
    if not model.may_refuse:
        return result
    return replace(result, classes=outcomes_of(model, result.logits, result.state))
