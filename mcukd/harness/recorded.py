"""Recorded windows that a study keeps, so that boards can be proven where the recordings are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.files import replacing, sha256_file
from mcukd.fixedpoint.scaling import largest_within, peaks
from mcukd.fold_results import UNREADABLE
from mcukd.harness.probes import spread
from mcukd.study import Study

#: The file of a study, and the key of its hash in the manifest.
RECORDED_FILE, RECORDED = "recorded_windows.npz", "recorded_windows"
#: Most windows that a study keeps: 125 samples of three axes each are 1.5 MB.
KEPT = 2000
_PEAKS = 32769


@dataclass(frozen=True)
class RecordedWindows:
    """Windows of a data set, spread evenly over classes, animals and time, and facts of the whole set.

    windows: at the card's counts. range_g: of the card. peaks: (32769,) int64, how many samples of the data
    set have a given largest magnitude of an axis, in counts.
    """

    windows: Windows
    range_g: float
    peaks: NDArray[np.int64]

    @classmethod
    def of(cls, windows: Windows, range_g: float) -> RecordedWindows:
        """Return what is to be kept of a data set's windows (N, T, C)."""
        chosen = windows.take(np.sort(spread(windows, KEPT)))
        samples = np.bincount(peaks(windows.counts).ravel(), minlength=_PEAKS)
        return cls(chosen, range_g, samples.astype(np.int64))

    def share_beyond(self, range_g: float) -> float:
        """Return the share of the data set's samples of which an axis lies beyond a range."""
        limit = largest_within(range_g, self.windows.counts_per_g)
        return float(self.peaks[limit + 1 :].sum() / max(self.peaks.sum(), 1))


def keep_recorded(study: Study, windows: Windows, range_g: float) -> None:
    """Write a study's recorded windows. windows: all of the data set, outside training.

    They are no output of a stage: a study without them is complete, and an archive can leave them out.
    """
    kept = RecordedWindows.of(windows, range_g)
    chosen, file = kept.windows, study.file(RECORDED_FILE)
    with replacing(file) as temporary:
        np.savez(
            temporary,
            counts=chosen.counts.astype("<i2"),
            labels=chosen.labels.astype("<i8"),
            animals=chosen.animals.astype(str),
            segments=chosen.segments.astype("<i8"),
            classes=np.array(chosen.classes),
            peaks=kept.peaks.astype("<i8"),
            rate_hz=float(chosen.rate_hz),
            counts_per_g=float(chosen.counts_per_g),
            range_g=float(range_g),
            card=chosen.card,
            simulated=chosen.simulated,
        )
    study.remember(RECORDED, {"sha256": sha256_file(file)})


def has_recorded(study: Study) -> bool:
    """Tell whether a study's recorded windows are there, as they were written."""
    known, file = study.manifest.get(RECORDED), study.file(RECORDED_FILE)
    return isinstance(known, dict) and file.is_file() and known.get("sha256") == sha256_file(file)


def read_recorded(study: Study) -> RecordedWindows:
    """Return the recorded windows that a study keeps. Raises UserError where they are missing or changed."""
    file = study.file(RECORDED_FILE)
    if not has_recorded(study):
        raise UserError(f"{file}: missing or changed since it was written; copy it from where it was made.")
    try:
        with np.load(file, allow_pickle=False) as stored:
            return _checked({name: stored[name] for name in stored.files})
    except (*UNREADABLE, IndexError, TypeError) as error:
        raise UserError(
            f"{file}: not the recorded windows of a study ({error}); remove it, and make it again by running "
            "the same command where the study's recordings are."
        ) from error


def _checked(stored: dict[str, NDArray[Any]]) -> RecordedWindows:
    """Return what a file holds. Raises ValueError, KeyError or TypeError where it is none of ours."""
    windows = Windows(
        stored["counts"],
        stored["labels"],
        stored["animals"],
        stored["segments"],
        tuple(map(str, stored["classes"])),
        float(stored["rate_hz"]),
        float(stored["counts_per_g"]),
        str(stored["card"]),
        bool(stored["simulated"]),
    )
    found = RecordedWindows(windows, float(stored["range_g"]), stored["peaks"])
    counts, labels = windows.counts, windows.labels
    if counts.dtype != np.int16 or counts.ndim != 3 or 0 in counts.shape[1:]:
        raise ValueError(f"counts are {counts.dtype} {counts.shape}, expected int16 (N, T, C)")
    if any(one.shape != (len(counts),) for one in (labels, windows.animals, windows.segments)):
        raise ValueError("labels, animals and segments are not as many as windows")
    if labels.dtype != np.int64 or not ((labels >= 0) & (labels < len(windows.classes))).all():
        raise ValueError(f"labels are not those of {len(windows.classes)} classes")
    if found.peaks.shape != (_PEAKS,) or found.peaks.dtype != np.int64 or found.peaks.min() < 0:
        raise ValueError("the samples are not counted by their peaks")
    for name, value in (("counts_per_g", windows.counts_per_g), ("range_g", found.range_g)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value:g}")
    return found
