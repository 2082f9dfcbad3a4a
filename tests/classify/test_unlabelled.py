"""Recordings without labels: imported, classified like labelled ones, refused where axes are swapped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.imported import G, bring_in, herd
from builders.students import random_student
from pyarrow import parquet
from typer.testing import CliRunner

from mcukd.classify.inputs import find_recordings
from mcukd.classify.job import OUTPUTS, ClassifyJob
from mcukd.classify.recording import Layout
from mcukd.classify.results import classify_file
from mcukd.cli.app import app
from mcukd.data.card import load_card
from mcukd.data.counts import count_limits
from mcukd.data.importer.run import Imported
from mcukd.data.load import load_windows
from mcukd.data.unlabelled import load_unlabelled
from mcukd.data.worn import Worn, compare
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel, save_model
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.inference.batch import classes_of
from mcukd.pipeline.classify import RecordingOptions
from mcukd.pipeline.compare_models import compare_models
from mcukd.pipeline.quantize import remember_worn
from mcukd.study import Study


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, IntegerModel]:
    """A folder with the herd, a study of it that holds a random integer model, and the model."""
    folder = tmp_path_factory.mktemp("herd")
    herd(folder / "in")
    made = bring_in(folder / "in", folder / "labelled", convert=True)
    card = load_card(str(made.cards[0]))
    windows = load_windows(card)
    model = quantize(random_student(3, classes=2), windows, QuantizeConfig(8, 16), operation_hop=card.window)
    study = Study.create(folder / "run", card=str(made.cards[0]), seed=0)
    save_model(model, study.path)
    remember_worn(study, card, windows)
    assert Study.open(study.path).manifest["worn"]["mounting"] == "turned"
    return folder, study, model


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    """A folder with the herd without labels, in `in`, and imported, in `out`; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("unlabelled")
    herd(folder / "in", "time,ax,ay,az")
    return folder, bring_in(folder / "in", folder / "out", unlabelled=True)


def tasks(
    learned: tuple[Path, Study, IntegerModel], paths: list[Path], out: Path, **layout: Any
) -> list[ClassifyJob]:
    _, study, model = learned
    card = load_card(study.card)
    known = Layout(
        ("x", "y", "z"), model.rate_hz, model.counts_per_g, limits=count_limits(card.signal), **layout
    )
    worn = Worn(card.axes, "turned", study.manifest["worn"]["gravity_g"])
    return [
        ClassifyJob(one.path, study.path, out, one.layout, individual=one.individual, worn=worn,
             recorded_hz=one.recorded_hz)
        for one in find_recordings(paths, known)
    ]  # fmt: skip


@pytest.mark.parametrize("unit", [G, 1.0, 1000.0], ids=["m/s2", "g", "mg"])
def test_classify_equals_predictions_on_labelled_windows(
    learned: tuple[Path, Study, IntegerModel], tmp_path: Path, unit: float
) -> None:
    _, _, model = learned
    herd(tmp_path / "in", "time,ax,ay,az,behaviour", unit)
    labelled = load_card(
        str(bring_in(tmp_path / "in", tmp_path / "labelled", convert=True, range_g=2.0).cards[0])
    )
    herd(tmp_path / "bare", "time,ax,ay,az", unit)
    made = bring_in(tmp_path / "bare", tmp_path / "out", unlabelled=True)
    assert made.unlabelled
    windows = load_windows(labelled)
    assert windows.counts_per_g == model.counts_per_g
    for task in tasks(learned, made.cards[:1], tmp_path / "results"):
        # Labels cut the labelled road every 30 s, six windows; the unlabelled one is cut by the gap only.
        summary = classify_file(task)
        table = parquet.read_table(task.file(OUTPUTS["windows"]))
        own = windows.counts[windows.animals == summary["individual"]]
        expected = classes_of(model, own)
        assert table["class_id"].to_numpy().tolist() == expected.tolist()
        assert summary["stretches"] == 2 and summary["saturated_samples"] == 0
        assert "0° from where it lay in the training" in summary["orientation"]


def test_the_card_says_units_rate_axes_gravity_and_source(unlabelled: tuple[Path, Imported]) -> None:
    folder, made = unlabelled
    card = load_unlabelled(folder / "out")
    assert (card.signal.units, card.signal.rate_hz) == ("m/s2", 25)
    assert [one.animal for one in card.recordings] == ["bella", "max"]
    assert card.recordings[0].gravity_g == pytest.approx((0.1, 0.15, 0.97), abs=0.01)
    assert card.source.imported_from == str((folder / "in").resolve())
    assert sorted(one.name for one in (folder / "out").rglob("*")) == [
        "bella.parquet", "card.toml", "max.parquet", "recordings",
    ]  # fmt: skip
    assert made.converted is not None and made.converted.rows == sum(one.samples for one in card.recordings)
    with pytest.raises(UserError, match="recordings without labels.*mcukd classify"):
        load_card(str(made.cards[0]))


