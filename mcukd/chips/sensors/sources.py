"""Sources of a modelled accelerometer's samples: a recording, a function of time, or a value at rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcukd.data.simulation.animal import SimulatedAnimal
from mcukd.errors import UserError
from mcukd.text import listed

Counts = NDArray[np.int32]


@dataclass(frozen=True)
class Scale:
    """How a sensor counts as it is set up. bits: of a count, sign included. range_g: ± full scale."""

    bits: int
    range_g: float

    @property
    def counts_per_g(self) -> float:
        """Counts per standard gravity."""
        return float((1 << (self.bits - 1)) / self.range_g)

    @property
    def lowest(self) -> int:
        """The lowest count."""
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        """The highest count."""
        return (1 << (self.bits - 1)) - 1


class Source:
    """Accelerations at the sensor's place, as counts of its scale.

    A sensor takes a row for each sample that goes into its FIFO (`take`). Where it measures without one, as
    in a self-test, it looks at the present value and uses nothing up (`peek`).
    """

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return the samples (n, 3) at some times, in ns since power-up, and go on behind them."""
        raise NotImplementedError

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the present sample (3,)."""
        raise NotImplementedError


class Recording(Source):
    """A recording of counts, one row for each sample of the sensor, whatever the sensor's rate is.

    counts: (n, 3) whole numbers, in the sensor's own counts. counts_per_g: what they were recorded with; a
    sensor that is set up otherwise is refused. repeat: begin anew behind the last row; otherwise it stays.
    taken: rows that went into the sensor's FIFO so far.
    """

    def __init__(
        self,
        counts: NDArray[np.integer] | Sequence[Sequence[int]],
        counts_per_g: float | None = None,
        repeat: bool = False,
    ) -> None:
        array = np.asarray(counts)
        if array.ndim != 2 or array.shape[1] != 3 or not len(array) or array.dtype.kind not in "iu":
            raise UserError(
                f"a recording is {array.dtype} of shape {array.shape}, but whole numbers of shape (n, 3) "
                "with n above 0 are expected; hand in counts."
            )
        self.counts: Counts = array.astype(np.int32)
        self.counts_per_g, self.repeat, self.taken = counts_per_g, repeat, 0
        self._lowest, self._highest = int(array.min()), int(array.max())

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return the next rows, one for each time."""
        self._check(scale)
        rows = self._rows(np.arange(self.taken, self.taken + len(times_ns)))
        self.taken += len(times_ns)
        return rows

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the row that comes next, at the sensor's present range: a self-test sets up its own."""
        row = self._rows(np.array([self.taken]))[0]
        if self.counts_per_g in (None, scale.counts_per_g):
            self._check(scale)
            return row
        assert self.counts_per_g is not None
        counts = np.floor(row * (scale.counts_per_g / self.counts_per_g) + 0.5)
        return np.clip(counts, scale.lowest, scale.highest).astype(np.int32)

    def expected(self, rows: int) -> Counts:
        """Return the first rows as a sensor delivers them, (rows, 3)."""
        return self._rows(np.arange(rows))

    def _rows(self, index: NDArray[np.int64]) -> Counts:
        length = len(self.counts)
        return self.counts[index % length if self.repeat else np.minimum(index, length - 1)]

    def _check(self, scale: Scale) -> None:
        if self.counts_per_g is not None and self.counts_per_g != scale.counts_per_g:
            raise UserError(
                f"a recording has {self.counts_per_g:g} counts per g, but the sensor is set up for "
                f"{scale.counts_per_g:g}; scale the recording or set up another range."
            )
        if self._lowest < scale.lowest or self._highest > scale.highest:
            raise UserError(
                f"a recording holds counts from {self._lowest} to {self._highest}, but the sensor gives "
                f"{scale.lowest} to {scale.highest}; clip it first."
            )


