"""Wheel outside the checkout: it finds templates, boards and cards, and its field part is enough."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from threading import Timer

import pytest
from builders.places import ROOT
from builders.students import random_model
from builders.studies import simulated_study

from mcukd import __version__
from mcukd.fixedpoint.model import save_model


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch)], cwd=ROOT, check=True
    )
    (wheel,) = scratch.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    site = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(installed: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=installed.parent, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_installed_package_is_the_wheel(installed: Path) -> None:
    assert str(installed) in run(installed, "-c", "import mcukd; print(mcukd.__file__)")


def test_cards_and_boards_are_found(installed: Path) -> None:
    assert "cow-collar" in run(installed, "-m", "mcukd", "data", "list", "--json")
    assert "eartag" in run(installed, "-m", "mcukd", "boards", "--json")


def test_templates_are_found(installed: Path, tmp_path: Path) -> None:
    save_model(random_model(), tmp_path)
    run(
        installed, "-c",
        "from pathlib import Path; from mcukd.codegen.firmware import generate_model;"
        "from mcukd.fixedpoint.model import load_model;"
        f"generate_model(load_model(Path({str(tmp_path)!r})), Path({str(tmp_path / 'c')!r}))",
    )  # fmt: skip
    assert (tmp_path / "c" / "mcukd_model.c").exists()


def test_the_licence_of_packages_is_found(installed: Path) -> None:
    said = run(installed, "-c", "from mcukd.resources import resource_file; print(resource_file('LICENSE'))")
    assert Path(said.strip()).read_text() == (ROOT / "LICENSE").read_text() and str(installed) in said


def test_no_file_of_the_checkout_is_forgotten(installed: Path) -> None:
    for folder in ("firmware_templates", "boards", "datasets", "payloads"):
        expected = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()}
        found = {
            p.relative_to(installed / "mcukd" / "_resources")
            for p in (installed / "mcukd" / "_resources" / folder).rglob("*")
            if p.is_file()
        }
        assert found == expected


def test_every_file_names_the_same_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^]]*)\] - \d{4}-\d\d-\d\d$", changes, re.M)
    citation = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert newest and citation and newest[1] == citation[1] == __version__


def test_the_workflow_runs_commands_that_are_there() -> None:
    yaml = pytest.importorskip("yaml")
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands[0] == ".ci/run" and os.access(ROOT / commands[0], os.X_OK)
    assert {one.split()[0] for one in commands[1:]} == {"python", "uv"}
    pythons = set(jobs["others"]["strategy"]["matrix"]["python"])
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pythons == set(classifiers)


def test_the_citation_has_what_the_format_asks_for() -> None:
    yaml = pytest.importorskip("yaml")
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(facts)
    for one in (facts, *facts["references"]):
        assert all(set(author) <= {"name", "family-names"} and author for author in one["authors"])


@pytest.fixture(scope="module")
def field(wheel: Path) -> Path:
    """A virtual environment with the wheel's field part, from packages that uv has kept; its mcukd."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    folder = wheel.parent / "field"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    install = [
        uv,
        "pip",
        "install",
        "-q",
        "--compile-bytecode",
        "--no-verify-hashes",
        "--python",
        str(folder),
        "-c",
    ]
    install += [str(ROOT / "requirements.lock"), f"mcukd[field] @ {wheel.as_uri()}"]
    # Elsewhere a test uses no network; CI has just installed the same packages.
    offline = [] if os.environ.get("CI") else ["--offline"]
    ended = subprocess.run([*install, *offline], capture_output=True, text=True, check=False)
    if ended.returncode and offline:
        pytest.skip(f"uv has not kept the packages: {ended.stderr[-200:]}")
    assert ended.returncode == 0, ended.stderr
    return folder / "bin" / "mcukd"


@pytest.mark.emulator
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a process")
def test_the_field_part_flashes_validates_observes_and_decodes(field: Path, tmp_path: Path) -> None:
    site = next((field.parents[1] / "lib").glob("python*/site-packages"))
    assert not [one for one in ("tensorflow", "sklearn", "pandas", "pyarrow") if (site / one).exists()]
    simulated_study(tmp_path / "run", steps=64)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def mcukd(*arguments: str) -> str:
        ended = subprocess.run(
            [str(field), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert "observe" in mcukd("--help")
    assert "openocd" in mcukd("flash", "--run", "run", "--board", "collar", "--dry-run")
    proven = mcukd("validate", "--run", "run", "--board", "collar", "--emulate", "--windows", "2")
    assert "Every class, logit and state checksum of 2 windows is equal." in proven
    assert "1 payload decoded" in mcukd("decode", "15a1bcba21800602000001")
    command = [str(field), "observe", "--demo", "--web", "--web-port", "0"]
    restore = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=restore,
    ) as page:  # fmt: skip
        patience = Timer(120, page.kill)
        patience.start()
        assert page.stdout is not None
        assert page.stdout.readline().startswith("Page for ")
        page.send_signal(signal.SIGINT)
        error = page.communicate()[1]
        patience.cancel()
    assert page.returncode == 0 and "Traceback" not in error, error
