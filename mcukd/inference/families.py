"""Host forms of student families: the part of a family that computes it in compiled C on this computer.

The registry is `mcukd.models.families`. A family without a host form is computed by its NumPy reference.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mcukd.models.families import FAMILIES


class Runner(Protocol):
    """Compiled C bound to one model."""

    def __call__(
        self,
        windows: NDArray[np.int16],
        logits: NDArray[np.int16],
        classes: NDArray[np.uint8],
        state: NDArray[np.int16] | None,
        crcs: NDArray[np.uint32] | None,
        counters: NDArray[np.uint64] | None,
    ) -> None:
        """Run windows (N, T, C) into logits (N, K) and classes (N,); a call takes some tenths of a second.

        T and C lie one after the other in memory; windows may overlap. state (N, H) and crcs (N,) are filled
        where given, counters are increased by how many values of each tensor were clipped.
        """


class Carrier(Protocol):
    """Compiled C bound to one model whose state is carried."""

    def __call__(
        self,
        samples: NDArray[np.int16],
        first: int,
        hop: int,
        state: NDArray[np.int16],
        logits: NDArray[np.int16],
        classes: NDArray[np.uint8],
        states: NDArray[np.int16],
    ) -> None:
        """Take samples (S, C), one after the other in memory, into `state` (H,), which is changed.

        Results come with sample `first`, counted from 0, and every `hop` after it; logits (n, K), classes
        (n,) and states (n, H) have a row for each.
        """


@dataclass(frozen=True)
class HostForm:
    """The part `host` of a family.

    shape: what models have in common that share a library. load: the library of a shape; raises
    `library.CannotBuild` where there is none. runner: binds a model to its library. counters: the tensors
    whose clipped values the C counts, in its order. carrier: binds a model whose state is carried; None where
    the family has none.
    """

    shape: Callable[[Any], Hashable]
    load: Callable[[Any], ctypes.CDLL]
    runner: Callable[[ctypes.CDLL, Any], Runner]
    counters: tuple[str, ...]
    carrier: Callable[[ctypes.CDLL, Any], Carrier] | None = None


def host_form(family: str) -> HostForm | None:
    """Return the host form of a family, or None."""
    one = FAMILIES[family]
    return one.part("host") if one.host else None
