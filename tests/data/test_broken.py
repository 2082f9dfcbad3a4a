"""Broken input: each kind is handled or refused with one sentence; no traceback, no silent error.

A case is a function that writes files and returns what to import with which options, and what must come of
it: a part of the sentence, or a check of the windows that the written card gives.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.commands import mcukd
from typer.testing import CliRunner

from mcukd.cli.app import app
from mcukd.data.card import load_card
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data
from mcukd.data.load import load_windows
from mcukd.data.quality.check import check
from mcukd.data.windows import Windows
from mcukd.errors import UserError

RATE = 10
HEADER = ["time", "cow", "behaviour", "ax", "ay", "az"]


def herd(
    animals: str = "AB", bouts: int = 4, seconds: int = 30, labels: tuple[str, ...] = ("graze", "rest")
) -> list[list[str]]:
    """Rows of a long table at 10 Hz: bouts of both behaviours per animal, about 1 g on z."""
    rng = np.random.default_rng(1)
    rows = []
    for animal in animals:
        for bout in range(bouts):
            label = labels[bout % len(labels)]
            for number in range(seconds * RATE):
                t = (bout * seconds * RATE + number) / RATE
                wave = 0.3 * np.sin(t * 7) if label == labels[0] else 0.0
                x, y, z = rng.normal((0.1 + wave, 0.2, -0.95), 0.01)
                rows.append([f"{t:.1f}", animal, label, f"{x:.4f}", f"{y:.4f}", f"{z:.4f}"])
    return rows


def text(rows: list[list[str]], header: list[str] = HEADER, delimiter: str = ",", end: str = "\n") -> str:
    return end.join(delimiter.join(row) for row in [header, *rows]) + end


def run(path: Path, out: Path, **options: Any) -> tuple[Imported, Windows]:
    made = import_data(path, Options(out=out, **options), Dialog())
    return made, load_windows(load_card(str(made.cards[0])))


def whole(windows: Windows) -> None:
    """Two animals with two bouts of each behaviour of half a minute, in windows of five seconds."""
    assert sorted(windows.classes) == ["graze", "rest"]
    assert np.bincount(windows.labels).tolist() == [24, 24]
    gravity = windows.counts.astype(float).mean(axis=(0, 1)) / windows.counts_per_g
    assert abs(gravity[2] + 0.95) < 0.02 and abs(gravity[1] - 0.2) < 0.02


Case = Callable[[Path], Any]
HANDLED: dict[str, Case] = {}
SAID: dict[str, Case] = {}


def handled(name: str) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        HANDLED[name] = case
        return case

    return keep


def said(name: str) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        SAID[name] = case
        return case

    return keep


def write(folder: Path, content: str, name: str = "herd.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


@handled("utf-8 byte order mark")
def _bom(folder: Path) -> Any:
    return write(folder, text(herd()), encoding="utf-8-sig"), {}


@handled("UTF-16 with byte order mark")
def _utf16(folder: Path) -> Any:
    return write(folder, text(herd()), encoding="utf-16"), {}


@handled("UTF-16 without byte order mark")
def _utf16_bare(folder: Path) -> Any:
    return write(folder, text(herd()), encoding="utf-16-le"), {}


@handled("decimal commas with semicolons")
def _commas(folder: Path) -> Any:
    rows = [[*row[:1], *row[1:3], *(cell.replace(".", ",") for cell in row[3:])] for row in herd()]
    rows = [[row[0].replace(".", ","), *row[1:]] for row in rows]
    return write(folder, text(rows, delimiter=";")), {}


@handled("mixed line ends")
def _line_ends(folder: Path) -> Any:
    lines = text(herd()).split("\n")
    ends = ["\r\n", "\n"]
    return write(folder, "".join(line + ends[n % 2] for n, line in enumerate(lines) if line)), {}


@handled("old Macintosh line ends")
def _carriage_returns(folder: Path) -> Any:
    return write(folder, text(herd(), end="\r")), {}


@handled("gzip named .csv")
def _gzip(folder: Path) -> Any:
    path = folder / "herd.csv"
    path.write_bytes(gzip.compress(text(herd()).encode()))
    return path, {}


@handled("tabs in a .csv")
def _tabs(folder: Path) -> Any:
    return write(folder, text(herd(), delimiter="\t")), {}


@handled("lines above the header")
def _preamble(folder: Path) -> Any:
    return write(folder, "Logger 7\nFirmware,2.1\n" + text(herd())), {}


@handled("spaces and letters with marks in the path")
def _path(folder: Path) -> Any:
    return write(folder, text(herd()), name="Kühe auf der Weide/Mai 2024.csv"), {}


@handled("labels with blanks around them and in another case")
def _label_blanks(folder: Path) -> Any:
    rows = herd()
    for number, row in enumerate(rows):
        if row[2] == "graze" and (number // 300) % 4 == 2:
            row[2] = "Graze "
    return write(folder, text(rows)), {}


@handled("blanks around animals")
def _animal_blanks(folder: Path) -> Any:
    rows = herd()
    for number, row in enumerate(rows):
        if (number // 300) % 2:
            row[1] = row[1] + " "
    return write(folder, text(rows)), {}


@handled("missing labels between bouts")
def _blank_labels(folder: Path) -> Any:
    rows = herd()
    extra = [[f"{120 + n / RATE:.1f}", "A", "", "0.1", "0.2", "-0.95"] for n in range(50)]
    return write(folder, text(rows[:1200] + extra + rows[1200:])), {}


@handled("unsorted rows, sorted where asked")
def _unsorted(folder: Path) -> Any:
    rows = herd()
    order = np.random.default_rng(0).permutation(len(rows))
    return write(folder, text([rows[place] for place in order])), {"sort": True}


@handled("rows of two animals that alternate, sorted where asked")
def _alternating(folder: Path) -> Any:
    rows = herd()
    half = len(rows) // 2
    return write(folder, text([row for pair in zip(rows[:half], rows[half:]) for row in pair])), {
        "sort": True
    }


@handled("milliseconds in the time column")
def _milliseconds(folder: Path) -> Any:
    rows = [[str(round(float(row[0]) * 1000)), *row[1:]] for row in herd()]
    return write(folder, text(rows)), {}


@handled("a loop of links")
def _loop(folder: Path) -> Any:
    write(folder, text(herd()), name="data/herd.csv")
    (folder / "data" / "again").symlink_to(folder / "data", target_is_directory=True)
    return folder / "data", {}


@handled("the end of summer time, with the zone stated")
def _summer_time(folder: Path) -> Any:
    return write(folder, text(_local_times())), {"timezone": "Europe/Berlin"}


def _local_times() -> list[list[str]]:
    """Both animals cross the end of summer time at 75 s, in their third bout."""
    import datetime as dt

    rows = herd()
    start = dt.datetime(2024, 10, 27, 0, 58, 45, tzinfo=dt.UTC)
    zone = dt.timedelta(hours=2)
    for row in rows:
        utc = start + dt.timedelta(seconds=float(row[0]))
        local = utc + (zone if utc < dt.datetime(2024, 10, 27, 1, tzinfo=dt.UTC) else zone / 2)
        row[0] = local.strftime("%Y-%m-%d %H:%M:%S.%f")[:-5]
    return rows


@said("the end of summer time, without the zone")
def _no_zone(folder: Path) -> Any:
    return write(folder, text(_local_times())), {"convert": True}, "as at the end of summer time"


@said("negative time steps")
def _backwards(folder: Path) -> Any:
    rows = herd()
    rows[400], rows[420] = rows[420], rows[400]
    return write(folder, text(rows)), {}, "time runs backwards"


@said("an empty file")
def _empty(folder: Path) -> Any:
    return write(folder, ""), {}, "is empty"


@said("a header and no rows")
def _header_only(folder: Path) -> Any:
    return write(folder, ",".join(HEADER) + "\n"), {}, "has a header but no samples"


@said("no header")
def _no_header(folder: Path) -> Any:
    rows = [[row[0], *row[3:]] for row in herd()]
    return write(folder, text(rows[1:], header=rows[0])), {}, "has no header line"


@said("a row that is too short")
def _ragged(folder: Path) -> Any:
    rows = herd()
    rows[750] = rows[750][:-2]
    return write(folder, text(rows)), {}, "line 752: the row has 4 fields where the header has 6"


@said("text among numbers")
def _text_in_numbers(folder: Path) -> Any:
    rows = herd()
    rows[750][4] = "Fehler"
    return write(folder, text(rows)), {}, "line 752: column ay is 'Fehler' where a number is expected"


@said("decimal points and commas mixed")
def _mixed_decimals(folder: Path) -> Any:
    rows = herd()
    for row in rows[:300]:
        row[3:] = [cell.replace(".", ",") for cell in row[3:]]
    return write(folder, text(rows, delimiter=";")), {}, "where a number with a decimal comma is expected"


@said("no delimiter that fits")
def _no_table(folder: Path) -> Any:
    return (
        write(folder, "this is\na letter about, cows\nand; nothing else\n"),
        {},
        "no table that can be read",
    )


@said("binary content")
def _binary(folder: Path) -> Any:
    path = folder / "herd.csv"
    path.write_bytes(bytes(range(256)) * 40)
    return path, {}, "is not text"


@said("gzip cut short")
def _cut_gzip(folder: Path) -> Any:
    path = folder / "herd.csv"
    content = gzip.compress(text(herd()).encode())
    path.write_bytes(content[: len(content) // 2])
    return path, {}, "cannot be read"


@said("mixed units between animals")
def _mixed_units(folder: Path) -> Any:
    rows = [
        [*row[:3], *(f"{float(cell) * (9.80665 if row[1] == 'B' else 1):.4f}" for cell in row[3:])]
        for row in herd("ABC")
    ]
    return write(folder, text(rows)), {}, "animal B"


@said("raw counts called g")
def _counts_as_g(folder: Path) -> Any:
    rows = [[*row[:3], *(str(round(float(cell) * 2048)) for cell in row[3:])] for row in herd()]
    return write(folder, text(rows)), {"units": "g"}, "--units says g"


@said("gravity removed")
def _no_gravity(folder: Path) -> Any:
    rows = [[*row[:5], f"{float(row[5]) + 0.95:.4f}"] for row in herd()]
    rows = [[*row[:4], f"{float(row[4]) - 0.2:.4f}", row[5]] for row in rows]
    return write(folder, text(rows)), {}, "gravity seems to have been removed"


@said("a constant axis")
def _constant(folder: Path) -> Any:
    rows = [[*row[:4], "0.2000", row[5]] if row[1] == "B" else row for row in herd()]
    return write(folder, text(rows)), {}, "animal B"


@said("two rates")
def _two_rates(folder: Path) -> Any:
    rows = [[f"{float(row[0]) / 2:.2f}", *row[1:]] if row[1] == "C" else row for row in herd("ABC")]
    return write(folder, text(rows)), {}, "animal C"


@said("a single class")
def _single_class(folder: Path) -> Any:
    return write(folder, text(herd(labels=("graze",)))), {}, "a classifier needs two"


@said("windows longer than every run")
def _long_windows(folder: Path) -> Any:
    return (
        write(folder, text(herd())),
        {"window_s": 45.0},
        "no run of it is as long as a window of 450 samples",
    )


@said("a missing column in one file")
def _missing_column(folder: Path) -> Any:
    rows = herd("A")
    for number, name in enumerate(("graze_A_1", "graze_B_1", "rest_A_2", "rest_B_2")):
        header = ["time", "ax", "ay", "az"] if number != 2 else ["time", "ax", "ay", "vertical"]
        write(folder, text([[row[0], *row[3:]] for row in rows[:300]], header), name=f"all/{name}.csv")
    return folder / "all", {}, "the column 'az' is not in every file: 3 files have it"


@said("two columns of one name")
def _twice(folder: Path) -> Any:
    return write(folder, text(herd(), [*HEADER[:4], "ax", "az"])), {}, "2 columns named 'ax'"


@said("no behaviours at all")
def _no_labels(folder: Path) -> Any:
    rows = [[row[0], row[1], *row[3:]] for row in herd()]
    return write(folder, text(rows, ["time", "cow", "ax", "ay", "az"])), {}, "--label-column"


@said("days and months that cannot be told apart")
def _dates(folder: Path) -> Any:
    rows = [
        [f"03/04/2024 10:{int(float(row[0])) // 60:02d}:{float(row[0]) % 60:04.1f}", *row[1:]]
        for row in herd()
    ]
    return write(folder, text(rows)), {}, "--day-first or --month-first"


@said("a time zone that does not exist")
def _zone(folder: Path) -> Any:
    return (
        write(folder, text(_local_times())),
        {"timezone": "Europe/Atlantis"},
        "'Europe/Atlantis' is unknown",
    )


@said("many stamps that are none")
def _stamp(folder: Path) -> Any:
    rows = _local_times()
    for row in rows[900:1800]:
        row[0] = "yesterday"
    return write(folder, text(rows)), {"timezone": "Europe/Berlin"}, "line 902: column time is 'yesterday'"


@said("a path that does not exist")
def _nowhere(folder: Path) -> Any:
    return folder / "nowhere", {}, "does not exist"


@said("a folder named like a file")
def _folder(folder: Path) -> Any:
    (folder / "herd.csv").mkdir()
    return folder / "herd.csv", {}, "there is no data below"


@pytest.mark.parametrize("name", HANDLED)
def test_what_is_broken_but_clear_is_handled(name: str, tmp_path: Path) -> None:
    path, options = HANDLED[name](tmp_path)
    _, windows = run(path, tmp_path / "out", **options)
    whole(windows)


@pytest.mark.parametrize("name", SAID)
def test_what_is_broken_is_said_in_one_sentence(name: str, tmp_path: Path) -> None:
    path, options, sentence = SAID[name](tmp_path)
    with pytest.raises(UserError) as caught:
        run(path, tmp_path / "out", **options)
    assert sentence in str(caught.value)
    assert not (tmp_path / "out" / "card.toml").exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mixed units between animals", "an empty file", "text among numbers"])
def test_the_command_ends_with_code_2_and_no_traceback(name: str, tmp_path: Path) -> None:
    path, _, sentence = SAID[name](tmp_path)
    ended = mcukd("data", "import", str(path), "--out", str(tmp_path / "out"))
    assert ended.returncode == 2
    assert sentence in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize("value", ["", "NaN", "NA", "inf"])
def test_missing_values_cut_the_recording_there(value: str, tmp_path: Path) -> None:
    rows = herd()
    rows[325][4] = value
    made, windows = run(write(tmp_path, text(rows)), tmp_path / "out")
    assert made.converted is not None
    assert made.converted.rows == len(rows) and made.converted.samples == len(rows) - 1
    assert sum(made.converted.left_out.values()) == 1
    # 30 s of rest cut after 2.5 s leave 27.4 s, and so five windows of six.
    assert np.bincount(windows.labels).tolist() == [24, 23]


def test_letters_with_marks_in_labels_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, text(herd(labels=("pâture", "休息"))))
    _, windows = run(path, tmp_path / "out")
    assert set(windows.classes) == {"pâture", "休息"}


def test_windows_text_of_the_last_century_is_read(tmp_path: Path) -> None:
    _, windows = run(
        write(tmp_path, text(herd(labels=("pâture", "repos"))), encoding="cp1252"), tmp_path / "out"
    )
    assert set(windows.classes) == {"pâture", "repos"}


def test_a_single_animal_is_imported_and_the_check_says_what_is_missing(tmp_path: Path) -> None:
    made, _ = run(write(tmp_path, text(herd("A", bouts=8))), tmp_path / "out")
    found = check(load_card(str(made.cards[0]))).findings
    assert any(one.kind == "animals" and "one animal" in one.sentence for one in found)


def _findings(tmp_path: Path, rows: list[list[str]], **options: Any) -> dict[str, str]:
    made, _ = run(write(tmp_path, text(rows)), tmp_path / "out", **options)
    return {one.kind: one.sentence for one in check(load_card(str(made.cards[0]))).findings}


def test_swapped_axes_are_found(tmp_path: Path) -> None:
    rows = [[*row[:3], row[5], row[4], row[3]] if row[1] == "C" else row for row in herd("ABC")]
    assert "animal C: gravity lies on -x" in _findings(tmp_path, rows)["swap"]


def test_a_flipped_axis_is_found(tmp_path: Path) -> None:
    rows = [[*row[:5], f"{-float(row[5]):.4f}"] if row[1] == "C" else row for row in herd("ABC")]
    assert "animal C: z reads +0.95 g" in _findings(tmp_path, rows)["flip"]


def test_a_duplicated_animal_is_refused_by_the_import_and_found_by_the_check(tmp_path: Path) -> None:
    rows = herd()
    path = write(tmp_path, text(rows))
    made, _ = run(path, tmp_path / "out")
    copies = [[row[0], "a", *row[2:]] for row in rows if row[1] == "A"]
    path.write_text(text(rows + copies), encoding="utf-8")
    found = {one.kind: one.sentence for one in check(load_card(str(made.cards[0]))).findings}
    assert "4 recordings are copies" in found["copies"]
    assert "A, a" in found["animals"]
    with pytest.raises(UserError, match="'A' and 'a' differ only in how they are spelled"):
        run(path, tmp_path / "again")


def test_repeated_stamps_are_found(tmp_path: Path) -> None:
    rows = herd()
    doubled = [row for number, row in enumerate(rows) for _ in range(2 if number % 500 == 7 else 1)]
    assert "2 rows = 0.17 % stand twice, stamp and values" in _findings(tmp_path, doubled)["repeated"]


def test_an_empty_file_among_good_ones_is_passed_over_and_named(tmp_path: Path) -> None:
    write(tmp_path, text(herd()), name="all/a.csv")
    write(tmp_path, "", name="all/b.csv")
    made, windows = run(tmp_path / "all", tmp_path / "out")
    assert "empty: 1 file without a row, passed over: b.csv" in made.notes
    whole(windows)


def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, text(herd()))
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        with pytest.raises(UserError, match="cannot be read"):
            run(path, tmp_path / "out")
    else:
        pytest.skip("this user may read every file")
    finally:
        path.chmod(0o644)


def test_what_the_user_has_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path, text(herd()))
    run(path, tmp_path / "out")
    before = (tmp_path / "out" / "card.toml").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="is there already"):
        run(path, tmp_path / "out", window_s=2.0)
    assert (tmp_path / "out" / "card.toml").read_text(encoding="utf-8") == before


def test_the_check_of_a_folder_without_a_card_is_a_command(tmp_path: Path) -> None:
    path = write(tmp_path, text(herd()))
    result = CliRunner().invoke(app, ["data", "check", str(path), "--json"])
    assert result.exit_code == 0, result.output
    assert '"rate_hz": 10.0' in result.output


def test_there_are_thirty_kinds() -> None:
    assert len(HANDLED) + len(SAID) >= 30
