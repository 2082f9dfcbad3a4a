"""Sources of packages: which step a compiler takes, and what each file leaves to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builders.cnn import cnn_model
from builders.compile import STRICT, compile_all
from builders.filter_mlp import filter_model
from builders.packages import call, need
from builders.students import random_model, refusing_model

from mcukd.codegen.packaged import packaged_cores, packaged_sources
from mcukd.fixedpoint.model import IntegerModel

MODELS: dict[str, Callable[[], IntegerModel]] = {
    "gru": random_model,
    "filter": lambda: filter_model(0),
    "cnn": lambda: cnn_model(0),
    "refusing": refusing_model,
}
STEP = " T cow_model_step"


def write(model: IntegerModel, folder: Path, prefix: str = "cow") -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in packaged_sources(model, prefix, packaged_cores()).items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("family", ["gru", "filter", "cnn", "refusing"])
def test_every_file_compiles_without_a_warning(tmp_path: Path, compiler: str, family: str) -> None:
    write(MODELS[family](), tmp_path)
    compile_all(compiler, ["-O2"], tmp_path)
    compile_all(compiler, ["-O2", "-DCOW_MODEL_PORTABLE"], tmp_path)


def test_sources_in_one_translation_unit_and_as_cpp_give_the_known_answers(tmp_path: Path) -> None:
    need("gcc", "g++")
    sources = packaged_sources(random_model(), "cow", packaged_cores())
    write(random_model(), tmp_path)
    joined = "".join(f'#include "{name}"\n' for name in sources if name.endswith(".c"))
    program = (
        "int main(void)\n{\n    int16_t logits[COW_MODEL_CLASSES];\n"
        "    return cow_self_test(0, logits) < 0 || cow_self_test(1, logits) < 0;\n}\n"
    )
    for name, compiler in (
        ("all.c", ["gcc", *STRICT]),
        ("all.cpp", ["g++", "-std=c++11", "-Wall", "-Werror"]),
    ):
        (tmp_path / name).write_text(joined + program)
        call([*compiler, name, "-o", "all"], tmp_path)
        call(["./all"], tmp_path)


def test_a_wrong_build_fails_its_self_test(tmp_path: Path) -> None:
    """One weight or one known checksum another: -1, though the class may be the same."""
    need("gcc")
    texts = packaged_sources(random_model(), "cow")
    known = texts["cow_known_answer.c"]
    crc = known.rindex("UINT32_C(") + len("UINT32_C(")
    digit = str((int(known[crc]) + 1) % 10)
    for file, text in (
        ("cow_known_answer.c", known[:crc] + digit + known[crc + 1 :]),
        ("cow_model.c", texts["cow_model.c"].replace(">> 16);", ">> 15);", 1)),
    ):
        assert text != texts[file]
        for name, content in {**texts, file: text}.items():
            (tmp_path / name).write_text(content)
        (tmp_path / "main.c").write_text(
            '#include "cow_self_test.h"\nint main(void)\n{\n    int16_t logits[COW_MODEL_CLASSES];\n'
            "    return cow_self_test(COW_KNOWN_ANSWERS - 1, logits) == -1 ? 0 : 1;\n}\n"
        )
        sources = [name for name in [*texts, "main.c"] if name.endswith(".c")]
        call(["gcc", "-std=c99", *sources, "-o", "main"], tmp_path)
        call(["./main"], tmp_path)


def test_prefixes_that_differ_by_capitals_alone_do_not_compile_together(tmp_path: Path) -> None:
    """One model's macros would hide the other's, with no more than a warning: a shorter array of logits."""
    need("gcc")
    for prefix, classes in (("cow", 3), ("Cow", 5)):
        write(random_model(classes=classes), tmp_path, prefix)
    for first, second in (("cow", "Cow"), ("Cow", "cow")):
        (tmp_path / "main.c").write_text(f'#include "{first}_model.h"\n#include "{second}_model.h"\n')
        with pytest.raises(AssertionError, match="their prefixes must differ by more than capitals"):
            call(["gcc", "-std=c99", "-w", "-c", "main.c"], tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("flags", "kernel"),
    [
        (["-mcpu=cortex-m3"], "m3"),
        (["-mcpu=cortex-m3", "-mno-unaligned-access"], None),
        (["-mcpu=cortex-m4"], "m4f"),
        (["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"], "m4f"),
        (["-mcpu=cortex-m4", "-DCOW_MODEL_PORTABLE"], None),
        (["-mcpu=cortex-m4", "-mbig-endian"], None),
        (["-mcpu=cortex-m0"], None),
        (["-mcpu=cortex-m33"], None),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else str(one),
)
def test_the_step_is_that_of_the_core_and_there_is_one(tmp_path: Path, flags: list[str], kernel: str) -> None:
    need("arm-none-eabi-gcc", "arm-none-eabi-nm")
    write(random_model(), tmp_path)
    sources = [file.name for file in sorted(tmp_path.glob("*.[cS]"))]
    call(
        ["arm-none-eabi-gcc", "-mthumb", "-std=c99", "-O2", "-Wall", "-Werror", *flags, "-c", *sources],
        tmp_path,
    )
    found = {file.stem: call(["arm-none-eabi-nm", file]) for file in tmp_path.glob("*.o")}
    assert [name for name, symbols in found.items() if STEP in symbols] == (
        [f"cow_kernel_{kernel}"] if kernel else ["cow_model"]
    )


@pytest.mark.emulator
@pytest.mark.parametrize("family", list(MODELS))
def test_the_self_test_passes_on_a_big_endian_processor(tmp_path: Path, family: str) -> None:
    """Checksums are over 32-bit sums too, whose halves lie the other way round there."""
    need("powerpc-linux-gnu-gcc", "qemu-ppc")
    write(MODELS[family](), tmp_path)
    (tmp_path / "main.c").write_text(
        '#include "cow_self_test.h"\nint main(void)\n{\n    int16_t logits[COW_MODEL_CLASSES];\n'
        "    return cow_self_test(0, logits) < 0 || cow_self_test(1, logits) < 0;\n}\n"
    )
    sources = [file.name for file in sorted(tmp_path.glob("*.[cS]"))]
    call(["powerpc-linux-gnu-gcc", *STRICT, "-O2", "-static", *sources, "-o", "main"], tmp_path)
    call(["qemu-ppc", "./main"], tmp_path)


def test_models_without_a_kernel_have_no_assembly() -> None:
    for model in (random_model(hidden=7), random_model(activation_bits=12), filter_model(0)):
        texts = packaged_sources(model, "cow", packaged_cores())
        assert not [name for name in texts if name.endswith(".S")]
        assert "ASSEMBLY" not in "".join(texts.values())


@pytest.mark.emulator
def test_constants_stay_in_flash_on_avr_and_cpp_cannot_misread_them(tmp_path: Path) -> None:
    """C++ has no such pointers: it would read RAM at a flash address."""
    need("avr-gcc", "avr-g++", "avr-size")
    for name, model in MODELS.items():
        folder = write(model(), tmp_path / name)
        avr = ["-mmcu=atmega328p", "-Os", "-Wall", "-Werror", "-c"]
        call(["avr-gcc", "-std=gnu11", *avr, *(file.name for file in folder.glob("*.c"))], folder)
        for file in folder.glob("*.o"):
            _, data, bss, *_ = call(["avr-size", file]).splitlines()[1].split()
            assert (data, bss) == ("0", "0"), file
        sketch = (
            '#include "cow_self_test.h"\n#include "cow_model.h"\nint16_t first = cow_known_logits[0][0];\n'
        )
        (folder / "sketch.cpp").write_text(sketch)
        with pytest.raises(AssertionError, match="cow_known_logits.* was not declared"):
            call(["avr-g++", *avr, "sketch.cpp"], folder)
