"""Roles of columns: which is the label, which tables are metadata, and how long the windows are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.places import Folders

from mcukd.data.card import load_card
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.plan import make_plan
from mcukd.data.importer.reading_plan import ReadingPlan
from mcukd.data.importer.run import import_data
from mcukd.data.load import load_windows
from mcukd.errors import UserError

LABELS = ("Resting", "Travelling", "Grooming")


def table(
    path: Path, extra: dict[str, Callable[[int, str], object]], bout: int = 50, rows: int = 3000
) -> None:
    """Write a table at 25 Hz with columns that are functions of a bout's number and its behaviour."""
    rng = np.random.default_rng(len(path.stem))
    lines = [",".join(["t", "x", "y", "z", *extra])]
    labels = [LABELS[number // bout % 3] for number in range(rows)]
    spread = [[0.02 if label == "Resting" else 0.2] for label in labels]
    for number, (x, y, z) in enumerate(rng.normal((0, 0, 1), spread, (rows, 3)).tolist()):
        if number % bout == 0:
            words = [str(one(number // bout, labels[number])) for one in extra.values()]
        lines.append(",".join([f"{number / 25:.2f}", f"{x:.3f}", f"{y:.3f}", f"{z:.3f}", *words]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def planned(folder: Path, **options: Any) -> tuple[ReadingPlan, Dialog]:
    dialog = Dialog()
    return make_plan(folder, Options(**options), dialog), dialog


TAKEN: dict[str, tuple[dict[str, Callable[[int, str], object]], str]] = {
    "numbered bouts": (
        {"behaviour_event": lambda n, label: f"{n}.{label}", "type": lambda n, label: label},
        "type",
    ),
    "numbered behind": (
        {"label": lambda n, label: f"{label}_{n}", "what": lambda n, label: label.upper()},
        "what",
    ),
    "a place beside": (
        {"place": lambda n, label: ("land", "surface")[n % 2], "behaviour": lambda n, label: label},
        "behaviour",
    ),
    "words for behaviours": (
        {"zone": lambda n, label: "ABC"[n % 3], "type": lambda n, label: label},
        "type",
    ),
    "code and word": (
        {"label_id": lambda n, label: LABELS.index(label), "label": lambda n, label: label},
        "label",
    ),
    "numbers": ({"class": lambda n, label: LABELS.index(label)}, "class"),
    "row numbers": ({"id": lambda n, label: n, "type": lambda n, label: label}, "type"),
}


@pytest.mark.parametrize(("extra", "expected"), TAKEN.values(), ids=TAKEN)
def test_the_label_is_the_column_with_few_values(
    tmp_path: Path, extra: dict[str, Callable[[int, str], object]], expected: str
) -> None:
    for name in ("bella", "max"):
        table(tmp_path / f"{name}.csv", extra)
    plan, _ = planned(tmp_path)
    assert plan.label == expected
    assert [file.animal for file in plan.files] == ["bella", "max"]


ASKED: dict[str, dict[str, Callable[[int, str], object]]] = {
    "two labels": {
        "behaviour": lambda n, label: label,
        "activity": lambda n, label: ("active", "inactive")[n // 2 % 2],
    },
    "two unnamed": {"zone": lambda n, label: "AB"[n % 2], "kind": lambda n, label: "PQR"[n % 3]},
    "a place only": {"place": lambda n, label: ("land", "surface")[n % 2]},
    "numbered only": {"event_label": lambda n, label: f"{n}.{label}"},
    "numbered and a place": {
        "event_label": lambda n, label: f"{n}.{label}",
        "habitat": lambda n, label: ("land", "surface")[n // 2 % 2],
    },
    "nothing": {},
}


@pytest.mark.parametrize("extra", ASKED.values(), ids=ASKED)
def test_the_label_is_asked_with_the_values_of_each_column(
    tmp_path: Path, extra: dict[str, Callable[[int, str], object]]
) -> None:
    for name in ("bella", "max"):
        table(tmp_path / f"{name}.csv", extra)
    with pytest.raises(UserError, match="--unlabelled") as caught:
        planned(tmp_path)
    for name in extra:
        assert f"--label-column {name} (" in str(caught.value)
    assert len(str(caught.value)) < 900
    for name in extra:
        assert planned(tmp_path, label_column=name)[0].label == name


def test_the_terminal_can_say_that_there_are_no_labels(tmp_path: Path) -> None:
    for name in ("bella", "max"):
        table(tmp_path / f"{name}.csv", {})
    plan = make_plan(tmp_path, Options(), Dialog(ask=lambda question, flag, choices, default: "unlabelled"))
    assert plan.unlabelled and [file.animal for file in plan.files] == ["bella", "max"]


METADATA = {
    "animals": ("animal,sex,weight\nbella,f,58\nmax,m,120\n", "animal names the animals"),
    "recordings": ("recording_id,observer\nbella_1,Ann\nmax_1,Ben\n", "recording_id names the recordings"),
    "positions": ("time,lon,lat\n1,10.5,47.5\n2,10.6,47.6\n", "is passed over"),
    "labels": ("start,end,behaviour\n0,10,rest\n10,20,walk\n", "--labels-table"),
}


@pytest.mark.parametrize(("content", "sentence"), METADATA.values(), ids=METADATA)
def test_tables_beside_recordings_are_named_and_passed_over(
    tmp_path: Path, content: str, sentence: str
) -> None:
    for name in ("bella_1", "bella_2", "max_1", "max_2"):
        table(tmp_path / f"{name}.csv", {"type": lambda n, label: label})
    (tmp_path / "about.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="--animal-from"):
        planned(tmp_path, animal_from="file 9")
    plan, dialog = planned(tmp_path, animal_from="file 1")
    assert [file.relative for file in plan.files] == ["bella_1.csv", "bella_2.csv", "max_1.csv", "max_2.csv"]
    note = next(note for note in dialog.notes if note.startswith("beside: about.csv"))
    assert sentence in note


def test_files_that_disagree_are_counted_and_named(tmp_path: Path) -> None:
    for name in ("bella", "max", "moe"):
        table(tmp_path / f"{name}.csv", {"type": lambda n, label: label})
    text = (tmp_path / "max.csv").read_text(encoding="utf-8")
    (tmp_path / "rocky.csv").write_text(text.replace("t,x,y,z", "t,ax,ay,az"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"3 files have it \(first: .*bella.csv.*1 file has not \(.*rocky.csv"
    ):
        planned(tmp_path)
    for name in ("max", "moe"):
        (tmp_path / f"{name}.csv").write_text(text.replace("x,y,z", "lon,lat,alt"), encoding="utf-8")
    (tmp_path / "rocky.csv").unlink()
    with pytest.raises(UserError, match="more than half of the data"):
        planned(tmp_path)


def test_windows_get_shorter_where_most_labels_need_it_and_it_is_said(tmp_path: Path) -> None:
    for name in ("bella", "max"):
        table(tmp_path / "in" / f"{name}.csv", {"type": lambda n, label: label})
    made = import_data(tmp_path / "in", Options(out=tmp_path / "out"), Dialog())
    card = load_card(str(made.cards[0]))
    assert (card.window, card.classes) == (50, ("Grooming", "Resting", "Travelling"))
    assert len(load_windows(card)) == 120


def test_many_labels_that_are_ignored_are_counted_in_one_note(tmp_path: Path) -> None:
    def rare(place: int, label: str) -> str:
        return f"event {place // 9 % 40 + 1}" if place % 3 == 2 else label

    for name in ("bella", "max"):
        table(tmp_path / "in" / f"{name}.csv", {"label": rare}, bout=150, rows=54_000)
    made = import_data(tmp_path / "in", Options(out=tmp_path / "out"), Dialog())
    ignored = [note for note in made.notes if "ignored" in note]
    assert len(ignored) == 1 and "… (40): " in ignored[0] and len(ignored[0]) < 300


def test_the_fur_seals_are_six_animals(tmp_path: Path, real_data: Folders) -> None:
    made = import_data(real_data("fur-seals"), Options(out=tmp_path / "out", rate_hz=25.0), Dialog())
    assert made.converted is not None and made.converted.samples == 597_376
    labels, animals = _counted(tmp_path / "out")
    assert sorted(animals) == ["abbey", "groucho", "malie", "maxine", "nelson", "rocky"]
    assert {name: round(count / 1000) for name, count in labels.items()} == {
        "Travelling": 179, "Foraging": 170, "Resting": 123, "Other": 111, "Grooming": 14,
    }  # fmt: skip
    assert load_card(str(made.cards[0])).rate_hz == 25


def test_the_watch_set_is_twelve_people_and_two_tables_beside(tmp_path: Path, real_data: Folders) -> None:
    made = import_data(real_data("watch-har"), Options(out=tmp_path / "out"), Dialog())
    assert made.converted is not None and made.converted.samples == 135_894
    _, animals = _counted(tmp_path / "out")
    assert sorted(animals) == [f"s{number:02d}" for number in range(1, 13)]
    card = load_card(str(made.cards[0]))
    assert set(card.classes) == {"SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN"}
    assert 95 < card.rate_hz < 106
    assert sum("beside: " in note for note in made.notes) == 2


def _counted(folder: Path) -> tuple[Counter[str], Counter[str]]:
    import pandas as pd

    rows = pd.concat([pd.read_parquet(part, columns=["animal", "label"]) for part in folder.glob("part-*")])
    return Counter(rows["label"].astype(str)), Counter(rows["animal"].astype(str))
