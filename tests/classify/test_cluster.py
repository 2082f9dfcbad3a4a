"""`mcukd classify --scheduler`: a Dask scheduler and two workers, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders.classify import START, make_study, recording, started, write_parquet
from builders.cluster import Workers, cluster, needs_dask, there
from builders.commands import mcukd

from mcukd.classify.job import ClassifyJob
from mcukd.errors import UserError
from mcukd.pipeline.classify import classify_files

WRITTEN = ("annotations.csv", "budget.csv", "windows.parquet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study") / "run")[0]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workers]]:
    """A scheduler's address and its workers, of which a test may kill the first."""
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@needs_dask
def test_a_cluster_gives_the_same(run: Path, tmp_path: Path, two_workers: tuple[str, Workers]) -> None:
    tasks = [
        ClassifyJob(
            write_parquet(tmp_path / f"cow{n}.parquet", recording(400, n)), run, tmp_path / "a", started()
        )
        for n in range(3)
    ]
    expected = classify_files(tasks)
    apart = [replace(task, out=tmp_path / "b") for task in tasks]
    address, _ = two_workers
    assert classify_files(apart, scheduler=address) == expected
    for path in (tmp_path / "a").iterdir():
        if path.name.endswith(WRITTEN):
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    gone = replace(apart[0], path=tmp_path / "no.parquet")
    with pytest.raises(UserError, match="1 of 2 files failed, results of the other 1 are written"):
        classify_files([apart[0], gone], scheduler=address)
    # Through the command: what is finished is not done again.
    paths = [str(task.path) for task in tasks]
    options = ("--run", str(run), "--out", "b", "--json", "--scheduler", address)
    said = mcukd("classify", *paths, *options, *START, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert [one["ran"] for one in json.loads(said.stdout)["files"]] == [False] * 3


@needs_dask
def test_a_killed_worker_costs_no_file(run: Path, tmp_path: Path, two_workers: tuple[str, Workers]) -> None:
    paths = [write_parquet(tmp_path / f"cow{n:02}.parquet", recording(4000, n)) for n in range(16)]
    out = tmp_path / "out"
    address, workers = two_workers
    options = ["--run", str(run), "--out", str(out), "--json", "--scheduler", address, *START]
    line = [sys.executable, "-m", "mcukd", "classify", *map(str, paths), *options]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(done := list(out.glob("[!.]*.summary.json"))) < 2:
        assert time.monotonic() < deadline and running.poll() is None, "nothing was classified"
        time.sleep(0.01)
    assert len(done) < len(paths) and running.poll() is None
    workers[0].kill()
    said, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    found = json.loads(said)["files"]
    assert [Path(one["file"]).stem for one in found] == [path.stem for path in paths]
    alone = classify_files([ClassifyJob(path, run, tmp_path / "alone", started()) for path in paths])
    ignored = {"ran"}
    assert [{k: v for k, v in one.items() if k not in ignored} for one in found] == [
        {k: v for k, v in one.items() if k not in ignored} for one in alone
    ]


@pytest.mark.skipif(there, reason="the package is installed")
def test_a_scheduler_without_the_package_is_one_sentence(run: Path, tmp_path: Path) -> None:
    one = ClassifyJob(write_parquet(tmp_path / "a.parquet", recording(400)), run, tmp_path / "out", started())
    with pytest.raises(
        UserError,
        match=r"package distributed, .*: pip install 'mcukd\[cluster\]'",
    ):
        classify_files([one], scheduler="tcp://localhost:8786")
