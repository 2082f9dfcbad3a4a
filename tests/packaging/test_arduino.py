"""Package for Arduino: the rules of its library format; sketches on an emulated ATmega328P and natively."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.arduino import (
    FLASH_BYTES,
    RAM_BYTES,
    build_core,
    build_sketch,
    flash_and_ram,
    run_on_atmega328p,
)
from builders.cnn import cnn_model
from builders.filter_mlp import filter_model
from builders.packages import (
    Package,
    assert_answers,
    call,
    installed,
    joined_programs,
    need,
    package_of,
    two_models,
)
from builders.students import headed_model, random_model, random_student, random_windows, refusing_model

from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize

#: Of the library specification, rev. 2.2.
REQUIRED = (
    "name",
    "version",
    "author",
    "maintainer",
    "sentence",
    "paragraph",
    "category",
    "url",
    "architectures",
)
OPTIONAL = ("depends", "dot_a_linkage", "includes", "precompiled", "ldflags", "license")
CATEGORIES = (
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
)  # fmt: skip
SEMVER = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
#: What a sketch of ours needs of Arduino's core, on standard output.
HOSTED = """
#include <cstdio>
#include <cstdint>
#define HEX 16
#define F(text) text
struct Port {
    void begin(long) {}
    explicit operator bool() const { return true; }
    void print(const char *text) { std::fputs(text, stdout); }
    void print(char c) { std::putchar(c); }
    void print(int value, int base = 10) { std::printf(base == HEX ? "%x" : "%d", value); }
    void println(const char *text = "") { std::puts(text); }
};
static Port Serial;
"""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_core(tmp_path_factory.mktemp("core"))


def library(model: IntegerModel, folder: Path, prefix: str = "cow") -> tuple[Package, Path, str]:
    """Install a library; return it, its folder and the sketch that it brings."""
    package, there = installed("arduino", prefix, model, folder)
    return package, there, (there / "examples/self_test/self_test.ino").read_text()


def joined_sketches(sketches: list[str], prefixes: list[str]) -> str:
    sketches = [sketch.replace("void loop() {\n}\n", "") for sketch in sketches]
    return joined_programs(sketches, prefixes, "void setup()", "\nvoid setup() { {calls} }\nvoid loop() {}\n")


def model_of_table(gates: str) -> IntegerModel:
    return quantize(random_student(4), random_windows(), QuantizeConfig(8, 16, gates), operation_hop=10)


@pytest.mark.parametrize("prefix", ["cow", "mcukd", "a" * 40])
def test_library_keeps_the_rules_of_the_format(tmp_path: Path, prefix: str) -> None:
    package, folder, _ = library(random_model(), tmp_path, prefix)
    lines = (folder / "library.properties").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines)
    assert len(said) == len(lines) and set(REQUIRED) <= set(said) <= {*REQUIRED, *OPTIONAL}
    assert all(said[key].strip() == said[key] != "" for key in said)
    name = said["name"]
    assert name == folder.name == package.manifest.name and len(name) <= 63
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]*", name) and "arduino" not in name.lower()
    assert SEMVER.fullmatch(said["version"]) and said["category"] in CATEGORIES
    assert said["sentence"] not in said["paragraph"]
    assert (folder / "src" / f"{name}.h").is_file() and (folder / "src" / said["includes"]).is_file()
    # What only other formats have, or format 1.0, is not there.
    assert not [one for one in folder.iterdir() if one.suffix in (".c", ".cpp", ".h", ".exe")]
    assert not (folder / "utility").exists() and not (folder / "extra").exists()
    for sketch in folder.rglob("*.ino"):
        assert sketch.parent.name == sketch.stem and sketch.parent.parent == folder / "examples"
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", sketch.stem)
    words = [line.split("\t") for line in (folder / "keywords.txt").read_text().splitlines()]
    assert all(len(one) == 2 and one[1] in ("KEYWORD1", "KEYWORD2", "LITERAL1") for one in words)
    headers = "".join(file.read_text() for file in (folder / "src").glob("*.h"))
    assert all(re.search(rf"\b{word}\b", headers) for word, _ in words)


def test_names_that_arduino_keeps_are_refused() -> None:
    with pytest.raises(UserError, match="--prefix is 'My_Arduino'.*keeps names with 'arduino'"):
        package_of("arduino", "My_Arduino", random_model())


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_sketches_pass_on_this_computer(tmp_path: Path, compiler: str) -> None:
    c = {"g++": "gcc", "clang++": "clang"}[compiler]
    need(c, compiler)
    made = [library(model, tmp_path, prefix) for prefix, model in two_models().items()]
    sketch = joined_sketches([text for _, _, text in made], list(two_models()))
    (tmp_path / "Arduino.h").write_text(HOSTED)
    (tmp_path / "sketch.cpp").write_text(
        f"#include <Arduino.h>\n{sketch}\nint main() {{ setup(); loop(); }}\n"
    )
    includes = ["-I.", *(f"-I{folder / 'src'}" for _, folder, _ in made)]
    sources = [file for _, folder, _ in made for file in sorted((folder / "src").glob("*.[cS]"))]
    call([c, "-Wall", "-Wextra", "-Werror", "-O1", "-c", *includes, *sources], tmp_path)
    objects = sorted(tmp_path.glob("*.o"))
    call(
        [compiler, "-std=c++11", "-Wall", "-Werror", *includes, "sketch.cpp", *objects, "-o", "sketch"],
        tmp_path,
    )
    assert_answers(
        call([tmp_path / "sketch"]), [package for package, _, _ in made], list(two_models().values())
    )


@pytest.mark.emulator
def test_sketches_pass_on_an_atmega328p(tmp_path: Path, core: Path) -> None:
    """With Arduino's own core and flags; every family, head and table, and two libraries in one sketch."""
    models = {
        **two_models(),
        "odd": random_model(1, hidden=7, bits=5),
        "wide": random_model(2, hidden=6, bits=16),
        "narrow": random_model(3, bits=8, activation_bits=12),
        "table": model_of_table("direct"),
        "nearest": headed_model("prototype", 2, hidden=7),
        "linear": headed_model("linear", 2),
        "cnn": cnn_model(0),
        "bytes": cnn_model(1, bits=4),
        "wary": refusing_model(0),
        "axes": filter_model(1, channels=2, gates="direct"),
    }
    made = {prefix: library(model, tmp_path, prefix) for prefix, model in models.items()}
    for prefix, (package, folder, sketch) in made.items():
        elf = build_sketch(tmp_path / f"built_{prefix}", core, sketch, [folder])
        flash, ram = flash_and_ram(elf)
        # The serial port's buffers, the classes' names and the hash are in RAM; no table or weight is.
        assert flash <= FLASH_BYTES and ram <= 320, prefix
        assert_answers(run_on_atmega328p(elf, 1), [package], [models[prefix]])
    both = ["cow", "Filter"]
    sketch = joined_sketches([made[prefix][2] for prefix in both], both)
    elf = build_sketch(tmp_path / "both", core, sketch, [made[prefix][1] for prefix in both])
    printed = run_on_atmega328p(elf, 2)
    assert_answers(printed, [made[prefix][0] for prefix in both], [models[prefix] for prefix in both])


@pytest.mark.emulator
def test_a_model_of_the_usual_size_fits_an_atmega328p(tmp_path: Path, core: Path) -> None:
    """16 units on windows of 256 samples, with known answers; by PlatformIO's example for the Uno."""
    model = random_model(3, hidden=16, dense=16, steps=256)
    package, folder = installed("platformio", "cow", model, tmp_path)
    example = (folder / "examples/self_test/src/main.cpp").read_text()
    elf = build_sketch(tmp_path / "built", core, example, [folder])
    flash, ram = flash_and_ram(elf)
    assert flash <= FLASH_BYTES and ram <= RAM_BYTES // 4
    assert_answers(run_on_atmega328p(elf, 1), [package], [model])
