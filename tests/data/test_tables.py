"""The parsers of CSV files and of UCI HAR's text files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.data.tables import read_table
from mcukd.errors import UserError

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_every_finite_number_reads_back_exactly(rows: list[tuple[float, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text("b,a\n" + "".join(f"{b!r},{a!r}\n" for a, b in rows), encoding="utf-8")
        table = read_table(path, ["a", "b"])
    np.testing.assert_array_equal(table["a"], [a for a, _ in rows])
    np.testing.assert_array_equal(table["b"], [b for _, b in rows])


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(1, 30),
    data=st.data(),
    bad=st.sampled_from(["", "nan", "NaN", "-inf", "NULL", "1,2", "x", "0x1"]),
)
def test_the_first_bad_line_is_named(n: int, data: st.DataObject, bad: str) -> None:
    at = data.draw(st.integers(0, n - 1))
    lines = ["a,b", *(["1.5,2.5"] * n)]
    lines[at + 1] = f"1.5,{bad}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(UserError, match=rf"a\.csv, line {at + 2}: "):
            read_table(path, ["a", "b"])


def test_a_byte_order_mark_does_not_hide_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read_table(path, ["a"])["a"].tolist() == [1.0]


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,a\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError, match="2 columns named 'a'"):
        read_table(path, ["a"])


def write_uci(root: Path) -> Path:
    """Two people with all six activities, one in each part; a window is 128 samples of 1 g on x."""
    for part, person in (("train", "1"), ("test", "2")):
        folder = root / "ucihar-subset" / part
        (folder / "Inertial Signals").mkdir(parents=True)
        for axis, value in (("x", "1.0"), ("y", "0.0"), ("z", "0.0")):
            lines = [" ".join([value] * 128)] * 6
            path = folder / "Inertial Signals" / f"total_acc_{axis}_{part}.txt"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"y_{part}.txt").write_text("1\n2\n3\n4\n5\n6\n", encoding="utf-8")
        (folder / f"subject_{part}.txt").write_text(f"{person}\n" * 6, encoding="utf-8")
    return root / "ucihar-subset"


def test_the_original_subject_files_are_read(tmp_path: Path) -> None:
    write_uci(tmp_path)
    windows = load_windows(load_card("ucihar-subset"), tmp_path)
    assert windows.labels.tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert windows.animals.tolist() == ["1"] * 6 + ["2"] * 6
    assert windows.split is not None
    assert windows.split.tolist() == ["train"] * 6 + ["test"] * 6
    assert (windows.counts[:, :, 0] == 8192).all()


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("train/y_train.txt", "6\n", "", "6 windows, 5 labels and 6 subjects"),
        ("train/y_train.txt", "6\n", "7\n", "the label '7' is not in the card"),
        (
            "train/Inertial Signals/total_acc_y_train.txt",
            "0.0 0.0\n",
            "0.0\n",
            "line 1: 127 values where 128",
        ),
        (
            "test/Inertial Signals/total_acc_z_test.txt",
            " 0.0\n",
            " NaN\n",
            "line 1: 'NaN' where a finite number",
        ),
        ("test/subject_test.txt", "2\n", "two\n", "line 1: 'two' where a finite number"),
    ],
)
def test_a_damaged_uci_har_is_named(tmp_path: Path, file: str, old: str, new: str, expected: str) -> None:
    path = write_uci(tmp_path) / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_windows(load_card("ucihar-subset"), tmp_path)
    assert expected in str(caught.value)


def test_a_missing_uci_har_file_is_named(tmp_path: Path) -> None:
    (write_uci(tmp_path) / "test/y_test.txt").unlink()
    with pytest.raises(UserError, match=r"y_test\.txt does not exist"):
        load_windows(load_card("ucihar-subset"), tmp_path)
