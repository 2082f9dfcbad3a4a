"""Known recordings in many formats: an import reads exactly them or stops with one sentence."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.dialects import (
    ANIMALS,
    HEADERS,
    LABELLING,
    LABELS,
    ODD_ROWS,
    SEPARATORS,
    STAMPS,
    Dialect,
    Truth,
    write,
)
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mcukd.data.card import load_card
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import import_data
from mcukd.data.recordings import read_recordings
from mcukd.errors import UserError

DIALECTS = st.builds(
    Dialect,
    seed=st.integers(0, 9),
    animals=st.integers(2, 3),
    rate=st.sampled_from((10.0, 12.5, 20.0, 25.0)),
    units=st.sampled_from(("g", "m/s2", "mg")),
    separator=st.sampled_from(SEPARATORS),
    decimal=st.sampled_from((".", ",")),
    header=st.sampled_from(HEADERS),
    stamps=st.sampled_from(STAMPS),
    zone=st.sampled_from((None, "Europe/Berlin", "America/Denver")),
    newline=st.sampled_from(("\n", "\r\n")),
    gap_s=st.sampled_from((0.0, 7.0, 3600.0)),
    odd_rows=st.sampled_from(ODD_ROWS),
    animal_in=st.sampled_from(ANIMALS),
    label_in=st.sampled_from(LABELLING),
    convert=st.booleans(),
).filter(lambda dialect: dialect.is_possible)


def outcome(dialect: Dialect) -> str:
    """Return "exact", or the sentence an import stopped with; AssertionError for anything else."""
    folder = Path(tempfile.mkdtemp(prefix="dialect-"))
    try:
        truth = write(dialect, folder)
        try:
            made = import_data(truth.path, Options(out=folder / "out", **truth.options), Dialog())
        except UserError as error:
            assert not (folder / "out").exists(), "a failed import leaves nothing behind"
            sentence = str(error)
            assert "\n" not in sentence.strip() or "choices" in sentence or ": " in sentence
            return sentence
        check(dialect, truth, made.cards[0])
        return "exact"
    finally:
        shutil.rmtree(folder)


def check(dialect: Dialect, truth: Truth, path: Path) -> None:
    """Compare what the card's reader gives with the truth."""
    card = load_card(str(path))
    assert set(card.classes) == set(LABELS)
    assert card.signal.units == dialect.units
    assert abs(card.rate_hz / dialect.rate - 1) < 0.01, f"{card.rate_hz} Hz of {dialect.rate}"
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for recording in read_recordings(card, None):
        found.setdefault((recording.animal, recording.label), []).append(recording.samples)
    assert set(found) == set(truth.samples), f"{sorted(found)} of {sorted(truth.samples)}"
    for key, parts in found.items():
        samples, wanted = np.concatenate(parts), truth.samples[key]
        assert len(samples) == len(wanted), f"{key}: {len(samples)} samples of {len(wanted)}"
        np.testing.assert_allclose(samples, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())
        ends = set(np.cumsum([len(part) for part in parts])[:-1].tolist())
        places = truth.breaks[key]
        crossed = [place for place, must in places.items() if must and place not in ends]
        assert not crossed, f"{key}: a recording goes on across the gap before sample {crossed}"
        # Stamps of whole seconds cannot tell where within a second a gap is.
        needless = sorted(ends - set(places))
        assert not needless, f"{key}: cut without a gap before samples {needless}"


def silently_wrong(examples: int) -> Callable[[], None]:
    """Return a property test of so many dialects."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(dialect=DIALECTS)
    def run(dialect: Dialect) -> None:
        note(outcome(dialect))

    return run


def test_no_dialect_is_silently_wrong() -> None:
    silently_wrong(60)()


@pytest.mark.slow
def test_none_of_two_thousand_dialects_is_silently_wrong() -> None:
    silently_wrong(2000)()


USUAL: dict[str, Any] = {
    "seed": 0,
    "animals": 2,
    "rate": 10.0,
    "units": "g",
    "separator": ",",
    "decimal": ".",
    "header": "plain",
    "stamps": "iso",
    "zone": None,
    "newline": "\n",
    "gap_s": 7.0,
    "odd_rows": "none",
    "animal_in": "column",
    "label_in": "column",
    "convert": False,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [("separator", one) for one in SEPARATORS if one != " "]
    + [("header", one) for one in HEADERS]
    + [("stamps", one) for one in STAMPS if one != "counter"]
    + [("odd_rows", one) for one in ODD_ROWS]
    + [("animal_in", one) for one in ANIMALS]
    + [("label_in", one) for one in LABELLING if one != "folder"]
    + [("convert", True), ("newline", "\r\n"), ("units", "m/s2"), ("units", "mg"), ("rate", 12.5)],
)
def test_one_change_to_a_usual_file_is_read_exactly(field: str, value: Any) -> None:
    """A refusal is never silently wrong, but a tool that refuses what is clear is of no use."""
    assert outcome(Dialect(**{**USUAL, field: value})) == "exact"


def test_a_counter_is_not_taken_for_seconds() -> None:
    assert "counter" in outcome(Dialect(**{**USUAL, "stamps": "counter"}))
