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

#: The file of a study, and the key of its facts in the manifest.
RECORDED_FILE, RECORDED = "recorded_windows.npz", "recorded_windows"
#: Most windows that a study keeps: 125 samples of three axes each are 1.5 MB.
KEPT = 2000
_PEAKS = 32769


@dataclass(frozen=True)
class RecordedWindows:
    """Windows of a data set, spread evenly over classes, animals and time, and facts of the whole set.

    windows: at the card's counts. total: how many the data set has. range_g: of the card.
    peaks: (32769,) int64, how many samples of the data set have a given largest magnitude of an axis, in
    counts.
    """

    windows: Windows
    total: int
    range_g: float
    peaks: NDArray[np.int64]

    @classmethod
    def of(cls, windows: Windows, range_g: float) -> RecordedWindows:
        """Return what is to be kept of a data set's windows (N, T, C)."""
        chosen = windows.take(np.sort(spread(windows, KEPT)))
        samples = np.bincount(peaks(windows.counts).ravel(), minlength=_PEAKS)
        return cls(chosen, len(windows), range_g, samples.astype(np.int64))

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
        )
    study.remember(
        RECORDED,
        {
            "sha256": sha256_file(file),
            "windows": len(chosen),
            "of": kept.total,
            "rate_hz": chosen.rate_hz,
            "counts_per_g": chosen.counts_per_g,
            "range_g": range_g,
            "card": chosen.card,
            "simulated": chosen.simulated,
        },
    )


def has_recorded(study: Study) -> bool:
    """Tell whether a study's recorded windows are there, as they were written."""
    file = study.file(RECORDED_FILE)
    return file.is_file() and sha256_file(file) == study.manifest.get(RECORDED, {}).get("sha256")


def recorded_windows(study: Study) -> RecordedWindows:
    """Return the recorded windows that a study keeps. Raises UserError where they are missing or changed."""
    file = study.file(RECORDED_FILE)
    if not has_recorded(study):
        state = "changed since 'quantize' wrote it" if file.is_file() else "missing"
        raise UserError(
            f"{file}: {state}, so there are no recorded windows to prove a board on; copy it from where the "
            f"study was made, or run '{study.refresh('quantize')}' where its recordings are."
        )
    facts: dict[str, Any] = study.manifest[RECORDED]
    try:
        with np.load(file, allow_pickle=False) as stored:
            windows = Windows(
                stored["counts"],
                stored["labels"],
                stored["animals"],
                stored["segments"],
                tuple(map(str, stored["classes"])),
                facts["rate_hz"],
                facts["counts_per_g"],
                facts["card"],
                facts["simulated"],
            )
            return RecordedWindows(windows, facts["of"], facts["range_g"], stored["peaks"])
    except UNREADABLE as error:
        raise UserError(
            f"{file}: not the recorded windows of a study ({error}); run '{study.refresh('quantize')}'."
        ) from error
