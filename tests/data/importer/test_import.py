"""Imports: layouts, separate labels, resuming after a kill, and the cards they write."""

from __future__ import annotations

import datetime as dt
import json
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.boris import Coded, write_project
from builders.places import Folders

from mcukd.data.card import load_card
from mcukd.data.features import load_feature_card, load_features
from mcukd.data.folds import make_folds
from mcukd.data.importer import convert as conversion
from mcukd.data.importer.label_clocks import Asked
from mcukd.data.importer.labels import read_labels
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.errors import UserError

RATE = 20


def motion(seconds: float, lively: bool, seed: int = 0) -> np.ndarray:
    """Samples (n, 3) in g at 20 Hz: gravity on y, a swing on x where lively."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    samples = rng.normal((0.1, 0.97, 0.15), 0.01, (len(t), 3))
    samples[:, 0] += 0.4 * np.sin(2 * np.pi * 2 * t) * lively
    return samples


def bring_in(path: Path, out: Path, **options: Any) -> Imported:
    return import_data(path, Options(out=out, **options), Dialog())


def long_table(path: Path, animals: str = "AB", bouts: int = 4, start: float | None = None) -> int:
    """Write bouts of 30 s by turns; return the number of rows. start: seconds since 1970, else from 0."""
    lines = ["time,animal,behaviour,x,y,z"]
    for seed, animal in enumerate(animals):
        for bout in range(bouts):
            label = ("walk", "rest")[bout % 2]
            for number, row in enumerate(motion(30, label == "walk", seed)):
                stamp = (start or 0) + bout * 30 + number / RATE
                lines.append(f"{stamp:.2f},{animal},{label}," + ",".join(f"{v:.4f}" for v in row))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines) - 1


def test_a_plain_table_is_not_converted_and_the_card_says_why(tmp_path: Path) -> None:
    long_table(tmp_path / "herd.csv")
    made = bring_in(tmp_path / "herd.csv", tmp_path / "out")
    card = load_card(str(made.cards[0]))
    assert made.converted is None and card.source.reader == "long-csv"
    assert (card.signal.units, card.rate_hz, card.classes) == ("g", 20, ("rest", "walk"))
    assert card.signal.axes[1].meaning.startswith("gravity axis: reads +0.9")
    text = made.cards[0].read_text(encoding="utf-8")
    assert "# - units: g, for the median length of the acceleration is" in text
    assert len(load_windows(card)) == 48


def test_a_conversion_gives_the_same_windows(tmp_path: Path) -> None:
    long_table(tmp_path / "herd.csv")
    plain = load_windows(load_card(str(bring_in(tmp_path / "herd.csv", tmp_path / "a").cards[0])))
    made = bring_in(tmp_path / "herd.csv", tmp_path / "b", convert=True)
    converted = load_windows(load_card(str(made.cards[0])))
    assert converted.labels.tolist() == plain.labels.tolist()
    # Single precision may move a value that lies on the edge of two counts.
    assert np.abs(converted.counts.astype(int) - plain.counts).max() <= 1


def test_segments_named_by_folder_and_file(tmp_path: Path) -> None:
    for number in range(12):
        label, animal = ("walk", "rest")[number % 2], ("cow7", "cow12", "cow30")[number % 3]
        folder = tmp_path / "in" / label
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(
            folder / f"{animal}_{number}.csv",
            motion(45, label == "walk", number),
            delimiter=",",
            header="ax,ay,az",
            comments="",
        )
    made = bring_in(tmp_path / "in", tmp_path / "out", rate_hz=20.0)
    card = load_card(str(made.cards[0]))
    windows = load_windows(card)
    assert card.source.reader == "segments"
    assert set(windows.animals) == {"cow7", "cow12", "cow30"} and len(windows) == 12 * 9
    with pytest.raises(UserError, match="--rate HZ"):
        bring_in(tmp_path / "in", tmp_path / "other")


def test_bursts_one_per_row(tmp_path: Path) -> None:
    names = [f"{axis}{number}" for axis in "xyz" for number in range(100)]
    lines = [",".join(["individual", "behaviour", *names])]
    for number in range(80):
        label = ("walk", "rest")[number % 2]
        burst = motion(5, label == "walk", number)
        lines.append(",".join(["AB"[number // 40], label, *(f"{v:.4f}" for v in burst.T.ravel())]))
    (tmp_path / "bursts.csv").write_text("\n".join(lines), encoding="utf-8")
    made = bring_in(tmp_path / "bursts.csv", tmp_path / "out", rate_hz=20.0)
    assert made.converted is not None and made.converted.rows == 80 and made.converted.samples == 8000
    windows = load_windows(load_card(str(made.cards[0])))
    assert windows.counts.shape == (80, 100, 3)
    first = motion(5, True, 0) * windows.counts_per_g
    assert np.abs(windows.counts[0] - first).max() < 2


def test_e_obs_bursts_of_movebank(tmp_path: Path) -> None:
    lines = [
        "event-id,timestamp,eobs:acceleration-axes,eobs:acceleration-sampling-frequency-per-axis,"
        "eobs:accelerations-raw,individual-local-identifier,behavior,tag-local-identifier"
    ]
    for number in range(80):
        label = ("walk", "rest")[number % 2]
        raw = np.round(motion(5, label == "walk", number) * 512 + 2048).astype(int)
        cell = " ".join(str(value) for value in raw.ravel())
        stamp = f"2024-05-{1 + number // 40:02d} {number % 40 // 2:02d}:{30 * (number % 2):02d}:00.000"
        lines.append(f'{number},{stamp},XYZ,20.0,"{cell}",stork{number // 40},{label},77')
    lines.append('80,2024-05-03 00:00:00.000,XZ,20.0,"2048 2049",stork1,rest,77')
    (tmp_path / "eobs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    made = bring_in(tmp_path / "eobs.csv", tmp_path / "out")
    card = load_card(str(made.cards[0]))
    assert card.signal.units == "counts" and card.signal.recorded_counts_per_g == 512 and card.rate_hz == 20
    assert made.converted is not None and made.converted.left_out == {"the burst has other axes than XYZ": 1}
    windows = load_windows(card)
    assert set(windows.animals) == {"stork0", "stork1"} and len(windows) == 80
    assert abs(windows.counts[..., 1].mean() / windows.counts_per_g - 0.97) < 0.01


def test_parquet_of_any_columns(tmp_path: Path) -> None:
    import pandas as pd

    long_table(tmp_path / "herd.csv")
    frame = pd.read_csv(tmp_path / "herd.csv")
    frame["time"] = pd.Timestamp("2024-05-01", tz="UTC") + pd.to_timedelta(frame["time"], unit="s")
    frame.rename(columns={"x": "acc_x", "y": "acc_y", "z": "acc_z"}).to_parquet(tmp_path / "herd.parquet")
    made = bring_in(tmp_path / "herd.parquet", tmp_path / "out")
    card = load_card(str(made.cards[0]))
    assert card.source.reader == "parquet" and len(load_windows(card)) == 48


def test_the_forms_of_files_are_said(tmp_path: Path) -> None:
    import pandas as pd

    folder = tmp_path / "herd"
    for number in range(3):
        name = folder / f"part{number}.csv"
        name.parent.mkdir(exist_ok=True)
        long_table(name, animals="ABC"[number])
        if number:
            pd.read_csv(name).to_parquet(name.with_suffix(".parquet"))
            name.unlink()
    said = [note for note in bring_in(folder, tmp_path / "both").notes if "files:" in note]
    assert said == ["3 files: 2 Parquet, 1 utf-8 text with commas"]
    (folder / "part0.csv").unlink()
    assert "2 files: Parquet" in bring_in(folder, tmp_path / "one").notes


def test_a_logger_file_without_its_reader_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cow.cwa").write_bytes(b"MD" + bytes(1022))
    monkeypatch.setitem(sys.modules, "actfast", None)
    with pytest.raises(UserError, match=r"pip install 'mcukd\[devices\]'"):
        bring_in(tmp_path / "cow.cwa", tmp_path / "out", label="rest")


def write_cwa(path: Path, samples: np.ndarray, start: dt.datetime, true_hz: float = 50.0) -> None:
    """An Axivity AX3 file made by the description of its format: blocks of 80 samples, 256 counts per g.

    true_hz: of the sensor, which in real loggers is a little off the nominal 50 Hz.
    """

    def packed(t: dt.datetime) -> int:
        date = (t.year - 2000) << 26 | t.month << 22 | t.day << 17
        return date | t.hour << 12 | t.minute << 6 | t.second

    head = bytearray(1024)
    struct.pack_into("<2sH", head, 0, b"MD", 1020)
    struct.pack_into("<II", head, 13, packed(start), packed(start + dt.timedelta(hours=1)))
    head[36] = 0x40 | 9
    content = bytes(head)
    for block in range(len(samples) // 80):
        t = start + dt.timedelta(seconds=block * 80 / true_hz)
        data = bytearray(510)
        fraction = 0x8000 | int(t.microsecond / 1e6 * 32768)
        struct.pack_into("<2sHHIII", data, 0, b"AX", 508, fraction, 1, block, packed(t))
        struct.pack_into("<HHBBBB", data, 18, 300, 250, 0, 150, 0x40 | 9, 0x32)
        struct.pack_into("<hH", data, 26, -int(t.microsecond / 1e6 * 50), 80)
        counts = np.round(samples[block * 80 : (block + 1) * 80] * 256).astype("<i2")
        data[30:510] = counts.tobytes()
        content += bytes(data) + struct.pack("<H", -sum(struct.unpack("<255H", bytes(data))) & 0xFFFF)
    path.write_bytes(content)


@pytest.mark.parametrize("true_hz", [50.0, 48.5])
def test_a_cwa_file_is_read_and_its_blocks_are_joined(tmp_path: Path, true_hz: float) -> None:
    pytest.importorskip("actfast", reason="the extra that reads loggers' files is not installed")
    (tmp_path / "in").mkdir()
    start = dt.datetime(2024, 7, 1, 10, 0, 0)
    for seed, animal in enumerate(("cowA", "cowB")):
        walk, rest = motion(600, True, seed), motion(600, False, seed)
        write_cwa(tmp_path / "in" / f"{animal}.cwa", np.concatenate([walk, rest]), start, true_hz)
    half = start + dt.timedelta(seconds=12000 / true_hz)
    end = start + dt.timedelta(seconds=24000 / true_hz)
    labels = f"start,end,behaviour\n{start},{half},walk\n{half},{end},rest\n"
    (tmp_path / "labels.csv").write_text(labels, encoding="utf-8")
    made = bring_in(tmp_path / "in", tmp_path / "out", labels_table=tmp_path / "labels.csv")
    card = load_card(str(made.cards[0]))
    assert card.rate_hz == pytest.approx(true_hz, rel=0.01)
    windows = load_windows(card)
    assert np.bincount(windows.labels).min() >= 2 * (12000 // card.window - 1)


def test_stamps_of_loggers_are_spread_between_real_gaps() -> None:
    from mcukd.data.importer.sources import evenly

    blocks = np.concatenate([start + np.arange(80) / 50 for start in np.arange(4) * 80 / 48.5])
    even = evenly(np.concatenate([blocks, blocks + 100]))
    steps = np.diff(even)
    assert np.sum(steps > 1) == 1 and np.ptp(np.delete(steps, 319)) < 1e-9


LABELS = """animal,start,end,behaviour
A,0,30,walk
A,30,60,rest
A,60,100,walk
A,100,120,rest
B,10,60,rest
B,60,120,walk
"""


def unlabelled(path: Path, start: float | None = None) -> None:
    long_table(path, start=start)
    lines = path.read_text(encoding="utf-8").split("\n")
    cells = [line.split(",") for line in lines if line]
    path.write_text("\n".join(",".join([*c[:2], *c[3:]]) for c in cells) + "\n", encoding="utf-8")


def test_labels_kept_apart_are_joined(tmp_path: Path) -> None:
    unlabelled(tmp_path / "herd.csv")
    (tmp_path / "labels.csv").write_text(LABELS, encoding="utf-8")
    made = bring_in(
        tmp_path / "herd.csv", tmp_path / "out", labels_table=tmp_path / "labels.csv", window_s=2.0
    )
    windows = load_windows(load_card(str(made.cards[0])))
    seconds = {
        (animal, name): 2 * int(np.sum((windows.animals == animal) & (windows.labels == number)))
        for animal in "AB"
        for number, name in enumerate(windows.classes)
    }
    assert seconds == {("A", "walk"): 70, ("A", "rest"): 50, ("B", "walk"): 60, ("B", "rest"): 50}


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (LABELS.replace("A,30,60", "A,25,60"), "lines 2 and 3: walk and rest of animal A overlap by 5 s"),
        (LABELS.replace("A,30,60", "A,60,30"), "line 3: rest ends 30 s before it starts"),
        (LABELS.replace("A,30,60", "A,then,60"), "line 3: column start is 'then' where a number of seconds"),
        (LABELS.replace("start", "when"), "has no column for the start"),
        (
            LABELS.replace("A,", "X,").replace("B,", "Y,"),
            "labels nothing of the recordings: its animals are X, Y",
        ),
        (
            "\n".join([LABELS.split("\n")[0], "A,90000,90030,walk", "B,90000,90030,rest"]),
            "its first label lies +25.00 h from their first sample",
        ),
        (LABELS.replace("0,30,", "2024-05-01 10:00,2024-05-01 10:01,"), "labels.csv"),
    ],
)
def test_broken_label_tables_are_one_sentence(tmp_path: Path, labels: str, sentence: str) -> None:
    unlabelled(tmp_path / "herd.csv")
    (tmp_path / "labels.csv").write_text(labels, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        bring_in(tmp_path / "herd.csv", tmp_path / "out", labels_table=tmp_path / "labels.csv")
    assert sentence in str(caught.value)


def test_labels_outside_of_the_recording_are_said(tmp_path: Path) -> None:
    unlabelled(tmp_path / "herd.csv")
    (tmp_path / "labels.csv").write_text(LABELS + "A,500,560,rest\n", encoding="utf-8")
    made = bring_in(
        tmp_path / "herd.csv", tmp_path / "out", labels_table=tmp_path / "labels.csv", window_s=2.0
    )
    assert any("1 of 7 intervals lie outside" in note and "line 8" in note for note in made.notes)


AGGREGATED = """Observation id\tObservation date\tSubject\tBehavior\tBehavior type\tStart (s)\tStop (s)\tDuration (s)
one\t2024-07-01 12:00:00\tA\twalk\tSTATE\t0\t30\t30
one\t2024-07-01 12:00:00\tA\trest\tSTATE\t30\t60\t30
one\t2024-07-01 12:00:00\tA\tcough\tPOINT\t31\t31\tNA
one\t2024-07-01 12:00:00\tA\twalk\tSTATE\t60\t90\t30
one\t2024-07-01 12:00:00\tA\trest\tSTATE\t90\t120\t30
two\t2024-07-01 12:00:00\tB\twalk\tSTATE\t0\t30\t30
two\t2024-07-01 12:00:00\tB\trest\tSTATE\t30\t60\t30
"""  # noqa: E501
TABULAR = """Observation id,Observation date,Subject,Behavior,Behavior type,Time,Comment
one,2024-07-01 12:00:00,A,walk,START,0,
one,2024-07-01 12:00:00,A,walk,STOP,30,
one,2024-07-01 12:00:00,A,rest,START,30,
one,2024-07-01 12:00:00,A,rest,STOP,60,
one,2024-07-01 12:00:00,A,cough,POINT,61,
two,2024-07-01 12:00:00,B,walk,START,0,
two,2024-07-01 12:00:00,B,walk,STOP,30,
two,2024-07-01 12:00:00,B,rest,START,30,
two,2024-07-01 12:00:00,B,rest,STOP,60,
"""
NOON_UTC = 1719835200.0


@pytest.mark.parametrize(("content", "name"), [(AGGREGATED, "agg.tsv"), (TABULAR, "tab.csv")])
def test_exports_of_boris_are_joined_in_their_time_zone(tmp_path: Path, content: str, name: str) -> None:
    # Noon in Rome in July is ten o'clock UTC.
    unlabelled(tmp_path / "herd.csv", start=NOON_UTC - 7200)
    (tmp_path / name).write_text(content, encoding="utf-8")
    made = bring_in(
        tmp_path / "herd.csv",
        tmp_path / "out",
        labels_table=tmp_path / name,
        labels_timezone="Europe/Rome",
        window_s=1.0,
    )
    windows = load_windows(load_card(str(made.cards[0])))
    assert np.sum(windows.animals == "B") == 60
    assert np.bincount(windows.labels[windows.animals == "B"]).tolist() == [30, 30]
    assert any(
        "local time of Europe/Rome" in note and "1 events without length" in note for note in made.notes
    )
    lively = windows.counts[windows.labels == windows.classes.index("walk")].std(axis=1)[:, 0].min()
    still = windows.counts[windows.labels == windows.classes.index("rest")].std(axis=1)[:, 0].max()
    assert lively > 4 * still


def test_a_project_of_boris_is_joined_as_its_exports_are(tmp_path: Path) -> None:
    unlabelled(tmp_path / "herd.csv", start=NOON_UTC - 7200)
    states = [
        (who, ("walk", "rest")[number % 2], "", 30.0 * number, 30.0 * number + 30)
        for who, count in (("A", 4), ("B", 2))
        for number in range(count)
    ]
    project = write_project(tmp_path / "herd.boris", [Coded("one", "2024-07-01 12:00:00", states)])
    made = bring_in(
        tmp_path / "herd.csv",
        tmp_path / "out",
        labels_table=project,
        labels_timezone="Europe/Rome",
        window_s=1.0,
    )
    windows = load_windows(load_card(str(made.cards[0])))
    assert np.bincount(windows.labels[windows.animals == "B"]).tolist() == [30, 30]


def test_events_of_boris_that_do_not_stop_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tab.csv").write_text(TABULAR.replace("one,2024-07-01 12:00:00,A,rest,STOP,60,\n", ""))
    with pytest.raises(UserError, match="line 4: rest starts and never stops"):
        read_labels(tmp_path / "tab.csv", Asked(Options(), Dialog()))


KILLED = """
import sys
from pathlib import Path
from mcukd.data.importer import convert
from mcukd.data.importer.options import Options, Dialog
from mcukd.data.importer.run import import_data
import mcukd.data.importer.sources as sources, time
convert.PART_ROWS = 2000
read = sources.read_blocks
def slow(path, form, start=0, line=0, size=0):
    for block in read(path, form, start, line, 40_000):
        time.sleep(0.1)
        yield block
