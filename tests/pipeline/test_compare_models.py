"""Comparison of two studies' models on the same recordings."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.classify import START_NS, make_study, recording, stamped, stamps, write_parquet
from builders.commands import mcukd
from builders.students import COUNTS_PER_G, random_model
from builders.studies import simulated_study

from mcukd.annotations.reading import Reading
from mcukd.classify.counters import stamp
from mcukd.classify.recording import BLOCK, open_recording
from mcukd.classify.windows import Counters, classify_recording
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel, load_model, save_model
from mcukd.metrics.agreement.track import NS
from mcukd.pipeline.classify import RecordingOptions
from mcukd.pipeline.compare_models import compare_models
from mcukd.study import Study

STAMPED = RecordingOptions(time_column="time")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Study]:
    folder = tmp_path_factory.mktemp("studies")
    return Study.open(make_study(folder / "old")[0]), Study.open(make_study(folder / "new", seed=3)[0])


@pytest.fixture
def herd(tmp_path: Path) -> list[Path]:
    """Two animals in g; the second has a gap."""
    late = stamps(4000)
    late[2000:] += 3600 * NS
    return [
        write_parquet(tmp_path / "bella.parquet", recording(6000) / COUNTS_PER_G, stamps(6000)),
        write_parquet(tmp_path / "max.parquet", recording(4000, 1) / COUNTS_PER_G, late),
    ]


def study_of(folder: Path, model: IntegerModel) -> Study:
    study = Study.create(folder, "herd-sim", 0)
    save_model(model, folder)
    return study


def answers(study: Study, path: Path) -> np.ndarray:
    model = load_model(study.path)
    blocks = classify_recording(model, open_recording(path, stamped()), model.hop, Counters(), BLOCK)
    return np.concatenate([batch.classes for batch in blocks])


def test_equal_windows_are_compared_window_by_window(studies: tuple[Study, Study], herd: list[Path]) -> None:
    facts = compare_models(*studies, herd, STAMPED, top=3)
    a, b = (np.concatenate([answers(study, path) for path in herd]) for study in studies)
    assert facts["same_share"] == pytest.approx(np.mean(a == b), abs=1e-4)
    assert 0 < facts["same_share"] < 1
    for i, row in enumerate(facts["table_minutes"].values()):
        found = [np.sum((a == i) & (b == j)) * 0.6 / 60 for j in range(4)]
        assert list(row.values()) == pytest.approx(found, abs=1e-3)
    assert [one["animal"] for one in facts["animals"]] == ["bella", "max"]
    assert sum(day["a"] for day in facts["minutes_per_day"].values()) == pytest.approx(1440, abs=0.01)
    assert all(len(day["interval"]) == 2 for day in facts["minutes_per_day"].values())
    assert [float(one["seconds"]) for one in facts["longest"]] == sorted(
        (float(one["seconds"]) for one in facts["longest"]), reverse=True
    )
    assert facts["not_shared_minutes"] == {"a": 0, "b": 0} and facts["labels"] is None


def test_a_study_agrees_with_itself(studies: tuple[Study, Study], herd: list[Path]) -> None:
    facts = compare_models(studies[0], studies[0], herd, STAMPED)
    assert (facts["same_share"], facts["differing_stretches"], facts["same_model"]) == (1, 0, True)


def test_the_file_holds_every_differing_stretch(
    studies: tuple[Study, Study], herd: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "changed.csv"
    facts = compare_models(*studies, herd, STAMPED, out=out)
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == facts["differing_stretches"]
    differing = sum(float(row["seconds"]) for row in rows) / 60
    assert differing == pytest.approx(facts["shared_minutes"] * (1 - facts["same_share"]), abs=0.01)
    assert all(row["a"] != row["b"] and row["start"].startswith("2026-01-01 ") for row in rows)


def test_other_windows_and_hops_are_compared_in_time(tmp_path: Path, herd: list[Path]) -> None:
    model = random_model(steps=30)
    old = study_of(tmp_path / "old", model)
    new = study_of(tmp_path / "new", replace(random_model(steps=50), hop=20))
    facts = compare_models(old, new, herd[:1], STAMPED)
    # 120 s: windows of A end at 120 s, and B's last one, of 1 s every .4 s, stands for up to 119.4 s.
    assert facts["shared_minutes"] == pytest.approx(119.6 / 60, abs=0.01)
    assert facts["not_shared_minutes"]["a"] == pytest.approx(120 / 60 - facts["shared_minutes"], abs=1e-3)


def test_classes_are_matched_by_name(tmp_path: Path, herd: list[Path]) -> None:
    model = random_model()
    old = study_of(tmp_path / "old", model)
    names = tuple(reversed(model.classes[:3]))
    new = study_of(tmp_path / "new", replace(model, classes=(model.classes[3], *names)))
    facts = compare_models(old, new, herd, STAMPED)
    a = np.concatenate([answers(old, path) for path in herd])
    # Class k of A is called 3 − k by B: the same answer only where they are the same name, which is never.
    assert facts["same_share"] == 0 and (facts["only_a"], facts["only_b"]) == ([], [])
    assert len(np.unique(a)) > 1
    other = study_of(tmp_path / "other", replace(model, classes=("class-0", "class-1", "class-2", "run")))
    facts = compare_models(old, other, herd, STAMPED)
    assert (facts["only_a"], facts["only_b"]) == (["class-3"], ["run"])
    assert facts["same_share"] == pytest.approx(np.mean(a != 3), abs=1e-4)


def test_a_new_model_of_another_scale_gets_its_own_recordings(tmp_path: Path) -> None:
    counts = recording(3000)
    mine = write_parquet(tmp_path / "cow.parquet", counts, stamps(3000))
    (tmp_path / "b").mkdir()
    model = random_model()
    old = study_of(tmp_path / "old", model)
    new = study_of(tmp_path / "new", replace(model, counts_per_g=model.counts_per_g / 2))
    with pytest.raises(UserError, match="samples are counts, but A takes 4096 per g and B 2048"):
        compare_models(old, new, [mine], STAMPED)
    theirs = write_parquet(tmp_path / "b" / "cow.parquet", counts // 2, stamps(3000))
    facts = compare_models(old, new, [mine], STAMPED, second_paths=[theirs])
    assert facts["shared_minutes"] == pytest.approx(1, abs=1e-3)


def labels_of(study: Study, recording: Path, out: Path, animal: str) -> Path:
    """What a study's model says of a recording as a table of labels in mHealth's columns."""
    says, classes = answers(study, recording), load_model(study.path).classes
    edges = [stamp(START_NS + n * 600_000_000) for n in range(len(says) + 1)]
    rows = [f"{begin},{begin},{end},{classes[k]},{animal}" for begin, end, k in zip(edges, edges[1:], says)]
    header = "HEADER_TIME_STAMP,START_TIME,STOP_TIME,LABEL_NAME,PARTICIPANT_ID"
    out.write_text("\n".join([header, *rows]) + "\n")
    return out


def test_labels_tell_which_is_right_where_they_differ(
    studies: tuple[Study, Study], herd: list[Path], tmp_path: Path
) -> None:
    labels = labels_of(studies[1], herd[0], tmp_path / "labels.csv", "bella")
    facts = compare_models(*studies, herd, STAMPED, labels=[labels], reading=Reading(timezone="UTC"))
    found = facts["labels"]
    assert found["b_right_minutes"] == found["minutes"] == pytest.approx(2, abs=1e-3)
    assert found["differing_b_right_minutes"] == found["differing_minutes"] > 0
    assert found["differing_a_right_minutes"] == found["differing_neither_right_minutes"] == 0
    assert [one["labels"]["minutes"] for one in facts["animals"]] == [found["minutes"], 0]
    ada = labels_of(studies[1], herd[0], tmp_path / "ada.csv", "ada")
    with pytest.raises(UserError, match="labels of 'ada', but the recordings are of bella, max"):
        compare_models(*studies, herd, STAMPED, labels=[ada], reading=Reading(timezone="UTC"))
    with pytest.raises(UserError, match="a second account of 'bella'"):
        compare_models(*studies, herd, STAMPED, labels=[labels, labels], reading=Reading(timezone="UTC"))


def test_local_times_of_labels_are_not_taken_for_utc(
    studies: tuple[Study, Study], herd: list[Path], tmp_path: Path
) -> None:
    labels = labels_of(studies[1], herd[0], tmp_path / "labels.csv", "bella")
    with pytest.raises(UserError, match="timezone"):
        compare_models(*studies, herd, STAMPED, labels=[labels])


def test_a_card_of_labelled_data_brings_its_labels(tmp_path: Path) -> None:
    old, new = simulated_study(tmp_path / "old"), simulated_study(tmp_path / "new", seed=5)
    facts = compare_models(old, new, [tmp_path / "old.toml"], RecordingOptions(), out=tmp_path / "o.csv")
    assert len(facts["animals"]) == 2 and facts["simulated_data"]
    assert facts["labels"]["minutes"] == facts["shared_minutes"] > 10
    told = [facts["labels"][f"differing_{who}_right_minutes"] for who in ("a", "b")]
    differing = facts["labels"]["differing_minutes"]
    assert differing == pytest.approx(
        sum(told) + facts["labels"]["differing_neither_right_minutes"], abs=1e-3
    )
    with (tmp_path / "o.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["start"].startswith("+") and row["label"] in load_model(old.path).classes
    with pytest.raises(UserError, match="is of labelled data and is compared alone"):
        compare_models(old, new, [tmp_path / "old.toml", tmp_path / "a.parquet"], RecordingOptions())


def test_what_does_not_go_together_is_refused_before_anything_is_written(
    studies: tuple[Study, Study], herd: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"--out is .*old.parquet"):
        compare_models(*studies, herd, STAMPED, out=tmp_path / "old.parquet")
    with pytest.raises(UserError, match="A reads recordings of bella, max, B of max"):
        compare_models(*studies, herd, STAMPED, second_paths=herd[1:])
    (tmp_path / "x").mkdir()
    twin = write_parquet(tmp_path / "x" / "bella.parquet", recording(3000), stamps(3000))
    out = tmp_path / "kept.csv"
    out.write_text("mine")
    with pytest.raises(UserError, match="would have the same individual 'bella'"):
        compare_models(*studies, [herd[0], twin], STAMPED, out=out)
    damaged = herd[0].read_bytes()
    herd[0].write_bytes(damaged[: len(damaged) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        compare_models(*studies, herd, STAMPED, out=out)
    assert out.read_text() == "mine"


def test_the_command_says_it_and_gives_json(
    studies: tuple[Study, Study], herd: list[Path], tmp_path: Path
) -> None:
    runs = [str(study.path) for study in studies]
    told = mcukd(
        "compare-models", *runs, *map(str, herd), "--time-column", "time", "--top", "2", cwd=tmp_path
    )
    assert told.returncode == 0, told.stderr
    assert "Same answer in" in told.stdout and "mean of 2 animals" in told.stdout
    assert "SIMULATED" in told.stdout and "differing stretches" in told.stdout
    given = mcukd("compare-models", *runs, str(herd[0]), "--time-column", "time", "--json", cwd=tmp_path)
    assert json.loads(given.stdout)["animals"][0]["animal"] == "bella"
    bad = mcukd("compare-models", *runs, "gone.parquet", "--time-column", "time", cwd=tmp_path)
    assert bad.returncode == 2 and "no such file" in bad.stderr and "Traceback" not in bad.stderr


def test_names_are_compared_whatever_their_case(
    studies: tuple[Study, Study], herd: list[Path], tmp_path: Path
) -> None:
    """Trap: labels, or a model's classes, in another case made every answer wrong."""
    model = load_model(studies[0].path)
    loud = study_of(tmp_path / "loud", replace(model, classes=tuple(one.upper() for one in model.classes)))
    labels = tmp_path / "labels.csv"
    names = model.classes
    began = np.datetime64(START_NS, "ns").astype("datetime64[s]")
    rows = [f"bella,{began + 60 * n},{began + 60 * n + 60},{name.title()}" for n, name in enumerate(names)]
    labels.write_text("animal,start,end,behaviour\n" + "\n".join(rows) + "\n")
    options = {"labels": [labels], "reading": Reading(timezone="UTC")}
    mine = compare_models(studies[0], loud, herd, STAMPED, **options)  # type: ignore[arg-type]
    assert mine["same_share"] == 1.0 and mine["classes"] == list(names) and mine["only_b"] == []
    assert mine["labels"]["unknown"] == [] and mine["labels"]["a_right_minutes"] > 0
    assert mine["labels"]["a_right_minutes"] == mine["labels"]["b_right_minutes"]


def test_a_recording_is_not_written_over(studies: tuple[Study, Study], herd: list[Path]) -> None:
    before = herd[0].read_bytes()
    with pytest.raises(UserError, match="would be lost"):
        compare_models(*studies, herd, STAMPED, out=herd[0])
    assert herd[0].read_bytes() == before
