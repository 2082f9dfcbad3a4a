"""A tag's times are moved to where they agree best with an observer's, or nothing is moved at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.ethogram_pairs import animal, moved, tag_of

from mcukd.annotations.mhealth import write_mhealth
from mcukd.annotations.reading import Reading
from mcukd.errors import UserError
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.track import NS
from mcukd.pipeline.agree import TagFile, agree
from mcukd.pipeline.aligning import aligned


def test_a_tag_is_moved_by_its_offset_and_the_note_says_by_how_much() -> None:
    rng = np.random.default_rng(1)
    truth = animal(rng)
    tag = tag_of(truth, rng, 61.5)
    (found,), tolerance, notes = aligned([truth], [tag])
    assert abs(int(found.starts[0] - tag.starts[0]) / NS - 61.5) < 1
    assert 0 < tolerance < 2
    assert len(notes) == 1 and "s are added to the tag's times" in notes[0] and "too good" in notes[0]


def test_accounts_that_have_nothing_in_common_are_refused_with_what_is_missing() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(UserError, match="cow: --align finds no offset: .*observe for longer"):
        aligned([animal(rng)], [tag_of(animal(rng), rng, 0)])


def test_two_observers_of_other_offsets_are_refused() -> None:
    rng = np.random.default_rng(3)
    truth = animal(rng)
    with pytest.raises(UserError, match="other offsets with each observer"):
        aligned([truth, moved(truth, 40 * NS)], [tag_of(truth, rng, 5)])


def test_a_drift_is_said_with_the_option_that_takes_it_out() -> None:
    rng = np.random.default_rng(5)
    truth = animal(rng, 240)
    _, _, notes = aligned([truth], [tag_of(truth, rng, 20, 4 / 3600, right=0.97)])
    assert "drifts by about" in notes[1]
    # This tag's clock is slow by 4 s/h, so it is fast by a negative number of millionths.
    ppm = float(notes[1].partition("--drift ")[2].partition(" ")[0])
    assert ppm == pytest.approx(-4 / 3600 * 1e6, rel=0.3)


def test_the_agreement_is_that_of_the_moved_times_with_a_wider_tolerance(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    truth = animal(rng)
    other = replace(tag_of(truth, rng, 300, right=1.0), source="the other")
    write_mhealth(tmp_path / "one.csv", [truth], "UTC")
    write_mhealth(tmp_path / "other.csv", [other], "UTC")
    reading = Reading(timezone="UTC")
    files = [TagFile(tmp_path / "other.csv")]
    settings = AgreementSettings()
    plain = agree(tmp_path / "one.csv", files, reading, reading, settings)["agreement"]
    found = agree(tmp_path / "one.csv", files, reading, reading, settings, align=True)
    shares = [one["together"]["same_share"]["value"] for one in (plain, found["agreement"])]
    assert shares[0] < 0.6 < 0.95 < shares[1]
    assert found["agreement"]["settings"]["effective_tolerance_s"] > 2.0
    (moved_by,) = (note for note in found["notes"] if "are added" in note)
    assert float(moved_by.split()[1]) == pytest.approx(300, abs=1.5)
