"""Recordings left out as faulty, and the messages about them."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest
from builders.data import samples
from builders.places import Folders
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.importer.left_out import faulty_recordings
from mcukd.data.importer.options import Options
from mcukd.data.load import load_windows
from mcukd.data.quality.survey import Survey, survey
from mcukd.data.raw_segments import RawSegment
from mcukd.data.recordings import Recording, check_gravity
from mcukd.errors import UserError


def recording(animal: str, place: str, *pieces: tuple[str, int, float]) -> list[RawSegment]:
    """One recording: (label, samples, length in g) each."""
    return [
        RawSegment(animal, label, place, samples(number, length, seed=number), None, place)
        for label, number, length in pieces
    ]


def herd(*odd: RawSegment) -> Survey:
    """Two animals with ten sound recordings each, and the odd one."""
    sound = [
        run
        for animal in "AB"
        for number in range(10)
        for run in recording(animal, f"{animal}{number}.csv", ("rest", 400, 1.0), ("walk", 400, 1.0))
    ]
    return survey([*sound, *odd])


@pytest.mark.parametrize("length", [0.0, 0.3, 2.4, 7.7])
@pytest.mark.parametrize("at", ["start", "middle", "end"])
def test_a_splash_does_not_condemn_its_recording(at: str, length: float) -> None:
    rest, splash = [("rest", 500, 1.0), ("walk", 500, 1.0)], ("splash", 200, length)
    pieces = {"start": [splash, *rest], "middle": [rest[0], splash, rest[1]], "end": [*rest, splash]}[at]
    assert faulty_recordings(herd(*recording("A", "A99.csv", *pieces)), Options(rate_hz=25)) == []


@pytest.mark.parametrize("length", [0.3, 2.4, 7.7])
def test_a_recording_that_is_off_as_a_whole_is_left_out(length: float) -> None:
    found = faulty_recordings(
        herd(*recording("A", "A99.csv", ("rest", 100, 1.0), ("walk", 400, length), ("rest", 300, length))),
        Options(rate_hz=25),
    )
    assert [(one.name, one.samples) for one in found] == [("A99.csv", 800)]


def test_a_few_rows_that_stand_alone_are_not_judged() -> None:
    def left_out(number: int, length: float) -> int:
        return len(
            faulty_recordings(
                herd(*recording("A", "A99.csv", ("splash", number, length))), Options(rate_hz=25)
            )
        )

    # Seven rows are judged by nobody; a bout of seconds may be violent, but nothing lives at 7 g.
    assert [left_out(7, 7.7), left_out(26, 2.4), left_out(300, 3.0)] == [0, 0, 0]
    assert [left_out(26, 7.7), left_out(26, 0.2), left_out(600, 2.4)] == [1, 1, 1]


def test_what_trains_judges_the_same_recordings() -> None:
    from mcukd.data.card import load_card

    card = load_card("herd-sim")
    sound = [Recording("A", "walking", samples(600), f"{number}") for number in range(5)]
    splash = samples(1100, 2.4)
    whole = [
        Recording("A", "resting", splash, "rows 1 to 1100", place="A9"),
        Recording("A", "walking", samples(2000), "rows 1101 to 3100", place="A9"),
    ]
    check_gravity(card, [*sound, *whole])
    with pytest.raises(
        UserError, match="is 2.4 g where about 1 g is expected, over 1,100 rows of the recording"
    ):
        check_gravity(card, [*sound, Recording("A", "resting", splash, "rows 1 to 1100", place="A9")])


def write(path: Path, labels: list[tuple[str, int, float]], missing: int | None = None) -> None:
    rows = []
    own = crc32(f"{path.parent.name}/{path.name}".encode())
    for number, (label, count, length) in enumerate(labels):
        for x, y, z in samples(count, length, seed=own + number):
            rows.append(f"{path.parent.name},{label},{x:.4f},{y:.4f},{z:.4f}")
    if missing is not None:
        rows[missing] = rows[missing].rsplit(",", 3)[0] + ",,,"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["cow,what,x,y,z", *rows]) + "\n", encoding="utf-8")


def import_herd(folder: Path, *flags: str) -> str:
    arguments = ["data", "import", str(folder / "in"), "--rate", "10", "--units", "g", "--out"]
    result = CliRunner().invoke(app, [*arguments, str(folder / "card"), *flags])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_what_is_left_out_is_named_with_rows_share_and_file(tmp_path: Path) -> None:
    for animal in "AB":
        for number in range(8):
            labels = [("graze", 120, 1.0), ("rest", 120, 1.0)]
            write(tmp_path / "in" / animal / f"{number}.csv", labels, missing=60)
    write(tmp_path / "in/A/9.csv", [("graze", 100, 7.7), ("rest", 100, 7.7)])
    output = import_herd(tmp_path, "--convert", "--animal-column", "cow", "--window", "2")
    assert (
        "recordings left out: 1, 200 rows = 5.0 % of all, in which the median length of the acceleration is "
        "far from 1 g over the whole recording, while the others have about that: A/9.csv (200 "
        "rows = 5.0 % of all, 7.75 g)" in output
    )
    assert "16 rows left out = 0.40 % of 4,040, for" in output
    from mcukd.data.card import load_card

    assert len(load_windows(load_card(str(tmp_path / "card/card.toml")))) == 2 * 8 * (2 + 3 + 6)


def test_a_splash_apart_from_its_recording_is_no_other_files(tmp_path: Path) -> None:
    """A missing row after the splash makes it a segment of its own."""
    for animal in "AB":
        for number in range(6):
            write(tmp_path / "in" / animal / f"{number}.csv", [("graze", 120, 1.0), ("rest", 120, 1.0)])
    write(tmp_path / "in/A/9.csv", [("rest", 8, 2.4), ("graze", 120, 1.0), ("rest", 120, 1.0)], missing=7)
    output = import_herd(tmp_path, "--convert", "--animal-column", "cow", "--window", "2")
    assert "recordings left out" not in output
    from mcukd.data.card import load_card

    assert len(load_windows(load_card(str(tmp_path / "card/card.toml")))) == 13 * 12


def test_a_recording_with_a_splash_is_kept(tmp_path: Path, repro: Folders) -> None:
    """The kind of n10: seven rows of 2.3 g, and 6,000 good ones."""
    from mcukd.data.card import load_card

    out = tmp_path / "card"
    arguments = ["data", "import", str(repro("n10-splash")), "--rate", "25", "--convert", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0 and "left out" not in result.output, result.output
    windows = load_windows(load_card(str(out / "card.toml")))
    assert len(windows) == 12 * 6 * (1000 // windows.counts.shape[1])


@pytest.mark.parametrize("flags", [(), ("--convert",)])
def test_animals_left_out_are_named_with_rows_and_share(tmp_path: Path, flags: tuple[str, ...]) -> None:
    rows = ["cow,what,x,y,z"]
    for animal, number in (("A", 300), ("B", 300), ("C", 150)):
        for place, label in enumerate(("graze", "rest")):
            rows += [f"{animal},{label},{x:.4f},{y:.4f},{z:.4f}" for x, y, z in samples(number, seed=place)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/all.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    output = import_herd(tmp_path, "--exclude-animal", "C", "--window", "1", *flags)
    assert "animal C: left out as you say, 300 rows = 20.0 % of all" in output