sources.read_blocks = slow
import_data(Path(sys.argv[1]), Options(out=Path(sys.argv[2]), convert=True), Dialog())
"""


def test_an_import_killed_at_half_goes_on_and_every_row_is_there_once(tmp_path: Path) -> None:
    import pandas as pd

    rows = long_table(tmp_path / "herd.csv", "ABCDEFGH")
    out = tmp_path / "out"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "herd.csv"), str(out)])
    manifest: dict[str, Any] = {}
    deadline = time.monotonic() + 60
    while manifest.get("rows", 0) < rows / 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
        if (out / "import.json").is_file():
            manifest = json.loads((out / "import.json").read_text(encoding="utf-8"))
    child.send_signal(signal.SIGKILL)
    child.wait()
    manifest = json.loads((out / "import.json").read_text(encoding="utf-8"))
    assert rows / 2 <= manifest["rows"] < rows and not manifest["complete"]
    assert not (out / "card.toml").exists()
    made = bring_in(tmp_path / "herd.csv", out, convert=True)
    assert made.converted is not None and made.converted.resumed and made.converted.rows == rows
    parts = pd.concat([pd.read_parquet(part) for part in sorted(out.glob("part-*.parquet"))])
    source = pd.read_csv(tmp_path / "herd.csv")
    assert parts["time"].tolist() == source["time"].tolist()
    assert parts["animal"].tolist() == source["animal"].tolist()
    assert np.allclose(parts["x"], source["x"], atol=1e-6)
    assert parts.groupby(["animal", "segment"], observed=True).ngroups == 8


def test_an_import_does_not_go_on_with_a_file_that_changed(tmp_path: Path) -> None:
    long_table(tmp_path / "herd.csv")
    bring_in(tmp_path / "herd.csv", tmp_path / "out", convert=True)
    (tmp_path / "out" / "card.toml").unlink()
    bring_in(tmp_path / "herd.csv", tmp_path / "out", convert=True)
    (tmp_path / "out" / "card.toml").unlink()
    long_table(tmp_path / "herd.csv", "ABC")
    with pytest.raises(UserError, match="have changed since"):
        bring_in(tmp_path / "herd.csv", tmp_path / "out", convert=True)


def test_parts_join_where_a_recording_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_table(tmp_path / "herd.csv")
    one = bring_in(tmp_path / "herd.csv", tmp_path / "a", convert=True)
    whole = load_windows(load_card(str(one.cards[0])))
    import mcukd.data.importer.sources as sources
    from mcukd.data.importer.text import read_blocks

    monkeypatch.setattr(conversion, "PART_ROWS", 700)
    monkeypatch.setattr(sources, "read_blocks", lambda *given: read_blocks(*given, size=9_000))
    made = bring_in(tmp_path / "herd.csv", tmp_path / "b", convert=True)
    assert len(list((tmp_path / "b").glob("part-*.parquet"))) > 5
    cut = load_windows(load_card(str(made.cards[0])))
    assert cut.counts.tolist() == whole.counts.tolist()
    assert cut.segments.tolist() == whole.segments.tolist()


def test_resampling_is_in_the_card_and_in_the_identity(tmp_path: Path) -> None:
    long_table(tmp_path / "herd.csv")
    made = bring_in(tmp_path / "herd.csv", tmp_path / "out", resample_hz=50.0)
    card = load_card(str(made.cards[0]))
    assert any("nothing above 10 Hz" in note for note in made.notes)
    windows = load_windows(card)
    assert (windows.rate_hz, windows.counts.shape[1], len(windows)) == (50, 250, 48)
    plain = bring_in(tmp_path / "herd.csv", tmp_path / "plain")
    assert dataset_sha256(card) != dataset_sha256(load_card(str(plain.cards[0])))


def test_features_are_refused_as_a_signal_and_taken_for_a_head(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["id,animal,label,mx,my,mz,sx,sy,sz"]
    lines += [
        f"{n},{n % 3},{n % 2}," + ",".join(f"{v:.3f}" for v in [*rng.normal(0, 1, 3), *rng.random(3)])
        for n in range(60)
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"a table of features.*--features"):
        bring_in(tmp_path / "table.csv", tmp_path / "out")
    made = bring_in(
        tmp_path / "table.csv", tmp_path / "out", features=True, mapping={"0": "graze", "1": "rest"}
    )
    features = load_features(load_feature_card(str(made.cards[0])))
    assert features.names == ("mx", "my", "mz", "sx", "sy", "sz") and features.classes == ("graze", "rest")
    assert features.values.shape == (60, 6)


def test_the_cow_collars_are_imported_as_the_card_that_was_written_by_hand(
    tmp_path: Path, real_data: Folders
) -> None:
    cows = real_data("cow-collar")
    with pytest.raises(UserError, match="--acceleration MPU9250_AX,MPU9250_AY,MPU9250_AZ looks likeliest"):
        bring_in(cows, tmp_path / "no")
    made = import_data(cows, Options(out=tmp_path / "out", yes=True), Dialog(yes=True))
    card, by_hand = load_card(str(made.cards[0])), load_card("cow-collar")
    assert card.columns == by_hand.columns
    assert (card.signal.units, card.rate_hz, card.signal.range_g) == ("m/s2", 10, 8)
    assert card.classes == ("Grazing", "Resting", "Standing", "Walking")
    # Of the faulty files, three are Standing, which the card written by hand ignores; a copy is not faulty.
    copy = "Walking/291_Walking_6319_20240605_112230.csv"
    faulty = set(by_hand.source.exclude_files) - {copy}  # type: ignore[union-attr]
    assert faulty < set(card.source.exclude_files)  # type: ignore[union-attr]
    windows = load_windows(card)
    assert np.bincount(windows.labels)[[0, 1, 3]].tolist() == [1515, 1315, 536]
    assert len(make_folds(windows, "loao")) == 10
