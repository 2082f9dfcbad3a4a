"""Package for ESP-IDF: packed by its component manager; built by a stand-in for ESP-IDF, run as RV32IMC."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from builders.packages import (
    AUTHORS,
    Package,
    assert_answers,
    call,
    installed,
    joined_programs,
    need,
    package_of,
    two_models,
)
from builders.toolchains import SUPPORT, build, offline, packager

from mcukd.errors import UserError

MODELS = {prefix.lower(): model for prefix, model in two_models().items()}
RISCV = {"CMAKE_TOOLCHAIN_FILE": SUPPORT / "riscv32.cmake", "ENTRY": "bare_metal.c"}


@pytest.fixture()
def packages(tmp_path: Path) -> dict[str, tuple[Package, Path]]:
    return {prefix: installed("esp-idf", prefix, model, tmp_path) for prefix, model in MODELS.items()}


@pytest.fixture()
def idf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDF_PATH", str(SUPPORT / "idf"))


def two_in_one_project(packages: dict[str, tuple[Package, Path]], project: Path) -> str:
    """Write a project whose main runs both self-tests; return its components as CMake lists them."""
    main = project / "main"
    main.mkdir(parents=True)
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\n"
        "include($ENV{IDF_PATH}/tools/cmake/project.cmake)\nproject(both)\n"
    )
    (main / "CMakeLists.txt").write_text('idf_component_register(SRCS "main.c" INCLUDE_DIRS ".")\n')
    (main / "idf_component.yml").write_text("dependencies: {}\n")
    sources = [
        (folder / "examples/self_test/main/self_test.c").read_text() for _, folder in packages.values()
    ]
    (main / "main.c").write_text(
        joined_programs(
            sources, list(packages), "void app_main(void)", "\nvoid app_main(void)\n{\n    {calls}\n}\n"
        )
    )
    return ";".join(str(folder) for _, folder in packages.values())


def test_component_manager_packs_it_with_its_example(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    compote = packager("compote")
    for package, folder in packages.values():
        name, version = package.manifest.name, package.manifest.version
        command = [compote, "component", "pack", "--name", name, "--project-dir", folder]
        call([*command, "--dest-dir", tmp_path / "out"], tmp_path, offline(tmp_path))
        with tarfile.open(tmp_path / "out" / f"{name}_{version}.tgz") as packed:
            names = {member.lstrip("./") for member in packed.getnames()}
        expected = {path.partition("/")[2] for path in package.files}
        # Examples are kept in an archive of their own.
        assert {path for path in expected if not path.startswith("examples/")} <= names
        assert (tmp_path / "out" / f"{name}_{version}_examples.tgz").is_file()


def test_manifest_states_licence_and_maintainers(packages: dict[str, tuple[Package, Path]]) -> None:
    yaml = pytest.importorskip("yaml")
    package, folder = packages["cow"]
    said = yaml.safe_load((folder / "idf_component.yml").read_text())
    assert said["version"] == package.manifest.version
    assert said["license"] == "Apache-2.0" and said["maintainers"] == list(AUTHORS)
    assert said["description"] == package.manifest.sentence


def test_example_passes_on_this_computer(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]], idf: None
) -> None:
    package, folder = packages["cow"]
    built = build(folder / "examples/self_test", tmp_path / "built", SUPPORT=SUPPORT, ENTRY="idf/hosted.c")
    assert_answers(call([built / "app"]), [package], [MODELS["cow"]])


@pytest.mark.emulator
def test_example_passes_as_rv32imc(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]], idf: None
) -> None:
    need("riscv64-unknown-elf-gcc", "qemu-riscv32")
    package, folder = packages["cow"]
    built = build(folder / "examples/self_test", tmp_path / "built", SUPPORT=SUPPORT, **RISCV)
    assert_answers(call(["qemu-riscv32", built / "app"]), [package], [MODELS["cow"]])


@pytest.mark.emulator
def test_two_components_in_one_project(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]], idf: None
) -> None:
    need("riscv64-unknown-elf-gcc", "qemu-riscv32")
    components = two_in_one_project(packages, tmp_path / "both")
    built = build(
        tmp_path / "both", tmp_path / "built", SUPPORT=SUPPORT, EXTRA_COMPONENT_DIRS=components, **RISCV
    )
    printed = call(["qemu-riscv32", built / "app"])
    assert_answers(printed, [package for package, _ in packages.values()], list(MODELS.values()))


def test_capitals_are_refused() -> None:
    with pytest.raises(
        UserError, match="--prefix is 'Cow', so the package is Cow_model, but .* small letters"
    ):
        package_of("esp-idf", "Cow", MODELS["cow"])
