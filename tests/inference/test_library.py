"""Cache of compiled libraries, and errors without a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders.students import random_model, random_windows

from mcukd.fixedpoint.reference import run
from mcukd.inference import gru, library
from mcukd.inference.batch import backend, forget_libraries, run_fast
from mcukd.inference.gru import Shape, load
from mcukd.inference.library import cache_dir
from mcukd.platforms import library_suffix

SHAPE = Shape(8, 3, 8, 4)
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A cache of its own for every test, and no memory of earlier ones."""
    monkeypatch.setenv("MCUKD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MCUKD_HOST", raising=False)
    monkeypatch.delenv("CC", raising=False)
    forget_libraries()
    yield
    forget_libraries()


def assert_numpy_does(reason: str) -> None:
    model, counts = random_model(), random_windows(5).counts
    found = backend(model)
    assert found.name == "numpy"
    assert reason in found.reason
    outcome, expected = run_fast(model, counts), run(model, counts)
    assert np.array_equal(outcome.state_crc, expected.state_crc)
    assert outcome.saturations == expected.saturations
    assert run_fast(model, counts, saturations=False).saturations == {}
    assert len(run_fast(model, counts[:0]).classes) == 0


def test_without_a_compiler_numpy_computes_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert_numpy_does("there is no C compiler 'no-such-compiler'")


def test_a_compiler_that_fails_is_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "false")
    assert_numpy_does("false is no C compiler")


def test_a_compiler_that_cannot_be_parsed_is_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc '")
    assert_numpy_does("is no command")


@needs_cc
def test_sources_that_do_not_compile_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gru, "source", lambda shape: "#error broken here\n")
    assert_numpy_does("broken here")
    assert list(cache_dir().iterdir()) == []


@needs_cc
def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MCUKD_CACHE", str(tmp_path / "file" / "cache"))
    assert_numpy_does("set MCUKD_CACHE")


def test_numpy_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCUKD_HOST", "numpy")
    assert_numpy_does("MCUKD_HOST=numpy")


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("MCUKD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "mcukd"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == Path.home() / ".cache" / "mcukd"


@needs_cc
def test_a_library_is_built_once_and_again_when_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    load(SHAPE)
    [file] = cache_dir().iterdir()
    before = file.stat().st_mtime_ns
    load(SHAPE)
    assert file.stat().st_mtime_ns == before
    # Other flags are another library; the first stays.
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-O1"))
    forget_libraries()
    load(SHAPE)
    assert len(list(cache_dir().iterdir())) == 2


@needs_cc
def test_a_damaged_library_is_built_anew() -> None:
    """In a process of its own: one that has loaded a library must not see its file change."""
    cache_dir().mkdir()
    script = "from mcukd.inference.gru import *; load(Shape(8, 3, 8, 4))"
    subprocess.run([sys.executable, "-c", script], check=True)
    [file] = cache_dir().iterdir()
    file.write_bytes(b"not a library")
    subprocess.run([sys.executable, "-c", script], check=True)
    assert file.stat().st_size > 1000


@needs_cc
def test_two_processes_that_build_at_once_both_compute(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from mcukd.inference import gru, library
build = library.build
def together(*arguments):
    Path(sys.argv[1]).touch()
    while not all(Path(path).exists() for path in sys.argv[1:]):
        time.sleep(0.01)
    build(*arguments)
    print("built")
library.build = together
print(gru.load(gru.Shape(8, 3, 8, 4)).mcukd_batch_run is not None)
"""
    marks = [str(tmp_path / name) for name in "ab"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, *order], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        for order in (marks, marks[::-1])
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert said == ["built\nTrue\n"] * 2
    assert [path.suffix for path in cache_dir().iterdir()] == [library_suffix()]
