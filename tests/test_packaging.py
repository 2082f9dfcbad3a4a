"""Wheel outside the checkout: it contains and finds templates, boards and cards."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from builders.places import ROOT
from builders.students import random_model

from mcukd.fixedpoint.model import save_model


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch)], cwd=ROOT, check=True
    )
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch / "site")
    return scratch / "site"


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


def test_no_file_of_the_checkout_is_forgotten(installed: Path) -> None:
    for folder in ("firmware_templates", "boards", "datasets", "payloads"):
        expected = {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*") if p.is_file()}
        found = {
            p.relative_to(installed / "mcukd" / "_resources")
            for p in (installed / "mcukd" / "_resources" / folder).rglob("*")
            if p.is_file()
        }
        assert found == expected
