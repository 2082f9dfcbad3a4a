"""Recorded windows that a study keeps: which they are, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.students import random_windows

from mcukd.errors import UserError
from mcukd.files import sha256_file
from mcukd.fixedpoint.scaling import share_beyond
from mcukd.harness.recorded import RECORDED_FILE, has_recorded, keep_recorded, read_recorded
from mcukd.study import Study


def test_a_study_keeps_windows_of_all_classes_and_animals_and_facts_of_all_samples(tmp_path: Path) -> None:
    windows = random_windows(2600, 8)
    study = Study.create(tmp_path / "runs/a", "herd-sim", 0)
    keep_recorded(study, windows, 4.0)
    kept = read_recorded(study)
    assert len(kept.windows) == 2000 and kept.range_g == 4.0
    assert set(kept.windows.animals) == set(windows.animals) and kept.windows.classes == windows.classes
    assert {one.tobytes() for one in kept.windows.counts} <= {one.tobytes() for one in windows.counts}
    for range_g in (0.5, 1, 2, 3.99, 4, 40):
        assert kept.share_beyond(range_g) == share_beyond(windows.counts, windows.counts_per_g, range_g)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counts", np.zeros((4, 256, 3), np.int32)),
        ("counts", np.zeros((3, 256, 3), np.int16)),
        ("counts", np.int16(3)),
        ("labels", np.array([0, 1, 2, -1])),
        ("labels", np.array([0, 1, 2, 9])),
        ("labels", np.zeros(4)),
        ("animals", np.array([], str)),
        ("animals", np.array("a")),
        ("classes", np.array([], str)),
        ("classes", np.array("a")),
        ("peaks", np.full(32769, -1)),
        ("peaks", np.zeros(3, np.int64)),
        ("peaks", np.array(None)),
        ("range_g", np.nan),
        ("range_g", -1.0),
        ("counts_per_g", "many"),
        ("rate_hz", np.zeros(3)),
        ("segments", None),
    ],
)
def test_a_file_that_holds_no_recorded_windows_is_one_sentence(
    tmp_path: Path, name: str, value: object
) -> None:
    study = Study.create(tmp_path / "runs/a", "herd-sim", 0)
    keep_recorded(study, random_windows(4, 256), 4.0)
    with np.load(study.file(RECORDED_FILE)) as stored:
        arrays = dict(stored)
    arrays[name] = value
    if value is None:
        del arrays[name]
    np.savez(study.file(RECORDED_FILE), **arrays)
    study.remember("recorded_windows", {"sha256": sha256_file(study.file(RECORDED_FILE))})
    with pytest.raises(UserError, match="not the recorded windows of a study"):
        read_recorded(study)
    for damaged in (None, [], "x", 3, {}, {"sha256": 3}):
        study.manifest["recorded_windows"] = damaged
        assert not has_recorded(study)
