"""The distill stage end to end on a small recorded data set, with real worker processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import replace

import numpy as np
import pytest
from builders.data import write_moving_herd
from builders.processes import is_running
from builders.training import CONFIG

from mcukd.data.folds import make_folds
from mcukd.data.load import load_windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.workers import FoldTraining, run_jobs
from mcukd.errors import UserError
from mcukd.models.weights import GruMlpWeights
from mcukd.parallel.processes import leave_with_parent
from mcukd.pipeline.distill import distill, fold_jobs, for_card, free_run, is_up_to_date
from mcukd.study import Study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished study; also its card, its data root and its metrics."""
    root = tmp_path_factory.mktemp("herd")
    card = write_moving_herd(root)
    study = Study.create(root / "runs" / "small", str(card.path), 0)
    return study, card, root, distill(study, card, root, CONFIG)


def test_stage_writes_everything_and_metrics_are_of_unseen_animals(made):
    study, card, root, metrics = made
    for name in ("teacher.keras", "student.keras", "soft_labels.npz", "metrics.json"):
        assert study.file(name).is_file()
    study.require("distill")
    assert "metrics.json" not in study.manifest["stages"]["distill"]["outputs"]
    assert metrics["split"] == "loao" and metrics["seeds"] == [3]
    evaluation = load_windows(card, root)
    for model in metrics["models"].values():
        assert np.sum(model["confusion"]) == len(evaluation)
        assert model["parameters"] > 0 and model["macs_per_window"] > 0
        assert "never saw" in model["scored_on"]
    assert metrics["models"]["student_distilled"]["mcc"] > 0.9
    assert json.loads(study.file("metrics.json").read_text()) == metrics


def test_fold_files_hold_out_their_animal(made):
    study, card, root, _ = made
    evaluation = load_windows(card, root)
    files = sorted(study.file("evaluation").glob("*.npz"))
    assert [file.stem for file in files] == ["A-s3", "B-s3", "C-s3"]
    for file in files:
        with np.load(file) as stored:
            tested = set(evaluation.animals[stored["test_index"]])
            assert tested == set(stored["test_animals"]) == {file.stem[0]}
            assert not tested & set(stored["train_animals"])
            weights = GruMlpWeights.from_arrays(stored, "student_distilled__")
            # The arrays are of the very student whose logits stand beside them, and take raw counts.
            np.testing.assert_allclose(
                weights.logits(evaluation.counts[stored["test_index"]]),
                stored["student_distilled_logits"],
                atol=1e-4,
            )


def test_shipped_models_take_counts_and_agree_with_the_soft_labels(made):
    import keras

    study, card, root, _ = made
    training = load_windows(card, root, training=True)
    teacher = keras.models.load_model(study.file("teacher.keras"), compile=False)
    logits = np.asarray(teacher(training.counts.astype(np.float32)))
    with np.load(study.file("soft_labels.npz")) as stored:
        assert stored["logits"].shape == logits.shape
        assert (stored["logits"].argmax(axis=1) == logits.argmax(axis=1)).mean() > 0.9
        np.testing.assert_array_equal(stored["labels"], training.labels)


def test_nothing_is_done_twice(made):
    study, card, root, metrics = made
    assert is_up_to_date(study, card, root, CONFIG)
    before = {file: file.stat().st_mtime_ns for file in study.path.rglob("*") if file.is_file()}
    assert distill(study, card, root, CONFIG) == metrics
    assert {file: file.stat().st_mtime_ns for file in study.path.rglob("*") if file.is_file()} == before


def test_interrupted_run_goes_on_and_repeats_itself_exactly(made):
    """A lost and a damaged fold are trained again, to the same bits; the others and the models stay."""
    study, card, root, _ = made
    lost, damaged, kept = (study.file("evaluation", f"{animal}-s3.npz") for animal in "ABC")
    with np.load(lost) as stored:
        arrays = {name: stored[name] for name in stored}
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:200])
    still = {file: file.stat().st_mtime_ns for file in (kept, study.file("teacher.keras"))}
    assert not is_up_to_date(study, card, root, CONFIG)
    distill(study, card, root, CONFIG)
    assert {file: file.stat().st_mtime_ns for file in still} == still
    with np.load(lost) as again:
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, again[name], err_msg=name)
    assert is_up_to_date(study, card, root, CONFIG)


def test_results_of_other_options_are_not_taken_for_these(made):
    study, card, root, _ = made
    training, evaluation = load_windows(card, root, training=True), load_windows(card, root)
    folds = make_folds(evaluation, "loao")
    assert len(training) > len(evaluation)
    data = study.manifest["stages"]["distill"]["inputs"]["data"]
    config = for_card(CONFIG, card)
    assert all(job.is_done() for job in fold_jobs(study, folds, data, config))
    for other in (
        replace(config, temperature=5.0),
        replace(config, epochs=81),
        replace(config, mounting="any"),
    ):
        assert not any(job.is_done() for job in fold_jobs(study, folds, data, other))
    assert not any(job.is_done() for job in fold_jobs(study, folds, "other data", config))


def test_a_study_of_its_own_for_other_options(tmp_path):
    runs = tmp_path / "runs"
    first = free_run("herd-sim", CONFIG, runs)
    assert first == runs / "herd-sim"
    study = Study.create(first, "herd-sim", 0)
    assert free_run("herd-sim", CONFIG, runs) == first  # unfinished: go on with it
    study.finish("distill", inputs={}, options=CONFIG.options(), outputs=[])
    assert free_run("herd-sim", CONFIG, runs) == first
    assert free_run("herd-sim", DistillConfig(epochs=7), runs) == runs / "herd-sim-2"


class _Deadly:
    """Stands where windows should and takes the worker that unpickles it down."""

    def __reduce__(self):
        return os._exit, (1,)


def _worker(pids) -> None:
    leave_with_parent()
    pids.put(os.getpid())
    time.sleep(60)


def _parent(pids) -> None:
    multiprocessing.get_context("spawn").Process(target=_worker, args=(pids,)).start()
    time.sleep(60)


def test_workers_do_not_outlive_a_killed_run():
    context = multiprocessing.get_context("spawn")
    pids = context.Queue()
    parent = context.Process(target=_parent, args=(pids,))
    parent.start()
    worker = pids.get(timeout=60)
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < deadline, "the worker still runs"
        time.sleep(0.1)


def test_death_of_a_worker_becomes_a_sentence(made):
    from mcukd.distillation.jobs import FoldJob

    study, card, root, _ = made
    training = load_windows(card, root, training=True)
    job = FoldJob("A-s3", 3, ("B", "C"), ("A",), study.file("nowhere.npz"), "key")
    with pytest.raises(UserError, match="worker died"):
        run_jobs([FoldTraining(job)], training, _Deadly(), CONFIG)  # type: ignore[arg-type]
