"""Package for PlatformIO: packed, installed and built by PlatformIO itself, without a network."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from builders.packages import Package, assert_answers, call, installed, joined_programs, two_models
from builders.toolchains import SUPPORT, offline, packager

#: What PlatformIO 6.2 asks for.
SCONS = "4.41101.0"


@pytest.fixture()
def packages(tmp_path: Path) -> dict[str, tuple[Package, Path]]:
    return {
        prefix: installed("platformio", prefix, model, tmp_path) for prefix, model in two_models().items()
    }


def stand_ins(core: Path) -> None:
    """Put in place what PlatformIO would download for `platform = native`: SCons and a build script."""
    scons, native = core / "packages" / "tool-scons", core / "platforms" / "native"
    (native / "builder").mkdir(parents=True)
    scons.mkdir(parents=True)
    shutil.copy(SUPPORT / "platformio" / "scons.py", scons / "scons.py")
    shutil.copy(SUPPORT / "platformio" / "native.py", native / "builder" / "main.py")
    shutil.copy(SUPPORT / "platformio" / "platform.py", native / "platform.py")
    for folder, kind, version in ((scons, "tool", SCONS), (native, "platform", "1.0.0")):
        manifest = {"name": folder.name, "version": version, "description": "stands in", "title": folder.name}
        name = "package.json" if kind == "tool" else "platform.json"
        (folder / name).write_text(json.dumps(manifest))
        spec = {"owner": "platformio", "id": None, "name": folder.name, "requirements": None, "uri": None}
        known = {"type": kind, "name": folder.name, "version": version, "spec": spec}
        (folder / ".piopm").write_text(json.dumps(known))


def run_native(project: Path, folder: Path) -> str:
    """Build and run a project for this computer; return what the program printed."""
    if not packager("pio").with_name("scons").exists():
        pytest.skip("needs SCons beside pio")
    stand_ins(folder / "platformio")
    printed = call([packager("pio"), "run", "-e", "native", "-t", "exec"], project, offline(folder))
    return printed.partition("Executing\n")[2].partition("====")[0]


@pytest.mark.parametrize("prefix", list(two_models()))
def test_pio_packs_it_whole(tmp_path: Path, packages: dict[str, tuple[Package, Path]], prefix: str) -> None:
    package, folder = packages[prefix]
    call(
        [packager("pio"), "pkg", "pack", folder, "-o", tmp_path / "packed.tar.gz"],
        tmp_path,
        offline(tmp_path),
    )
    with tarfile.open(tmp_path / "packed.tar.gz") as packed:
        assert set(packed.getnames()) == {path.partition("/")[2] for path in package.files}


def test_pio_installs_the_zip_and_knows_its_version(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    package, _ = packages["cow"]
    said = call(
        [
            packager("pio"),
            "pkg",
            "install",
            "--global",
            "--library",
            f"./{package.manifest.archive}",
        ],
        tmp_path,
        offline(tmp_path),
    )
    assert f"{package.manifest.name}@{package.manifest.version}" in said
    there = tmp_path / "platformio" / "lib" / package.manifest.name
    assert {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()} >= {
        path.partition("/")[2] for path in package.files
    }


def test_example_is_built_by_pio_and_passes(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    package, folder = packages["cow"]
    printed = run_native(folder / "examples/self_test", tmp_path)
    assert_answers(printed, [package], [two_models()["cow"]])


def test_two_libraries_in_one_project(tmp_path: Path, packages: dict[str, tuple[Package, Path]]) -> None:
    project = tmp_path / "both"
    (project / "src").mkdir(parents=True)
    folders = [folder for _, folder in packages.values()]
    listed = "\n".join(f"  {folder.name}=symlink://{folder}" for folder in folders)
    (project / "platformio.ini").write_text(f"[env:native]\nplatform = native\nlib_deps =\n{listed}\n")
    sources = [(folder / "examples/self_test/src/main.cpp").read_text() for folder in folders]
    (project / "src/main.cpp").write_text(
        joined_programs(
            [source.replace("int main()", "int main(void)") for source in sources],
            list(packages),
            "int main(void)",
            "\nint main()\n{\n    {calls}\n}\n",
        )
    )
    printed = run_native(project, tmp_path)
    assert_answers(printed, [package for package, _ in packages.values()], list(two_models().values()))