def test_clocks_that_start_at_zero_give_a_file_each(tmp_path: Path) -> None:
    for day, unit in (("2013-07-04", G), ("2013-07-05", 0.99 * G)):
        herd(tmp_path / day, "time,ax,ay,az", unit)
        (tmp_path / "in/bella").mkdir(parents=True, exist_ok=True)
        (tmp_path / day / "bella.csv").rename(tmp_path / "in/bella" / f"{day}.csv")
    (tmp_path / "in/max").mkdir()
    (tmp_path / "2013-07-04/max.csv").rename(tmp_path / "in/max/2013-07-04.csv")
    bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True)
    card = load_unlabelled(tmp_path / "out")
    files = [(one.file, one.animal) for one in card.recordings]
    assert files == [("bella.parquet", "bella"), ("bella-2.parquet", "bella"), ("max.parquet", "max")]


def test_without_stamps_the_rate_counts_the_time(tmp_path: Path) -> None:
    herd(tmp_path / "in", "ax,ay,az")
    bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True, rate_hz=25.0)
    rows = parquet.read_table(tmp_path / "out/recordings/bella.parquet")
    assert rows["time"].to_numpy()[[0, 1, -1]] == pytest.approx([0, 0.04, 14_999 / 25])


def test_another_rate_is_refused_and_resampling_cures_it(
    learned: tuple[Path, Study, IntegerModel], tmp_path: Path
) -> None:
    herd(tmp_path / "in", "ax,ay,az")
    made = bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True, rate_hz=50.0)
    (task, *_) = tasks(learned, list(made.cards), tmp_path / "results")
    with pytest.raises(UserError, match="its card says 50 Hz.*--resample 25"):
        classify_file(task)
    made = bring_in(tmp_path / "in", tmp_path / "again", unlabelled=True, rate_hz=50.0, resample_hz=25.0)
    (task, *_) = tasks(learned, list(made.cards), tmp_path / "results")
    assert classify_file(task)["samples"] == 7500


REFUSED: dict[str, tuple[str, float, str]] = {
    "swapped": ("time,swapped_x,ay,swapped_z", 1.0, "its axes seem swapped: z,y,x would fit"),
    "upside down": ("time,ax,ay,az", -1.0, "z points the other way"),
}


@pytest.mark.parametrize(("columns", "flip", "sentence"), REFUSED.values(), ids=REFUSED)
def test_axes_that_are_not_the_models_are_refused(
    learned: tuple[Path, Study, IntegerModel], tmp_path: Path, columns: str, flip: float, sentence: str
) -> None:
    herd(tmp_path / "in", columns, flip=flip)
    made = bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True,
                    acceleration=tuple(columns.split(",")[1:]))  # fmt: skip
    (task, *_) = tasks(learned, list(made.cards), tmp_path / "results")
    with pytest.raises(UserError, match="gravity lies on") as caught:
        classify_file(task)
    assert sentence in str(caught.value)
    assert not list((tmp_path / "results").glob("*")) if (tmp_path / "results").exists() else True


