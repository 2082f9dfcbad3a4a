"""Parts of paths as animal, label and recording, and the question where two fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.data.importer.animals import find_animal
from mcukd.data.importer.behaviours import find_label
from mcukd.data.importer.found import Found
from mcukd.data.importer.options import Choice, Dialog, Options
from mcukd.data.importer.paths import in_words, is_time, path_tokens
from mcukd.data.importer.plan import make_plan
from mcukd.data.importer.reading_plan import ReadingPlan
from mcukd.errors import UserError

DATES = ("2013-07-04", "2013-07-05", "2013-07-06")


def animals(paths: Sequence[str], label: Found | None = None) -> list[str]:
    """Animal of each file by its path alone; UserError where it is asked."""
    return list(find_animal(Path("herd"), list(paths), {}, label, Dialog()).values)


def both(pattern: str, *lists: Sequence[str]) -> list[str]:
    made = [pattern]
    for number, values in enumerate(lists):
        made = [one.replace("{" + "abc"[number] + "}", value) for one in made for value in values]
    return made


TOLD = {
    "animal-date": (both("{a}/{b}.csv", ("bella", "rocky"), ("02-09-15", "03-09-15")), ["bella", "rocky"]),
    "date-animal": (
        both("{a}/{b}.csv", ("02.09.2015", "03.09.2015"), ("bella", "rocky")),
        ["bella", "rocky"],
    ),
    "month names": (both("{a}/{b}.csv", ("4Jul2013", "5Jul2013"), ("may", "rocky")), ["may", "rocky"]),
    "name-date-run": (
        both("{a}_{b}_{c}.csv", ("max", "moe"), ("20130704", "20130705"), "123"),
        ["max", "moe"],
    ),
    "date dash name": (both("{b}-{a}.csv", ("max", "moe"), DATES), ["max", "moe"]),
    "name dash date": (both("{a}-{b}.csv", ("max", "moe"), DATES), ["max", "moe"]),
    "clock times": (both("{b}/{a}_{c}.csv", ("max", "moe"), DATES, ("1230", "1745")), ["max", "moe"]),
    "stamps": (both("{a}/{b}.csv", ("max", "moe"), ("1404464400", "1404468000")), ["max", "moe"]),
    "year month day": (both("2013/07/{b}/{a}.csv", ("max", "moe"), ("04", "05")), ["max", "moe"]),
    "deployments": (both("{a}/deployment {b}.csv", ("max", "moe"), "12"), ["max", "moe"]),
    "deployments first": (both("dep{b}/{a}.csv", ("max", "moe"), "12"), ["max", "moe"]),
    "trials": (both("{a}/trial_{b}.csv", ("max", "moe"), "123"), ["max", "moe"]),
    "persons twice": (both("{a}/{a}_{b}_sw.csv", ("s01", "s02"), ("01", "02", "03")), ["s01", "s02"]),
    "dashed trials": (both("{a}-{b}.csv", ("s01", "s02"), ("01", "02", "03")), ["s01", "s02"]),
    "dotted trials": (both("{a}.{b}.csv", ("bella", "max"), "123"), ["bella", "max"]),
    "one file each": (["bella.csv", "max.csv", "rocky.csv"], ["bella", "max", "rocky"]),
    "numbered animals": (["cow_7.csv", "cow_12.csv"], ["cow_12", "cow_7"]),
    "numbered persons": (["s1.csv", "s2.csv", "s10.csv"], ["s1", "s10", "s2"]),
    "ear tags": (["6019.csv", "3120.csv", "2016.csv"], ["2016", "3120", "6019"]),
    "morning": (both("{a}_{b}.csv", ("max", "moe"), ("am", "pm")), ["max", "moe"]),
    "one animal": (["s1_1.csv", "s1_2.csv", "s1_3.csv"], ["s1"]),
}


@pytest.mark.parametrize(("paths", "expected"), TOLD.values(), ids=TOLD)
def test_the_animal_is_found_in_the_path(paths: list[str], expected: list[str]) -> None:
    found = animals(paths)
    assert sorted(set(found)) == expected
    assert all(value in path for value, path in zip(found, paths))


ASKED = {
    "sites": [
        "north/bella/1.csv",
        "north/bella/2.csv",
        "north/max/1.csv",
        "south/moe/1.csv",
        "south/moe/2.csv",
    ],
    "sites, a file each": ["north/bella.csv", "north/max.csv", "south/moe.csv", "south/rocky.csv"],
    "places": both("{a}/{b}/1.csv", ("bella", "max"), ("barn", "pasture")),
    "only dates": ["2013-07-04.csv", "2013-07-05.csv"],
    "only numbers": ["1.csv", "2.csv", "3.csv"],
    "only trials": ["trial1.csv", "trial2.csv"],
    "a word and a number": ["bella_1.csv", "bella_2.csv", "bella_3.csv"],
    "numbers behind names": ["bella1.csv", "bella2.csv", "rocky1.csv", "rocky2.csv"],
    "years or cows": both("{a}_{b}.csv", ("2013", "2016"), DATES),
    "nothing": ["recording.csv"],
    "depths": ["bella/1.csv", "bella/2.csv", "north/max/1.csv", "north/moe/1.csv"],
}


@pytest.mark.parametrize("paths", ASKED.values(), ids=ASKED)
def test_the_animal_is_asked_where_parts_fit_about_as_well(paths: list[str]) -> None:
    with pytest.raises(UserError, match=r"--animal-from|--animal NAME") as caught:
        animals(paths)
    assert "--animal NAME (all recordings are of one)" in str(caught.value)
    with pytest.raises(UserError):
        find_animal(Path("herd"), paths, {}, None, Dialog(yes=True))


def test_the_choices_say_which_animals_each_would_give() -> None:
    with pytest.raises(UserError) as caught:
        animals(ASKED["sites"])
    assert "--animal-from 'folder 1' (2 animals: north, south)" in str(caught.value)
    assert "--animal-from 'folder 2' (3 animals: bella, max, moe)" in str(caught.value)


def test_labels_and_animals_of_the_same_paths() -> None:
    paths = both("{a}/{b}_{c}.csv", ("walk", "rest"), ("bella", "max", "moe"), "12")
    label = find_label(paths, {}, (), Dialog())
    assert label is not None and label.key == "folder 1"
    assert sorted(set(animals(paths, label))) == ["bella", "max", "moe"]


def test_folders_of_labels_that_names_tell_finer() -> None:
    paths = [f"{folder}/{n}_{label}_{cow}_20240515_13265{n}.csv"
             for folder, label in (("Others", "Standing"), ("Others", "Licking"), ("Walking", "Walking"))
             for cow in (2016, 3120, 6019) for n in range(3)]  # fmt: skip
    label = find_label(paths, {}, (), Dialog())
    assert label is not None and label.key == "file 2"
    assert sorted(set(animals(paths, label))) == ["2016", "3120", "6019"]


def test_words_that_are_no_behaviours_are_asked_about() -> None:
    with pytest.raises(UserError, match="--label-from 'folder 1'.*--unlabelled"):
        find_label(both("{a}/{b}.csv", ("bella", "max"), DATES), {}, (), Dialog())


def write(
    folder: Path, relative: str, columns: str = "t,x,y,z,type", animal: str = "", seed: int = 0
) -> None:
    rng = np.random.default_rng(seed)
    lines = [columns]
    for number in range(60):
        x, y, z = rng.normal((0, 0, 1), 0.02)
        own = {"t": f"{number / 25:.2f}", "x": f"{x:.3f}", "y": f"{y:.3f}", "z": f"{z:.3f}", "id": animal}
        own |= {"animal": animal, "type": ("Resting", "Travelling")[number // 15 % 2], "tag": "77"}
        lines.append(",".join(own[name] for name in columns.split(",")))
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def planned(folder: Path, **options: Any) -> tuple[ReadingPlan, Dialog]:
    dialog = Dialog()
    return make_plan(folder, Options(**options), dialog), dialog


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("folder", ["bella", "bella", "max", "max"]),
        ("folder 1", ["north"] * 4),
        ("folder2", ["bella", "bella", "max", "max"]),
        ("file", ["a_1", "a_2", "b_1", "b_2"]),
        ("file 1", ["a", "a", "b", "b"]),
        ("file-part 2", ["1", "2", "1", "2"]),
    ],
)
def test_a_flag_says_which_part_is_the_animal(tmp_path: Path, part: str, expected: list[str]) -> None:
    for relative in ("bella/a_1.csv", "bella/a_2.csv", "max/b_1.csv", "max/b_2.csv"):
        write(tmp_path, f"north/{relative}")
    plan, _ = planned(tmp_path, animal_from=part)
    assert [file.animal for file in plan.files] == expected


@pytest.mark.parametrize("part", ["folders", "folder 3", "name", "file 9", ""])
def test_a_part_that_is_not_there_is_one_sentence(tmp_path: Path, part: str) -> None:
    write(tmp_path, "north/bella.csv")
    with pytest.raises(UserError, match="--animal-from"):
        planned(tmp_path, animal_from=part)


def test_letters_before_a_number_can_be_stated(tmp_path: Path) -> None:
    for name in ("bella1", "bella2", "rocky1"):
        write(tmp_path, f"{name}.csv")
    plan, _ = planned(tmp_path, animal_from="file letters")
    assert [file.animal for file in plan.files] == ["bella", "bella", "rocky"]


CONFLICTS = {
    "another in one file": (("bella/1.csv", "bella"), ("bella/2.csv", "rocky"), ("rocky/1.csv", "rocky")),
    "constant": (("bella/1.csv", "A"), ("rocky/1.csv", "A")),
    "numbers that begin again": tuple((f"{side}/{n}.csv", n) for side in ("north", "south") for n in "12"),
}  # fmt: skip


@pytest.mark.parametrize("files", CONFLICTS.values(), ids=CONFLICTS)
def test_a_column_and_a_path_that_disagree_are_asked_about(
    tmp_path: Path, files: tuple[tuple[str, str], ...]
) -> None:
    for relative, animal in files:
        write(tmp_path, relative, "t,x,y,z,type,animal", animal)
    with pytest.raises(UserError, match="--animal-column animal.*--animal-from 'folder 1'"):
        planned(tmp_path)
    plan, _ = planned(tmp_path, animal_from="folder")
    assert [file.animal for file in plan.files] == [relative.split("/")[0] for relative, _ in files]


def test_a_column_and_a_path_that_agree_are_said(tmp_path: Path) -> None:
    for relative, animal in (("bella/1.csv", "BE"), ("bella/2.csv", "BE"), ("rocky/1.csv", "RO")):
        write(tmp_path, relative, "t,x,y,z,type,animal", animal)
    plan, dialog = planned(tmp_path)
    assert plan.animal == "animal" and any(
        "folder 1 of the path groups the files alike" in n for n in dialog.notes
    )


def test_the_terminal_takes_the_whole_of_one_animal(tmp_path: Path) -> None:
    def ask(question: str, flag: str, choices: Sequence[Choice], default: str | None) -> str:
        return "one animal"

    for name in DATES:
        write(tmp_path, f"bella/{name}.csv")
    plan = make_plan(tmp_path / "bella", Options(), dialog := Dialog(ask=ask))
    assert {file.animal for file in plan.files} == {"bella"}
    assert "animal: bella for every recording, after the path" in dialog.notes


def test_two_flags_for_one_thing_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "bella.csv")
    with pytest.raises(UserError, match="--animal and --animal-from say the same thing"):
        planned(tmp_path, animal="bella", animal_from="file")
    with pytest.raises(UserError, match="--label and --unlabelled"):
        planned(tmp_path, label="rest", unlabelled=True)


@pytest.mark.parametrize(
    "text",
    ["02-09-15", "20240515", "132659", "2013-07-04T12-30-00", "20240930T145830", "1404464400", "4Jul2013"],
)
def test_dates_and_clock_times_are_known(text: str) -> None:
    assert is_time(text)


@pytest.mark.parametrize("text", ["bella", "3120", "6019", "cow7", "99887766", "marley", "12", "983264"])
def test_identities_are_no_dates(text: str) -> None:
    assert not is_time(text)


def test_dates_and_numbered_animals_stay_whole() -> None:
    assert path_tokens("a/bella-2013-07-04_cow 7.csv.gz") == {
        "folder 1": "a", "file 1": "bella", "file 2": "2013-07-04", "file 3": "cow 7",
        "file": "bella-2013-07-04_cow 7",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("file", "the file's name"),
        ("file 2", "part 2 of the file's name"),
        ("folder", "the file's folder"),
        ("folder 1", "folder 1 of the path"),
    ],
)
def test_parts_are_named_in_words(key: str, words: str) -> None:
    assert in_words(key) == words
