"""Sweeps on a Dask cluster: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from builders.cluster import cluster, joined, needs_dask, there
from builders.sweep import command, herd_card, results, wait_for_results, write_grid

from mcukd.errors import UserError
from mcukd.parallel.cluster import connect


@needs_dask
def test_a_killed_worker_costs_no_row(tmp_path: Path) -> None:
    card = herd_card(tmp_path / "herd")
    grid, out = write_grid(tmp_path, card), tmp_path / "out"
    with cluster(tmp_path) as (address, workers):
        line = command(grid, out, card, "--scheduler", address)
        running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        before = wait_for_results(out, 5)
        assert len(before) < 24 and running.poll() is None
        workers[0].kill()
        said, errors = running.communicate(timeout=120)
        assert running.returncode == 0, errors
        with connect(address, [out]):
            pass  # the other worker still answers
    facts = json.loads(said)
    assert facts["complete"] and facts["runs"] == facts["runs_planned"] == 24
    after = results(out)
    assert len(after) == 24 and {name: after[name] for name in before} == before
    table = pd.read_parquet(out / "table.parquet")
    assert len(table) == 24 and table["key"].is_unique and not table["mcc"].isna().any()
    assert len(table[["fold", "seed", "model"]].drop_duplicates()) == 24


@needs_dask
def test_a_cluster_that_does_not_fit_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcukd.parallel.cluster.PATIENCE", 1)
    with pytest.raises(UserError, match="no Dask scheduler answers there"), connect("tcp://127.0.0.1:9"):
        pass
    with pytest.raises(UserError, match="no Dask scheduler answers there"), connect("nonsense://x"):
        pass
    monkeypatch.setattr("mcukd.parallel.cluster.PATIENCE", 3)
    with cluster(tmp_path, workers=0) as (address, _):
        with pytest.raises(UserError, match="no worker has joined"), connect(address):
            pass
        monkeypatch.setattr("mcukd.parallel.cluster.PATIENCE", 60)
        refused = pytest.raises(UserError, match="does not see")
        with joined(address, tmp_path), refused, connect(address, [tmp_path / "elsewhere"]):
            pass


@pytest.mark.skipif(there, reason="the package is installed")
def test_without_dask_it_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"pip install 'mcukd\[cluster\]'"), connect("tcp://localhost:1"):
        pass