def test_parquet_without_a_card_gets_the_same_check(
    learned: tuple[Path, Study, IntegerModel], tmp_path: Path
) -> None:
    herd(tmp_path / "in", "time,ax,ay,az", unit=1.0)
    made = bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True)
    path = made.cards[0].parent / "recordings" / "bella.parquet"
    (task,) = tasks(learned, [path], tmp_path / "results", time_column="time")
    assert classify_file(task)["units"] == "g"
    table = parquet.read_table(path).rename_columns(["segment", "time", "z", "y", "x"])
    parquet.write_table(table, tmp_path / "swapped.parquet")
    (task,) = tasks(learned, [tmp_path / "swapped.parquet"], tmp_path / "results", time_column="time")
    with pytest.raises(UserError, match="gravity lies on x, which reads .0.97 g on average"):
        classify_file(task)
    values = np.stack([table[name].to_numpy() for name in "xyz"], axis=1)
    np.save(tmp_path / "swapped.npy", values)
    (task,) = tasks(learned, [tmp_path / "swapped.npy"], tmp_path / "results", start_ns=0)
    with pytest.raises(UserError, match="z,y,x would fit"):
        classify_file(task)


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows each time the rows of a Parquet file are read."""
    reads: list[str] = []
    iterate = parquet.ParquetFile.iter_batches

    def counting(self: parquet.ParquetFile, *arguments: Any, **named: Any) -> Any:
        reads.append(f"{self.metadata.num_rows} rows")
        return iterate(self, *arguments, **named)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", counting)
    return reads


def test_a_recording_is_read_once_for_its_axes_and_its_classes(
    learned: tuple[Path, Study, IntegerModel],
    unlabelled: tuple[Path, Imported],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (bella, _) = tasks(learned, [unlabelled[0] / "out"], tmp_path / "results")
    reads = counted_reads(monkeypatch)
    assert "0° from where it lay" in classify_file(bella)["orientation"]
    assert len(reads) == 1
    reads.clear()
    facts = compare_models(learned[1], learned[1], [unlabelled[0] / "out"], RecordingOptions())
    assert len(reads) == 4, "two recordings, once for each model"
    assert list(facts["notes"]) == [f"{m}, {who}.parquet" for who in ("bella", "max") for m in "AB"]
    assert all("0° from where it lay" in note for note in facts["notes"].values())


def test_refused_axes_leave_earlier_results_whole(
    learned: tuple[Path, Study, IntegerModel], unlabelled: tuple[Path, Imported], tmp_path: Path
) -> None:
    (bella, _) = tasks(learned, [unlabelled[0] / "out"], tmp_path / "results")
    classify_file(bella)
    kept = {path.name: path.read_bytes() for path in bella.out.iterdir()}
    turned = replace(bella, worn=worn("turned", (0.9, 0.0, 0.1)))
    with pytest.raises(UserError, match="gravity lies on"):
        classify_file(turned)
    assert {path.name: path.read_bytes() for path in bella.out.iterdir()} == kept
    assert not classify_file(bella)["ran"]


def worn(mounting: str = "turned", *vectors: tuple[float, ...]) -> Worn:
    return Worn(("x", "y", "z"), mounting, dict(enumerate(vectors or ((0.1, 0.0, 0.9), (0.0, 0.2, 0.95)))))  # type: ignore[arg-type]


COMPARED: dict[str, tuple[Worn, tuple[float, float, float], bool, str]] = {
    "as learned": (worn(), (0.0, 0.1, 0.9), False, "from where it lay in the training"),
    "tilted": (worn(), (0.64, 0.0, 0.77), False, "37°"),
    "x and z swapped": (worn(), (0.9, 0.1, 0.0), True, "z,y,x would fit"),
    "y and z swapped": (worn(), (0.0, 0.9, 0.1), True, "x,z,y would fit"),
    "z upside down": (worn(), (0.0, 0.1, -0.9), True, "z points the other way"),
    "aligned": (worn("aligned"), (0.9, 0.0, 0.0), True, "gravity lies on x"),
    "any": (worn("any"), (0.9, 0.0, 0.0), False, 'worn in any way ("any")'),
    "animals differ": (worn("turned", (1, 0, 0), (0, 0, 1), (-1, 0, 0)), (0, 0, 1), False, "not compared"),
    "no direction": (worn(), (0.1, 0.1, 0.1), False, "only 0.17 g long"),
}


@pytest.mark.parametrize(("learned_of", "mean", "refused", "words"), COMPARED.values(), ids=COMPARED)
def test_gravity_is_compared_with_the_training(
    learned_of: Worn, mean: tuple[float, float, float], refused: bool, words: str
) -> None:
    fit = compare(learned_of, np.array(mean), ("x", "y", "z"))
    assert fit.refused == refused and words in fit.note


def test_the_command_takes_the_folder_of_an_import(
    learned: tuple[Path, Study, IntegerModel], unlabelled: tuple[Path, Imported], tmp_path: Path
) -> None:
    out = tmp_path / "results"
    command = ["classify", str(unlabelled[0] / "out"), "--run", str(learned[1].path), "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "bella.parquet and 1 other: gravity lies 0° from where it lay" in " ".join(done.output.split())
    assert (out / "bella.budget.csv").is_file() and (out / "max.summary.json").is_file()
    herd(tmp_path / "swapped", "time,swapped_x,ay,swapped_z")
    bring_in(tmp_path / "swapped", tmp_path / "other", unlabelled=True,
             acceleration=("swapped_x", "ay", "swapped_z"))  # fmt: skip
    refused = CliRunner().invoke(app, [command[0], str(tmp_path / "other/card.toml"), *command[2:]])
    assert isinstance(refused.exception, UserError) and "its axes seem swapped" in str(refused.exception)


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "unknown key": (lambda text: text.replace("rate_hz", "rate_herz"), "unknown key signal.rate_herz"),
    "units": (lambda text: text.replace('"m/s2"', '"feet"'), "signal.units"),
    "no recordings": (lambda text: text.partition("[[recordings]]")[0], "recordings is missing"),
    "scale": (lambda text: text.replace('"m/s2"', '"counts"'), 'counts_per_g goes with units = "counts"'),
}


@pytest.mark.parametrize(("change", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_card_that_is_not_as_expected_is_one_sentence(
    unlabelled: tuple[Path, Imported], tmp_path: Path, change: Callable[[str], str], sentence: str
) -> None:
    shutil.copytree(unlabelled[0] / "out", tmp_path / "out")
    card = tmp_path / "out/card.toml"
    card.write_text(change(card.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_unlabelled(card)
    assert sentence in str(caught.value)


def test_what_is_no_card_of_recordings_is_refused(
    learned: tuple[Path, Study, IntegerModel], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="holds no card.toml"):
        find_recordings([tmp_path], Layout(("x", "y", "z"), 25.0, 1.0))
    with pytest.raises(UserError, match="is a card of labelled data"):
        find_recordings([learned[0] / "labelled"], Layout(("x", "y", "z"), 25.0, 1.0))
    with pytest.raises(UserError, match="--classes, --map, --window and --board go with labels"):
        bring_in(learned[0] / "in", tmp_path / "out", unlabelled=True, window_s=2.0)
