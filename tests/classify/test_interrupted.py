"""A classification that is stopped half-way, by Ctrl-C or a full disk, and goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from builders.classify import START, make_study, recording, write_parquet
from builders.cluster import wait_until

#: A command that takes longer has hung.
LIMIT_S = 600


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study") / "run")[0]


def line(run: Path, paths: list[Path], out: Path, *more: str) -> list[str]:
    options = ["--run", str(run), "--out", str(out), "--json", *START, *more]
    return [sys.executable, "-m", "mcukd", "classify", *map(str, paths), *options]


def names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192k", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_does_the_rest(
    run: Path, tmp_path: Path, jobs: str
) -> None:
    out = tmp_path / "out"
    paths = [write_parquet(tmp_path / f"cow{n}.parquet", recording(60_000, n)) for n in range(6)]
    command = line(run, paths, out, "--hop", "1", "--jobs", jobs)
    # A program that a shell started in the background ignores interrupts, and so do those that it starts.
    restore = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    running = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=restore)
    wait_until(
        lambda: (out.exists() and any(out.glob("[!.]*.summary.json"))) or running.poll() is not None,
        "nothing was classified",
        LIMIT_S,
    )
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130, errors
    assert errors.rstrip().endswith("mcukd: stopped; what was finished is kept.")
    assert "Traceback" not in errors
    done = {path: path.stat().st_mtime_ns for path in out.glob("*.summary.json")}
    assert 1 <= len(done) < len(paths)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    ran = [one["ran"] for one in json.loads(again.stdout)["files"]]
    assert ran.count(False) == len(done) and ran.count(True) == len(paths) - len(done)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert not [name for name in names(out) if name.startswith(".")], "of workers that were ended"


def test_a_full_disk_is_one_sentence_and_what_was_finished_is_kept(
    run: Path, tmp_path: Path, small_disk: Path
) -> None:
    paths = [
        write_parquet(tmp_path / f"cow{n}.parquet", recording(samples, n))
        for n, samples in enumerate((400, 90_000, 400))
    ]
    out = small_disk / "out"
    ended = subprocess.run(line(run, paths, out, "--hop", "1"), capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    last = ended.stderr.rstrip().splitlines()[-1]
    assert f"{out}{os.sep}cow1." in last and "no space is left on the disk; free some space there" in last
    assert {name.partition(".")[0] for name in names(out)} == {"cow0"}, "nothing half, nothing hidden"
    (small_disk / "freed").touch()
    assert subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=False).returncode == 0
    again = subprocess.run(line(run, paths, out, "--hop", "1"), capture_output=True, text=True, check=True)
    assert [one["ran"] for one in json.loads(again.stdout)["files"]] == [False, True, True]