class TimedRecording(Recording):
    """A recording of counts by time: each row lasts `period_ns`, from power-up on, and they repeat.

    So what is measured at a moment is known, however long the sensor takes to start and whatever it loses.
    """

    def __init__(self, counts: NDArray[np.integer], period_ns: int) -> None:
        super().__init__(counts, repeat=True)
        self.period_ns = period_ns

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return the rows of some moments."""
        self._check(scale)
        self.taken += len(times_ns)
        return self._rows(times_ns // self.period_ns)

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the row of a moment, clipped where a self-test has set up a narrower range."""
        row = self._rows(np.array([time_ns // self.period_ns]))[0]
        return np.clip(row, scale.lowest, scale.highest).astype(np.int32)


def worn_by(animal: SimulatedAnimal, widen_bits: int = 0) -> TimedRecording:
    """Return what a sensor measures on a simulated animal from power-up on. widen_bits: below each count."""
    return TimedRecording(animal.counts.astype(np.int32) << widen_bits, animal.period_ns)


class Motion(Source):
    """Accelerations in g as a function of time, rounded to counts and clipped at the sensor's range.

    function: takes seconds since power-up (n,) and returns g (n, 3).
    """

    def __init__(self, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        self.function = function

    def take(self, times_ns: NDArray[np.int64], scale: Scale) -> Counts:
        """Return the samples at some times."""
        samples = np.asarray(self.function(times_ns.astype(np.float64) * 1e-9))
        counts = np.floor(samples * scale.counts_per_g + 0.5)
        return np.clip(counts, scale.lowest, scale.highest).astype(np.int32)

    def peek(self, time_ns: int, scale: Scale) -> Counts:
        """Return the sample at one time."""
        return self.take(np.array([time_ns], np.int64), scale)[0]


def at_rest(x: float = 0.0, y: float = 0.0, z: float = 1.0) -> Motion:
    """Return a source that stays at one acceleration in g."""
    return Motion(lambda seconds: np.broadcast_to(np.array([x, y, z]), (len(seconds), 3)))


def misreading(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    gain: Sequence[float],
    offset_g: Sequence[float],
    noise_g: float = 0.0,
    seed: int = 0,
) -> Motion:
    """Return a source whose sensor has errors: gain · g + offset of each axis, and noise of each sample.

    function: as of Motion. gain: 1 is right. noise_g: standard deviation. An MPU-9250's data sheet allows 3 %
    and 60 mg (80 along z).
    """
    chance = np.random.default_rng(seed)

    def read(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        right = np.asarray(function(seconds), np.float64)
        return right * np.array(gain) + np.array(offset_g) + chance.normal(0.0, noise_g, right.shape)

    return Motion(read)


def recording_of_card(
    name: str,
    animal: str,
    *,
    data_root: Path | None = None,
    seed: int = 0,
    widen_bits: int = 0,
    repeat: bool = False,
) -> Recording:
    """Return all recordings of one animal of a card, one after another, as the card's sensor counts them.

    widen_bits: bits appended below each count, as zeros, for a sensor that gives more bits than are used.
    Raises UserError for an unknown card or animal.
    """
    from mcukd.data.card import load_card
    from mcukd.data.load import load_counts

    card = load_card(name)
    parts = load_counts(card, data_root, seed=seed)
    animals = sorted({part.animal for part in parts})
    if animal not in animals:
        raise UserError(f"card {card.name}: no animal {animal!r}; expected one of {listed(animals)}.")
    counts = np.concatenate([part.counts for part in parts if part.animal == animal]).astype(np.int32)
    return Recording(counts << widen_bits, card.counts_per_g * (1 << widen_bits), repeat)


def recording_of_parquet(
    path: Path, columns: Sequence[str] = ("x", "y", "z"), counts_per_g: float | None = None
) -> Recording:
    """Return the recording in three columns of counts of a Parquet file; UserError where it has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as Parquet ({error}).") from error
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise UserError(f"{path}: columns {listed(missing)} are missing; name three columns of counts.")
    return Recording(np.stack([table.column(column).to_numpy() for column in columns], axis=1), counts_per_g)
