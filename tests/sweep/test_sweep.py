"""Sweeps: nothing is lost or repeated, and rows equal the results of the other stages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.processes import is_running
from builders.sweep import (
    command,
    finished,
    herd_card,
    results,
    train_here,
    wait_for_results,
    write_grid,
)

from mcukd.errors import UserError
from mcukd.parallel.executor import LocalProcesses, Task, run_tasks
from mcukd.sweep.plan import make_plan
from mcukd.sweep.sweep import run_sweep


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return herd_card(tmp_path_factory.mktemp("herd"))


def test_a_killed_sweep_goes_on_with_nothing_lost_or_redone(card: Path, tmp_path: Path) -> None:
    grid, out = write_grid(tmp_path, card), tmp_path / "out"
    line = command(grid, out, card, "--workers", "2")
    first = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children: list[int] = []
    try:
        wait_for_results(out, 5)
        if sys.platform == "linux":
            listed = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
            children = [int(pid) for pid in listed]
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    for pid in children:
        _wait_until_gone(pid)
    before = finished(out)
    assert 5 <= len(results(out)) < 24 and not (out / "table.parquet").exists()
    second = subprocess.run(line, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    facts = json.loads(second.stdout)
    # Each row has a training of its own.
    assert facts["complete"] and facts["runs"] == 24 and facts["ran"] == 2 * 24 - len(before)
    after = finished(out)
    assert len(after) == 2 * 24 and {name: after[name] for name in before} == before
    table = pd.read_parquet(out / "table.parquet")
    assert len(table) == 24 and table["key"].is_unique
    assert len(table[["fold", "seed", "model"]].drop_duplicates()) == 24
    assert (out / "pareto.png").read_bytes()[:4] == b"\x89PNG"


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < deadline, "a worker outlived the sweep"
        time.sleep(0.1)


def test_a_larger_grid_does_only_what_is_new_and_a_damaged_result_is_made_anew(
    card: Path, tmp_path: Path
) -> None:
    content = 'data = "{card}"\n[grid]\nseeds = {seeds}\nbits = []\nbeside = ["majority"]\n'
    out = tmp_path / "out"
    few = run_sweep(write_grid(tmp_path, card, content, seeds=2), out, card.parent, workers=1)
    assert (few["runs"], few["ran"]) == (6, 6 + 6)
    before = finished(out)
    damaged = next(name for name in sorted(before) if name.startswith("results"))
    (out / damaged).write_bytes((out / damaged).read_bytes()[:40])
    more = run_sweep(write_grid(tmp_path, card, content, seeds=4), out, card.parent, workers=1)
    assert (more["runs"], more["ran"]) == (12, 6 + 6 + 1)
    after = finished(out)
    assert {n: t for n, t in after.items() if n in before and n != damaged} == {
        n: t for n, t in before.items() if n != damaged
    }
    fewer = run_sweep(write_grid(tmp_path, card, content, seeds=2), out, card.parent, workers=1)
    assert fewer["ran"] == 0 and fewer["points"] == few["points"]


def test_other_data_is_not_taken_for_this(card: Path, tmp_path: Path) -> None:
    content = 'data = "{card}"\n[grid]\nbits = []\nbeside = "majority"\n'
    plan = make_plan(write_grid(tmp_path, card, content), tmp_path / "out", card.parent)
    other = herd_card(tmp_path / "herd")
    file = other.parent / "graze" / "A1.csv"
    file.write_text(file.read_text().replace("0.1", "0.2"))
    changed = make_plan(write_grid(tmp_path, other, content), tmp_path / "out", other.parent)
    assert not {run.key for run in plan.runs} & {run.key for run in changed.runs}
    file.write_text(file.read_text().replace("0.3", "0.4"))  # after the plan was made
    with pytest.raises(UserError, match="the data here is not what the sweep was begun with"):
        changed.runs[0].run()


def test_a_failed_run_is_told_and_the_others_are_gathered(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcukd.sweep import sweep

    def fails(todo, workers, scheduler, folder):  # type: ignore[no-untyped-def]
        for job in todo[:-1]:
            job.run()
        return {todo[-1].key: UserError("A-s0: training diverged.")}

    monkeypatch.setattr(sweep, "run_jobs", fails)
    content = 'data = "{card}"\n[grid]\nbits = []\nbeside = "majority"\n'
    with pytest.raises(UserError, match=r"diverged; 1 of 6 jobs failed and 1 of 3 runs are missing"):
        run_sweep(write_grid(tmp_path, card, content), tmp_path / "out", card.parent, workers=1)
    assert len(pd.read_parquet(tmp_path / "out" / "table.parquet")) == 2
    facts = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert not facts["complete"] and facts["points"][0]["mcc_interval"] is None


TRAINED = """
data = "{card}"
[grid]
folds = ["B"]
seeds = [3]
beside = ["teacher"]
bits = ["float", 4]
qat = [false, true]
[training]
gru_units = 4
dense_units = 4
epochs = 20
teacher_epochs = 4
teacher_width = 2
"""


def test_the_plain_student_beside_all_methods_is_trained_once(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)
    content = (
        'data = "{card}"\nsplit = "holdout=A"\n[grid]\nseeds = 1\nmethod = ["soft-labels", "online"]\n'
        "[training]\nepochs = 1\nteacher_epochs = 1\nteacher_width = 1\ngru_units = 2\ndense_units = 2\n"
    )
    out = tmp_path / "out"
    run_sweep(write_grid(tmp_path, card, content), out, card.parent)
    folds = [np.load(path) for path in sorted((out / "lessons").glob("*.npz"))]
    kept = list((out / "plain").glob("*/student.npz"))
    assert len(folds) == 2 and len(kept) == 1
    names = [name for name in folds[0].files if name.startswith(("student__", "student_logits"))]
    assert len(names) > 5
    for name in names:
        np.testing.assert_array_equal(folds[0][name], folds[1][name])
    # Changed weights in its place turn up in a fold made anew, so folds go on from them.
    stored = dict(np.load(kept[0]))
    stored["weight0"] = stored["weight0"] + 1
    np.savez(kept[0], **stored)
    for path in (out / "lessons").glob("*.npz"):
        path.unlink()
    for path in (out / "results").glob("*.json"):
        path.unlink()
    run_sweep(tmp_path / "grid.toml", out, card.parent)
    changed = np.load(next((out / "lessons").glob("*.npz")))
    assert any((changed[name] != folds[0][name]).any() for name in names)


@pytest.mark.slow
def test_trained_rows_are_what_distill_and_quantize_make(card: Path, tmp_path: Path) -> None:
    """The same fold, seed and options give the same answers as the stages they come from, to the bit."""
    from mcukd.data.card import load_card
    from mcukd.data.folds import make_folds
    from mcukd.data.load import load_windows
    from mcukd.distillation.qat import train_qat
    from mcukd.distillation.workers import FoldTraining, run_jobs
    from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
    from mcukd.inference.batch import classes_of
    from mcukd.models.weights import GruMlpWeights
    from mcukd.pipeline.distill import fold_jobs
    from mcukd.study import Study
    from mcukd.sweep.options import plain_config
    from mcukd.training.devices import use_device

    out = tmp_path / "out"
    grid = write_grid(tmp_path, card, TRAINED)
    facts = run_sweep(grid, out, card.parent, workers=1)
    # A teacher, a fold of both students, and the rows: the teacher, both in float, at 4 bits and with qat.
    assert facts["complete"] and facts["ran"] == 1 + 1 + 7
    runs = {run.title: run for run in make_plan(grid, out, card.parent).runs}
    table = pd.read_parquet(out / "table.parquet").set_index("point")
    distilled, qat = "soft-labels · 4/4 · 4 bits", "soft-labels, qat · 4/4 · 4 bits"
    assert set(table.index) == set(runs) and {distilled, qat, "plain · 4/4 · 4 bits"} < set(runs)

    work = runs[distilled].work
    windows = load_card(str(card))
    training, evaluation = (load_windows(windows, card.parent, training=t) for t in (True, False))
    folds = [fold for fold in make_folds(evaluation, "loao") if fold.name == "B"]
    study = Study(tmp_path / "study")
    config = replace(work.config, seeds=(3,))
    (job,) = fold_jobs(study, folds, work.source.sha256, config)
    run_jobs([FoldTraining(job)], training, evaluation, config)

    def confusion(name: str) -> np.ndarray:
        return np.array([[list(row) for row in animal] for animal in table.confusion[name]])

    def counted(guesses: np.ndarray, labels: np.ndarray) -> np.ndarray:
        found = np.zeros((1, 2, 2), np.int64)
        np.add.at(found[0], (labels, guesses), 1)
        return found

    with np.load(job.path) as made:
        labels = made["labels"]
        for name, array in (
            ("teacher resnet", "teacher_logits"),
            ("plain · 4/4", "student_logits"),
            ("soft-labels · 4/4", "student_distilled_logits"),
        ):
            stored = np.load(runs[name].training.path)[array]
            np.testing.assert_array_equal(stored, made[array], err_msg=name)
            expected = counted(made[array].argmax(axis=1), labels)
            np.testing.assert_array_equal(confusion(name), expected)
        student = GruMlpWeights.from_arrays(made, "student_distilled__")
        plain = GruMlpWeights.from_arrays(made, "student__")
    seen, test = work.windows()
    model = quantize(student, seen, QuantizeConfig(4), windows.operation_hop)
    assert table.model_sha256[distilled] == model.sha256
    expected = counted(classes_of(model, test.counts), labels)
    np.testing.assert_array_equal(confusion(distilled), expected)
    assert table.weight_bytes[distilled] == model.weight_bytes
    assert table.model_sha256[qat] not in (None, model.sha256)
    # Without a teacher, training goes on from the labels alone, as `quantize --qat` does.
    arguments = (plain, seen, None, QuantizeConfig(4), plain_config(work.config), 3, windows.operation_hop)
    one_thread = LocalProcesses(1, "--jobs", use_device, ("cpu",))
    trained = run_tasks([Task("qat", "qat", train_qat, arguments)], one_thread, "Training")["qat"]
    model = quantize(trained.weights, seen, QuantizeConfig(4), windows.operation_hop, trained.lengths)
    assert table.model_sha256["plain, qat · 4/4 · 4 bits"] == model.sha256


@pytest.mark.emulator
def test_costs_are_measured_once_for_each_size_and_width(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)
    content = TRAINED.replace('beside = ["teacher"]', 'method = "none"').replace("[false, true]", "false")
    content += '[measure]\ncore = "m3"\n'
    facts = run_sweep(write_grid(tmp_path, card, content), tmp_path / "out", card.parent, workers=1)
    integer = next(point for point in facts["points"] if point["bits"] == 4)
    assert integer["instructions"] > 1000 and integer["flash_bytes"] > integer["weight_bytes"]
    assert facts["measured_on"] == {"core": "m3", "optimize": "speed"}
    assert facts["ran"] == 1 + 2 + 1


def test_a_label_budget_is_of_every_model_and_combinations_without_a_rest_are_left_out(
    card: Path, tmp_path: Path
) -> None:
    content = (
        'data = "{card}"\n[grid]\nlabelled = ["animals=1", ""]\nunlabelled = ["", "rest"]\n'
        'method = ["none", "soft-labels"]\nbits = "float"\nbeside = "majority"\n'
    )
    plan = make_plan(write_grid(tmp_path, card, content), tmp_path / "out", card.parent)
    labelled = {run.point: len(run.work.fold.train_animals) for run in plan.runs}
    found = sorted(
        (point.model, point.config.method, point.config.labelled, point.config.unlabelled, animals)
        for point, animals in labelled.items()
    )
    assert found == [
        ("majority", "soft-labels", "", "", 2),
        ("majority", "soft-labels", "animals=1", "", 1),
        ("student", "none", "", "", 2),
        ("student", "none", "animals=1", "", 1),
        ("student", "soft-labels", "", "", 2),
        ("student", "soft-labels", "animals=1", "", 1),
        ("student", "soft-labels", "animals=1", "rest", 1),
    ]
    for run in plan.runs:
        fold = run.work.job
        assert not set(fold.test_animals) & {*fold.train_animals, *fold.unlabelled_animals}
        assert len({*fold.train_animals, *fold.unlabelled_animals}) == 2


def test_a_grid_with_a_card_of_unlabelled_recordings_is_refused(card: Path, tmp_path: Path) -> None:
    content = 'data = "{card}"\n[grid]\nunlabelled = "winter/card.toml"\nmethod = "soft-labels"\n'
    with pytest.raises(UserError, match="unlabelled names winter/card.toml, and a sweep learns from"):
        make_plan(write_grid(tmp_path, card, content), tmp_path / "out", card.parent)
