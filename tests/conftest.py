"""Settings of all tests, and fixtures that several folders use.

- The environment of whoever runs the tests does not reach into them, nor into programs that they start.
- `real_data` and `repro` give recorded data beside the checkout and skip where it is not.
- `fake_runner` puts a flashing program on the PATH that says and does what a test wants.

What tests share without set-up (students, windows, studies on disk, compilers) is in `builders/`.
"""

from __future__ import annotations

import gc
import os
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from builders.places import DATA, REPRO, TESTS, Folders
from hypothesis import settings

# A busy computer is no failure.
settings.register_profile("mcukd", deadline=None)
settings.load_profile("mcukd")

#: Files with the longest tests. They start first, so that no worker computes alone at the end of a run.
LONGEST = (
    "site/test_notebooks.py",
    "site/test_examples.py",
    "distillation/test_methods.py",
    "data/test_readers.py",
    "sweep/test_sweep.py",
    "sweep/test_cluster.py",
    "observation/web/test_browser.py",
    "test_toy_family.py",
    "parallel/test_two_hosts.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Drop the user's settings before any test module is imported, in each worker as well."""
    for name in list(os.environ):
        if name.startswith("MCUKD_"):
            del os.environ[name]
    # NumPy and scikit-learn read it when they are imported. Threads for arrays as small as those of tests
    # wait for each other most of the time: a search takes a tenth of its time in one thread.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    # The garbage collector would go through all that is imported again and again.
    gc.set_threshold(100_000, 50, 50)
    # Each process that a test starts would compile all of mcukd anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest tests; all others keep their order."""
    places = {TESTS / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def session_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session that the workers of pytest-xdist share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture(autouse=True, scope="session")
def _one_cache(session_folder: Path) -> None:
    """Keep compiled libraries for this session, and objects where ccache is installed.

    Firmware images of many tests have most of their sources in common.
    """
    os.environ["MCUKD_CACHE"] = str(session_folder / "compiled")
    ccache = shutil.which("ccache")
    if ccache is None:
        return
    compilers = [name for name in ("cc", "gcc", "clang", "arm-none-eabi-gcc") if shutil.which(name)]
    folder = session_folder / "compilers"
    folder.mkdir(exist_ok=True)
    for name in compilers:
        with suppress(FileExistsError):
            (folder / name).symlink_to(ccache)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    os.environ["CCACHE_DIR"] = str(session_folder / "objects")


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not in {folder.parent}")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Folders:
    """Return the folder of a recorded data set, `real_data("cow-collar")`, or skip the test.

    Its parent is the data root of the bundled cards.
    """
    return lambda name: _there(DATA / name)


@pytest.fixture(scope="session")
def repro() -> Folders:
    """Return the folder of recordings that an import once took wrongly, or skip the test."""
    return lambda name: _there(REPRO / name)


@pytest.fixture
def fake_runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Put a program of this name on the PATH that says `says`, then runs `script`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("mcukd.boards.debug_probes.serial_ports", list)

    def write(name: str, says: str = "", script: str = "") -> None:
        path = tmp_path / name
        (tmp_path / f"{name}.txt").write_text(says)
        path.write_text(f"#!/bin/sh\ncat {tmp_path}/{name}.txt\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write
