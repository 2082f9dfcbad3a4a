"""Studies with evidence to pack: a model, scores from stored predictions, a proof; and archives made over."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from builders.session import BEGAN, CLASSES, NS, step_clock
from builders.session import facts as session_facts
from builders.session import told as moments
from builders.studies import simulated_study

from mcukd.archive.container import Archive, Content, measured, read_archive, write_archive
from mcukd.archive.crate import CRATE, crate_of
from mcukd.archive.manifest import MANIFEST, manifest_of
from mcukd.archive.pack import FACTS, json_bytes
from mcukd.data.card import load_card
from mcukd.data.load import load_windows
from mcukd.evaluation.stored_figures import stored_figures
from mcukd.fold_results import DISTILLED, STUDENT, TEACHER, logits_name, results_folder, write_fold_result
from mcukd.metrics.metrics_file import add_findings, update_metrics
from mcukd.metrics.scores import combine_seeds, score
from mcukd.observation.moments import Connected
from mcukd.observation.session import Session
from mcukd.study import METRICS, Study

SKILL = {TEACHER: 0.95, STUDENT: 0.8, DISTILLED: 0.9}


def evidence_study(path: Path, steps: int = 64) -> Study:
    """A study of two simulated animals whose scores follow from random predictions of two seeds."""
    study = simulated_study(path, steps=steps)
    card = load_card(study.card)
    windows = load_windows(card, None, seed=0)
    rng = np.random.default_rng(0)
    animals = sorted(set(windows.animals.tolist()))
    files = []
    for seed in (0, 1):
        for held in animals:
            index = np.flatnonzero(windows.animals == held)
            labels = windows.labels[index]
            arrays = {}
            for model, skill in SKILL.items():
                right = rng.random(len(index)) < skill
                said = np.where(right, labels, rng.integers(0, len(card.classes), len(index)))
                noise = rng.normal(0, 0.1, (len(index), len(card.classes)))
                arrays[logits_name(model)] = (np.eye(len(card.classes))[said] + noise).astype(np.float32)
            files.append(results_folder(study.path) / f"{held}-s{seed}.npz")
            write_fold_result(
                files[-1],
                key="key",
                test_index=index,
                labels=labels,
                train_animals=[one for one in animals if one != held],
                test_animals=[held],
                arrays=arrays,
            )
    metrics = study.file(METRICS)
    guesses = np.where(rng.random(len(windows)) < 0.85, windows.labels, 0)
    one_seed = combine_seeds([score(windows.labels, guesses, windows.animals, windows.classes)])
    empty: dict[str, Any] = {name: {} for name in SKILL}
    update_metrics(metrics, data=card.name, split="loao", seeds=[0, 1], models={**empty, "rounded": one_seed})
    figures, comparisons = stored_figures(study.path, SKILL, windows)
    add_findings(metrics, figures, comparisons=[one.facts() for one in comparisons])
    study.finish("distill", inputs={}, options={}, outputs=files)
    return study


def session_folder(path: Path, model_sha256: str = "ab" * 32) -> Path:
    """A session of two minutes with two observers and a tag."""
    clock = step_clock()
    with Session.begin(path, session_facts(model_sha256=model_sha256), clock) as session:
        anna, ben = session.join("anna"), session.join("ben")
        for number, moment in enumerate(moments([number // 9 % 3 for number in range(90)])):
            if isinstance(moment, Connected):
                moment = replace(moment, model_sha256=model_sha256)
            session.take(moment)
            clock.advance_to(BEGAN + round(number * 1.28 * NS))
            if number % 12 == 5:
                anna.press("cow-07", CLASSES[number // 12 % 3])
                ben.press("cow-07", CLASSES[number // 15 % 3])
        anna.note("wind")
        anna.end()
        ben.end()
    return path


def contents_of(archive: Archive) -> dict[str, bytes]:
    return {name: archive.read(name, 1 << 40) for name in archive.members}


def made_over(
    source: Path, out: Path, changes: dict[str, bytes | None], facts: dict[str, Any] | None = None
) -> Path:
    """Write an archive again with other or fewer members, all hashes of description and manifest made anew.

    facts: keys of evidence.json that are replaced.
    """
    members: dict[str, Content] = dict(contents_of(read_archive(source)))
    for name, content in changes.items():
        if content is None:
            del members[name]
        else:
            members[name] = content
    known = json.loads(members[FACTS])  # type: ignore[arg-type]
    members[FACTS] = json_bytes({**known, **(facts or {})})
    del members[CRATE], members[MANIFEST]
    described = crate_of(
        [measured(name, one) for name, one in members.items()],
        name="x", description="x", date="2026-01-01", licence="x",
    )  # fmt: skip
    members[CRATE] = json_bytes(described)
    members[MANIFEST] = manifest_of([measured(name, one) for name, one in members.items()])
    write_archive(out, members, {name: measured(name, one) for name, one in members.items()})
    return out


def with_hashes_made_anew(archive: Path, changes: dict[str, bytes]) -> dict[str, bytes | None]:
    """Return changes and the study's manifest with the hashes of the changed files in every stage."""
    manifest = json.loads(read_archive(archive).read("study/study.json"))
    for name, content in changes.items():
        digest = measured(name, content).sha256
        inner = name.partition("/")[2]
        for stage in manifest["stages"].values():
            for part in ("inputs", "outputs"):
                if inner in stage[part]:
                    stage[part][inner] = digest
    return {**changes, "study/study.json": json_bytes(manifest)}
