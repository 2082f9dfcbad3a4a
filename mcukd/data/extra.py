"""Extra channels, which only a teacher sees: their section of a card, and their values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Extra(BaseModel):
    """A sensor that the tag does not have but the recordings do.

    columns: names of the columns, or for the reader "ucihar" of the files without `_train.txt`.
    turns: whether they are a vector in the frame of `signal.axes`, which turns with the acceleration when a
    training window is turned; a sensor at another place has a frame of its own and does not.
    signs: 1 or -1 for each column, to bring them into that frame. scale: of the values, for another unit.
    unit: what they are in then, for people. centred: each window's mean is taken off, channel by channel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    columns: tuple[str, ...] = Field(min_length=1)
    turns: bool
    signs: tuple[int, ...] | None = None
    scale: float = 1.0
    unit: str = ""
    centred: bool = False

    @field_validator("scale")
    @classmethod
    def _is_a_factor(cls, scale: float) -> float:
        if not math.isfinite(scale) or scale <= 0:
            raise ValueError("a finite number above 0 is expected (a sign goes in signs)")
        return scale

    @model_validator(mode="after")
    def _fits(self) -> Extra:
        if self.turns and len(self.columns) != 3:
            raise ValueError(
                f"turns is true and there are {len(self.columns)} columns, but a vector of 3 is expected"
            )
        if self.signs is not None and (
            len(self.signs) != len(self.columns) or any(sign not in (1, -1) for sign in self.signs)
        ):
            raise ValueError(f"signs is {list(self.signs)}, but 1 or -1 is expected for each column")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its channels in `Windows.extra_names`."""
        return tuple(f"{self.name}.{column}" for column in self.columns)

    def factors(self) -> NDArray[np.float64]:
        """Return what each column is multiplied by: sign and scale."""
        return self.scale * np.array(self.signs or (1,) * len(self.columns), np.float64)


def check_names(extras: Sequence[Extra], taken: Sequence[str]) -> None:
    """Check that no name and no column occurs twice; `taken` are columns of the acceleration. ValueError."""
    seen: set[str] = set()
    for extra in extras:
        if extra.name in seen:
            raise ValueError(f"two sections [[extra]] have the name {extra.name!r}, but each needs its own")
        seen.add(extra.name)
    used = list(taken)
    for extra in extras:
        for column in extra.columns:
            if column in used:
                raise ValueError(
                    f"[[extra]] {extra.name!r} names the column {column!r} again, but each may be named once"
                )
            used.append(column)


def extra_columns(extras: Sequence[Extra]) -> list[str]:
    """Return the columns of all extra channels in order."""
    return [column for extra in extras for column in extra.columns]


def extra_values(extras: Sequence[Extra], table: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the extra channels (…, E) of a table of columns, with their signs and in their units."""
    factors = np.concatenate([extra.factors() for extra in extras])
    stacked: NDArray[np.float64] = np.stack([table[name] for name in extra_columns(extras)], axis=-1)
    return stacked * factors


def centred(extras: Sequence[Extra], windows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return windows (N, T, E) as float32, without their mean where the card wants it so."""
    which = np.concatenate([np.full(len(extra.columns), extra.centred) for extra in extras])
    means = windows.mean(axis=1, keepdims=True)
    return (windows - np.where(which, means, 0.0)).astype(np.float32)


def vectors(extras: Sequence[Extra]) -> tuple[int, ...]:
    """Return the number of the first channel of every vector that turns with the acceleration."""
    starts = np.cumsum([0, *(len(extra.columns) for extra in extras)])
    return tuple(int(start) for start, extra in zip(starts, extras) if extra.turns)


def turn_extra(
    extra: NDArray[np.float32], rotations: NDArray[Any], vectors: Sequence[int]
) -> NDArray[np.float32]:
    """Turn the vectors among extra channels by the rotations that turned the acceleration.

    extra: (n, T, E). rotations: (n, 3, 3), applied to rows from the right, `sample @ rotation`, as in
    `mcukd.training.augmentation`. vectors: `Windows.extra_vectors`. Channels of no vector stay as they are.
    Angular rate is an axial vector and would change sign in a mirror, so matrices that mirror are refused.
    Returns a new array. Raises ValueError.
    """
    if rotations.shape != (len(extra), 3, 3):
        raise ValueError(f"rotations are {rotations.shape}, and {(len(extra), 3, 3)} is expected")
    if len(extra) and np.linalg.det(np.asarray(rotations, np.float64)).min() < 0.5:
        raise ValueError("a matrix has a determinant that is not 1: rotations are expected, no reflections")
    turned = np.array(extra, np.float32)
    for first in vectors:
        part = slice(first, first + 3)
        turned[:, :, part] = extra[:, :, part] @ rotations.astype(np.float32)
    return turned
