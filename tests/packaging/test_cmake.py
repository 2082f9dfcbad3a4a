"""Package for CMake: installed, found, built and run on this computer and on emulated cores."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.packages import (
    Package,
    assert_answers,
    call,
    installed,
    joined_programs,
    need,
    two_models,
)
from builders.toolchains import MACHINES, PROFILING, SUPPORT, arm, build, run_on_core

BOTH = """cmake_minimum_required(VERSION 3.16)
project(both LANGUAGES C)
enable_language(ASM)
{found}
add_executable(both main.c ${{MORE}})
target_include_directories(both PRIVATE ${{PROFILING}})
target_link_libraries(both PRIVATE {libraries})
"""


@pytest.fixture()
def packages(tmp_path: Path) -> dict[str, tuple[Package, Path]]:
    return {prefix: installed("cmake", prefix, model, tmp_path) for prefix, model in two_models().items()}


def main_of_both(packages: dict[str, tuple[Package, Path]]) -> str:
    sources = [(folder / "examples/self_test/main.c").read_text() for _, folder in packages.values()]
    return joined_programs(
        sources, list(packages), "int main(void)", "\nint main(void)\n{\n    {calls}\n    return 0;\n}\n"
    )


def test_installed_package_is_found_and_its_example_passes(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    package, folder = packages["cow"]
    build(folder, tmp_path / "build")
    call(["cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "there"])
    test = build(folder / "examples/self_test", tmp_path / "test", CMAKE_PREFIX_PATH=tmp_path / "there")
    assert_answers(call([test / "self_test"]), [package], [two_models()["cow"]])
    assert "100% tests passed" in call(["ctest", "--test-dir", test])
    assert "GNU_STACK" in (headers := call(["readelf", "-lW", test / "self_test"]))
    assert " RWE " not in headers


def test_its_version_and_model_are_those_of_the_manifest(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    package, folder = packages["cow"]
    build(folder, tmp_path / "build")
    call(["cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "there"])
    asking = tmp_path / "asking"
    asking.mkdir()
    (asking / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(asking LANGUAGES C)\n"
        "find_package(cow_model REQUIRED)\n"
        "set(said ${cow_model_VERSION} ${cow_model_FULL_VERSION} ${cow_model_MODEL_SHA256})\n"
        'file(WRITE ${CMAKE_BINARY_DIR}/said "${said}")\n'
    )
    build(asking, tmp_path / "asked", CMAKE_PREFIX_PATH=tmp_path / "there")
    manifest = package.manifest
    said = (tmp_path / "asked" / "said").read_text()
    assert said == f"{manifest.release};{manifest.version};{manifest.model_sha256}"


def test_versions_that_do_not_fit_are_refused_and_folders_may_have_spaces(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    package, folder = packages["cow"]
    build(folder, tmp_path / "the build")
    call(["cmake", "--install", tmp_path / "the build", "--prefix", tmp_path / "over there"])
    major, minor, patch = package.manifest.release.split(".")
    asking = tmp_path / "asking"
    asking.mkdir()
    for wanted, taken in (
        (package.manifest.release, True), (f"{package.manifest.release} EXACT", True),
        (f"{major}.{minor}", True), (f"{major}.{int(minor) - 1}", major != "0"),
        (f"{major}.{int(minor) + 1}", False), (f"{int(major) + 1}.0", False),
        (f"{major}.{minor}.{int(patch) + 1} EXACT", False),
    ):  # fmt: skip
        (asking / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.16)\nproject(asking LANGUAGES NONE)\n"
            f"find_package(cow_model {wanted} QUIET)\n"
            "file(WRITE ${CMAKE_BINARY_DIR}/found ${cow_model_FOUND})\n"
        )
        there = f"-DCMAKE_PREFIX_PATH={tmp_path / 'over there'}"
        call(["cmake", "-S", asking, "-B", tmp_path / "asked", there, "-Ucow_model_DIR"])
        assert (tmp_path / "asked" / "found").read_text() == str(int(taken)), wanted


def test_a_subdirectory_is_not_installed_with_the_project_that_adds_it(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    """Its project has C alone, and neither names assembly nor installs anything of its own."""
    package, folder = packages["cow"]
    project = tmp_path / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(app LANGUAGES C)\n"
        f"add_subdirectory({folder} cow)\nadd_executable(app main.c)\n"
        "target_link_libraries(app PRIVATE cow_model::cow_model)\n"
        "install(TARGETS app RUNTIME DESTINATION bin)\n"
    )
    (project / "main.c").write_text((folder / "examples/self_test/main.c").read_text())
    built = build(project, tmp_path / "built")
    assert_answers(call([built / "app"]), [package], [two_models()["cow"]])
    for chosen, installs in (("OFF", False), ("ON", True)):
        call(["cmake", f"-DCOW_MODEL_INSTALL={chosen}", built] if installs else ["cmake", built])
        call(["cmake", "--install", built, "--prefix", tmp_path / chosen])
        files = {path.name for path in (tmp_path / chosen).rglob("*") if path.is_file()}
        assert "app" in files and ("cow_model.h" in files) == installs and (len(files) > 1) == installs


def test_two_packages_are_found_by_one_program(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]]
) -> None:
    for prefix, (_, folder) in packages.items():
        build(folder, tmp_path / f"build-{prefix}")
        call(["cmake", "--install", tmp_path / f"build-{prefix}", "--prefix", tmp_path / "there"])
    project = tmp_path / "both"
    project.mkdir()
    names = [package.manifest.name for package, _ in packages.values()]
    found = "\n".join(f"find_package({name} REQUIRED)" for name in names)
    libraries = " ".join(f"{name}::{name}" for name in names)
    (project / "CMakeLists.txt").write_text(BOTH.format(found=found, libraries=libraries))
    (project / "main.c").write_text(main_of_both(packages))
    built = build(project, tmp_path / "built", CMAKE_PREFIX_PATH=tmp_path / "there")
    models = list(two_models().values())
    assert_answers(call([built / "both"]), [package for package, _ in packages.values()], models)


@pytest.mark.emulator
@pytest.mark.parametrize(("cpu", "portable"), [*((cpu, "OFF") for cpu in MACHINES), ("cortex-m4", "ON")])
def test_two_packages_in_one_image_of_a_core(
    tmp_path: Path, packages: dict[str, tuple[Package, Path]], cpu: str, portable: str
) -> None:
    """By add_subdirectory; the step is assembly on cores that have one, and C where the user wants it."""
    project = tmp_path / "both"
    project.mkdir()
    names = [package.manifest.name for package, _ in packages.values()]
    found = "\n".join(f"add_subdirectory(../{name} {name})" for name in names)
    (project / "CMakeLists.txt").write_text(BOTH.format(found=found, libraries=" ".join(names)))
    (project / "main.c").write_text(main_of_both(packages))
    more = f"{SUPPORT / 'bare_metal.c'};{PROFILING / 'bench_start.c'}"
    built = build(project, tmp_path / "built", MORE=more, COW_MODEL_PORTABLE=portable, **arm(cpu))
    models = list(two_models().values())
    assert_answers(run_on_core(built / "both", cpu), [package for package, _ in packages.values()], models)
    need("arm-none-eabi-nm")
    members = call(["arm-none-eabi-nm", built / "cow_model" / "libcow_model.a"])
    kernel = "m3" if cpu == "cortex-m3" else "m4f"
    assembly = members.partition(f"cow_kernel_{kernel}.S.obj:")[2].partition("\n\n")[0]
    assert ("T cow_model_step" in assembly) == (portable == "OFF")
    assert members.count("T cow_model_step\n") == 1
