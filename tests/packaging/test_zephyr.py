"""Package for Zephyr: its description, Kconfig and CMake with a stand-in for Zephyr, on emulated cores."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from builders.packages import (
    Package,
    assert_answers,
    call,
    installed,
    joined_programs,
    package_of,
    two_models,
)
from builders.students import random_model
from builders.toolchains import SUPPORT, arm, build, packager, run_on_core

#: Keys of module.yml and their types, after module-schema.yaml of Zephyr 4.4.
TOP = {"name": str, "build": dict, "samples": list, "tests": list, "boards": list}
BUILD = {
    "cmake": str,
    "kconfig": str,
    "cmake-ext": bool,
    "kconfig-ext": bool,
    "depends": list,
    "settings": dict,
}
#: Prints a configuration as Kconfig sees it.
ASK = """
import json, os, sys, kconfiglib
k = kconfiglib.Kconfig(sys.argv[1], warn_to_stderr=False)
k.load_config(sys.argv[2])
k.write_config(sys.argv[3])
print(json.dumps([k.warnings, {name: s.str_value for name, s in k.syms.items()}]))
"""


@pytest.fixture()
def packages(tmp_path: Path) -> dict[str, tuple[Package, Path]]:
    return {prefix: installed("zephyr", prefix, model, tmp_path) for prefix, model in two_models().items()}


def configure(modules: list[Path], configuration: Path, out: Path) -> dict[str, str]:
    """Return the symbols of a configuration; Kconfig warns of none."""
    named = {"MODULE": str(modules[0]), "MODULE2": str(modules[-1] if len(modules) > 1 else "/nowhere")}
    said = call(
        [
            packager("savedefconfig").with_name("python"),
            "-c",
            ASK,
            SUPPORT / "zephyr" / "Kconfig",
            configuration,
            out,
        ],
        environment={**os.environ, **named},
    )
    warnings, symbols = json.loads(said)
    assert warnings == []
    return dict(symbols)


def test_module_yml_has_keys_that_zephyr_knows(packages: dict[str, tuple[Package, Path]]) -> None:
    yaml = pytest.importorskip("yaml")
    package, folder = packages["cow"]
    said = yaml.safe_load((folder / "zephyr/module.yml").read_text())
    assert said["name"] == package.manifest.name
    for key, value in said.items():
        assert isinstance(value, TOP[key])
    for key, value in said["build"].items():
        assert isinstance(value, BUILD[key])
    assert (folder / said["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / said["build"]["kconfig"]).is_file()
    assert all((folder / one).is_dir() for one in said["samples"])
    sample = yaml.safe_load((folder / "samples/self_test/sample.yaml").read_text())
    assert list(sample["tests"]) == ["cow_model.self_test"]


def test_kconfig_is_read_without_a_warning(tmp_path: Path, packages: dict[str, tuple[Package, Path]]) -> None:
    folder = packages["cow"][1]
    found = configure([folder], folder / "samples/self_test/prj.conf", tmp_path / "config")
    assert found["COW_MODEL"] == "y" and found["COW_MODEL_PORTABLE"] == "n"
    (tmp_path / "trapping").write_text("CONFIG_COW_MODEL=y\nCONFIG_TRAP_UNALIGNED_ACCESS=y\n")
    trapping = configure([folder], tmp_path / "trapping", tmp_path / "config2")
    assert trapping["COW_MODEL_PORTABLE"] == "y"
    (tmp_path / "none").write_text("")
    assert configure([folder], tmp_path / "none", tmp_path / "config3")["COW_MODEL"] == "n"


def test_a_model_without_assembly_has_no_option_for_it() -> None:
    package = package_of("zephyr", "odd", random_model(0, hidden=7))
    kconfig = package.files["odd_model/zephyr/Kconfig"].decode()
    assert "ODD_MODEL\n" in kconfig and "PORTABLE" not in kconfig and not package.assembly


@pytest.mark.emulator
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4"])
def test_sample_is_built_with_its_module_and_passes(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]], cpu: str
) -> None:
    package, folder = packages["cow"]
    configure([folder], folder / "samples/self_test/prj.conf", tmp_path / "config")
    built = build(
        folder / "samples/self_test", tmp_path / "built", Zephyr_DIR=SUPPORT / "zephyr", SUPPORT=SUPPORT,
        DOT_CONFIG=tmp_path / "config", **arm(cpu),
    )  # fmt: skip
    assert_answers(run_on_core(built / "app", cpu), [package], [two_models()["cow"]])


@pytest.mark.emulator
def test_two_modules_in_one_application(tmp_path: Path, packages: dict[str, tuple[Package, Path]]) -> None:
    folders = [folder for _, folder in packages.values()]
    application = tmp_path / "application"
    (application / "src").mkdir(parents=True)
    sources = [(folder / "samples/self_test/src/main.c").read_text() for folder in folders]
    (application / "src/main.c").write_text(
        joined_programs(
            sources, list(packages), "int main(void)", "\nint main(void)\n{\n    {calls}\n    return 0;\n}\n"
        )
    )
    (application / "prj.conf").write_text("CONFIG_COW_MODEL=y\nCONFIG_FILTER_MODEL=y\nCONFIG_PRINTK=y\n")
    modules = "\n".join(f"list(APPEND ZEPHYR_EXTRA_MODULES {folder})" for folder in folders)
    (application / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.20.0)\n{modules}\n"
        "find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})\nproject(both)\n"
        "target_sources(app PRIVATE src/main.c)\n"
    )
    configure(folders, application / "prj.conf", tmp_path / "config")
    built = build(
        application, tmp_path / "built", Zephyr_DIR=SUPPORT / "zephyr", SUPPORT=SUPPORT,
        DOT_CONFIG=tmp_path / "config", **arm("cortex-m4"),
    )  # fmt: skip
    printed = run_on_core(built / "app", "cortex-m4")
    assert_answers(printed, [package for package, _ in packages.values()], list(two_models().values()))
