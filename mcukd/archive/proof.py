"""Windows that an image was proven on with the reference's answers to them, as one member of an archive."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.archive.container import Broken
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import InferenceResult, run
from mcukd.fixedpoint.scaling import Scaling
from mcukd.fold_results import UNREADABLE
from mcukd.harness.probes import Probes

#: Arrays of a member; see `ProvenWindows`.
_ARRAYS = ("counts", "origins", "extremes", "scaling", "classes", "logits", "state_crc")


@dataclass(frozen=True)
class ProvenWindows:
    """Windows sent to a device, and what the integer reference answers.

    probes: the windows (N, T, C). classes: (N,). logits: (N, K) mantissas. state_crc: (N,) checksums of the
    last state.
    """

    probes: Probes
    classes: NDArray[np.int64]
    logits: NDArray[np.int32]
    state_crc: NDArray[np.uint32]

    @classmethod
    def answered(cls, model: IntegerModel, probes: Probes) -> ProvenWindows:
        """Return windows with the answers of the integer reference."""
        found = run(model, probes.model_counts)
        return cls(probes, found.classes, found.logits, found.state_crc)

    def __len__(self) -> int:
        return len(self.probes.counts)

    def to_bytes(self) -> bytes:
        """Return the windows as `.npz`; the same windows give the same bytes."""
        stream = io.BytesIO()
        np.savez(
            stream,
            counts=self.probes.counts.astype("<i2"),
            origins=np.array(self.probes.origins),
            extremes=np.int64(self.probes.extremes),
            scaling=np.array([self.probes.scaling.multiplier, self.probes.scaling.shift], "<i8"),
            classes=self.classes.astype("<i8"),
            logits=self.logits.astype("<i4"),
            state_crc=self.state_crc.astype("<u4"),
        )
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> ProvenWindows:
        """Read what `to_bytes` wrote; `name` is the member's. Raises Broken for anything else."""
        arrays = read_arrays(content, name, _ARRAYS)
        counts, scaling = arrays["counts"], arrays["scaling"]
        fits = (
            counts.ndim == 3
            and counts.dtype == np.int16
            and scaling.shape == (2,)
            and len({len(arrays[one]) for one in ("counts", "origins", "classes", "logits", "state_crc")})
            == 1
        )
        if not fits or not len(counts):
            raise Broken(f"{name} holds no windows with their answers")
        probes = Probes(
            counts,
            tuple(map(str, arrays["origins"])),
            int(arrays["extremes"]),
            Scaling(int(scaling[0]), int(scaling[1])),
        )
        return cls(probes, arrays["classes"], arrays["logits"], arrays["state_crc"])

    def first_difference(self, found: InferenceResult) -> str | None:
        """Say which window has another class, logit or state checksum in `found`; None where none has."""
        for what, mine, theirs in (
            ("class", self.classes, found.classes),
            ("logits", self.logits, found.logits),
            ("state checksum", self.state_crc, found.state_crc),
        ):
            if mine.shape != theirs.shape:
                return f"{what} of another shape, {mine.shape} instead of {theirs.shape}"
            differs = np.flatnonzero((mine != theirs).reshape(len(mine), -1).any(axis=1))
            if len(differs):
                n = int(differs[0])
                where = f"window {n} ({self.probes.origins[n]})"
                return f"{where}: {what} {theirs[n]} is computed, {mine[n]} recorded"
        return None


def read_arrays(content: bytes, name: str, wanted: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read arrays of an `.npz` member. Raises Broken where it is none or an array is missing."""
    require_stored(content, name)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {one: stored[one] for one in wanted}
    except UNREADABLE as error:
        raise Broken(f"{name} cannot be read as arrays ({type(error).__name__})") from None


def require_stored(content: bytes, name: str) -> None:
    """Raise Broken where an `.npz` has compressed arrays, which could grow without bound."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as stored:
            compressed = [one for one in stored.infolist() if one.compress_type != zipfile.ZIP_STORED]
    except UNREADABLE as error:
        raise Broken(f"{name} cannot be read as arrays ({type(error).__name__})") from None
    if compressed:
        raise Broken(f"{name} has compressed arrays, which mcukd does not write")
