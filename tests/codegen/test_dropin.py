"""Several models in one C or C++ program: prefixes, C++ headers, no executable stack."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from builders.commands import invoke
from builders.compile import ARM, STRICT
from builders.filter_mlp import filter_model
from builders.students import headed_model, random_model
from builders.studies import quantized_study

from mcukd.boards.model import list_boards, load_board
from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.codegen.prefix import check_prefix, with_prefix
from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel

CXX = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
COMPILERS = [("gcc", "g++"), ("clang", "clang++")]

# Every model's own known windows, through its plain step and its traced one.
MAIN = """
{includes}
{checks}
int main()
{{
    int wrong = 0;
{calls}
    return wrong;
}}
"""
CHECK = """
static int check_{p}()
{{
    int wrong = 0;
    static {p}_trace trace;
    for (int n = 0; n < {P}_KNOWN_ANSWERS; n++) {{
        int16_t logits[{P}_MODEL_CLASSES], traced[{P}_MODEL_CLASSES];
        {p}_state state, other;
        {p}_model_reset(&state);
        {p}_model_reset(&other);
        for (int t = 0; t < {P}_MODEL_WINDOW; t++) {{
            {p}_model_step(&state, {p}_known_windows[n][t]);
            {p}_model_step_traced(&other, {p}_known_windows[n][t], &trace);
        }}
        {p}_model_classify(&state, logits);
        {p}_model_classify(&other, traced);
        for (int k = 0; k < {P}_MODEL_CLASSES; k++) {{
            wrong += logits[k] != {p}_known_logits[n][k] || traced[k] != logits[k];
        }}
    }}
    return wrong + ({p}_model_class_names[0][0] == 0);
}}
"""


def pairs_of_models() -> dict[str, dict[str, IntegerModel]]:
    """Two GRUs of other sizes and widths, a GRU and a filter-MLP, and a GRU without a hidden layer."""
    first = random_model(0, hidden=8)
    return {
        "two GRUs": {"cow": first, "sheep": random_model(1, bits=5, hidden=6, dense=3, classes=3, steps=21)},
        "a GRU and a filter": {"cow": first, "filter": filter_model(0)},
        "one name begins with the other": {"a": first, "a_model": headed_model("prototype", 2, hidden=7)},
        "capitals": {"Cow": first, "GRU8": random_model(1, steps=21)},
        "default and own names": {"mcukd": first, "cow": replace(first, card="mcukd_model")},
    }


PAIRS = [
    "two GRUs", "a GRU and a filter", "one name begins with the other", "capitals", "default and own names",
]  # fmt: skip


def run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}, which is not on the PATH")


def write_program(models: dict[str, IntegerModel], folder: Path, core: str | None = None) -> list[str]:
    """Write the models and a C++ main into one folder; return the models' sources."""
    folder.mkdir(exist_ok=True)
    sources = []
    for prefix, model in models.items():
        for file in generate_model(model, folder / prefix, core, prefix=prefix):
            assert not (folder / file.name).exists(), file.name
            shutil.move(file, folder / file.name)
            sources += [file.name] if file.suffix in (".c", ".S") else []
    # Twice, in both orders: guards hide nothing but what was there.
    names = [*models, *reversed(list(models))]
    parts = ("model", "known_answer", "trace")
    includes = "".join(f'#include "{p}_{part}.h"\n' for p in names for part in parts)
    checks = "".join(CHECK.format(p=p, P=p.upper()) for p in models)
    calls = "".join(f"    wrong += check_{p}();\n" for p in models)
    (folder / "main.cpp").write_text(MAIN.format(includes=includes, checks=checks, calls=calls))
    return sources


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("cc", "cxx"), COMPILERS)
def test_two_models_and_a_cpp_main_give_both_known_answers(
    tmp_path: Path, cc: str, cxx: str, name: str
) -> None:
    need(cc, cxx)
    sources = write_program(pairs_of_models()[name], tmp_path)
    run([cc, *STRICT, "-O1", "-c", *sources], tmp_path)
    objects = sorted(file.name for file in tmp_path.glob("*.o"))
    run([cxx, *CXX, "-O1", "main.cpp", *objects, "-o", "main"], tmp_path)
    run(["./main"], tmp_path)


@pytest.mark.parametrize("name", ["two GRUs", "a GRU and a filter"])
@pytest.mark.parametrize(("cc", "cxx"), COMPILERS)
def test_all_files_pass_as_one_translation_unit_too(tmp_path: Path, cc: str, cxx: str, name: str) -> None:
    """As builds do that join files: nothing that a file keeps to itself meets its like in another."""
    need(cc, cxx)
    sources = write_program(pairs_of_models()[name], tmp_path)
    (tmp_path / "all.c").write_text("".join(f'#include "{file}"\n' for file in sources))
    run([cc, *STRICT, "-O1", "-c", "all.c"], tmp_path)
    run([cxx, *CXX, "-O1", "main.cpp", "all.o", "-o", "main"], tmp_path)
    run(["./main"], tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("core", sorted(ARM))
def test_two_models_link_for_a_core_without_a_clash_or_an_executable_stack(
    tmp_path: Path, core: str, name: str
) -> None:
    need("arm-none-eabi-gcc", "arm-none-eabi-g++")
    sources = write_program(pairs_of_models()[name], tmp_path, core)
    assert any(file.endswith(".S") for file in sources)
    run(["arm-none-eabi-gcc", *STRICT, *ARM[core], "-O2", "-c", *sources], tmp_path)
    objects = sorted(file.name for file in tmp_path.glob("*.o"))
    run(
        ["arm-none-eabi-g++", *CXX, *ARM[core], "-O2", "-fno-exceptions", "-nostdlib", "-Wl,-e,main",
         "-Wl,--fatal-warnings", "main.cpp", *objects, "-o", "main.elf"],
        tmp_path,
    )  # fmt: skip
    linked = run(["arm-none-eabi-gcc", *ARM[core], "-r", "-nostdlib", *objects, "-o", "both.o"], tmp_path)
    assert linked == ""


@pytest.mark.emulator
def test_assembly_is_marked_where_the_compiler_marks_its_own(tmp_path: Path) -> None:
    """GCC for Linux and Clang mark C objects; GCC for bare metal does not, and its linker then warns of C."""
    need("arm-none-eabi-gcc")
    generate_model(random_model(), tmp_path, "m4f", prefix="cow")
    for define, marked in (("-U__linux__", False), ("-D__linux__", True), ("-D__clang__", True)):
        run(["arm-none-eabi-gcc", *ARM["m4f"], define, "-c", "cow_kernel.S"], tmp_path)
        sections = run(["arm-none-eabi-readelf", "-SW", "cow_kernel.o"], tmp_path)
        assert (".note.GNU-stack" in sections) is marked, define


@pytest.mark.parametrize("kind", ["gru", "filter"])
@pytest.mark.parametrize("compiler", ["g++", "clang++", "gcc", "clang"])
def test_every_generated_header_stands_alone_in_c_and_cpp(tmp_path: Path, compiler: str, kind: str) -> None:
    need(compiler)
    model = random_model() if kind == "gru" else filter_model(0)
    generate_firmware(model, load_board("native"), tmp_path / "mcukd")
    generate_model(model, tmp_path / "cow", prefix="cow")
    cxx = compiler.endswith("++")
    flags = ["-x", "c++", *CXX] if cxx else ["-x", "c", *STRICT, "-Wpedantic"]
    headers = [file for file in sorted(tmp_path.glob("*/*.h")) if file.name != "firmware_id.h"]
    assert {"mcukd_model.h", "app_stream.h", "mcukd_port.h", "cow_model.h"} <= {h.name for h in headers}
    for header in headers:
        assert 'extern "C"' in header.read_text()
        twice = f'#include "{header.name}"\n' * 2
        (tmp_path / "use").write_text(f"{twice}int main(void) {{ return 0; }}\n")
        run([compiler, *flags, f"-I{header.parent}", "-fsyntax-only", "use"], tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize("board", [board.name for board in list_boards() if not board.host])
def test_headers_of_boards_pass_as_cpp(tmp_path: Path, board: str) -> None:
    need("arm-none-eabi-g++")
    generate_firmware(random_model(), load_board(board), tmp_path)
    for header in sorted(tmp_path.glob("*.h")):
        run(["arm-none-eabi-g++", "-x", "c++", *CXX, "-fsyntax-only", header.name], tmp_path)


def test_a_prefix_is_on_every_name_and_on_nothing_of_the_user(tmp_path: Path) -> None:
    card, classes = "mcukd_model MCUKD_X gate(x)", ("mcukd_a", "lower(x", "c", "MCUKD_d")
    model = replace(random_model(), card=card, classes=classes)
    files = generate_model(model, tmp_path, "m4f", prefix="cow")
    assert sorted(file.name for file in files) == [
        "cow_kernel.S", "cow_known_answer.c", "cow_known_answer.h", "cow_model.c", "cow_model.h",
        "cow_trace.c", "cow_trace.h",
    ]  # fmt: skip
    text = "".join(file.read_text() for file in files)
    for kept in (card, '"mcukd_a"', '"lower(x"', '"MCUKD_d"'):
        assert kept in text
        text = text.replace(kept, "")
    assert "mcukd_" not in text and "MCUKD_" not in text
    assert not re.search(r"(?<!\w)(gate|lower|saturate|layer|new_state)\(", text)
    assert "#ifndef COW_MODEL_H" in text and "cow_model_step" in text


def test_guards_of_prefixes_that_differ_in_capitals_alone_are_others(tmp_path: Path) -> None:
    guards = set()
    for number, prefix in enumerate(("cow", "Cow", "COW")):
        for file in generate_model(random_model(), tmp_path / str(number), prefix=prefix):
            guards |= set(re.findall(r"#ifndef (\w+)", file.read_text()))
            assert "#define COW_MODEL_WINDOW" in file.read_text() or file.name != f"{prefix}_model.h"
    assert len(guards) == 9 and {"COW_MODEL_H", "Cow_model_h", "COW_model_h"} <= guards


def test_macros_of_prefixes_that_differ_in_capitals_alone_are_an_error(tmp_path: Path) -> None:
    need("gcc")
    for prefix in ("cow", "Cow"):
        generate_model(random_model(), tmp_path / prefix, prefix=prefix)
    (tmp_path / "main.c").write_text('#include "cow/cow_model.h"\n#include "Cow/Cow_model.h"\n')
    with pytest.raises(AssertionError, match="their prefixes must differ by more than capitals"):
        run(["gcc", "-std=c99", "-w", "-c", "main.c"], tmp_path)


def test_the_default_prefix_changes_no_byte(tmp_path: Path) -> None:
    model = random_model()
    for file in generate_model(model, tmp_path / "a", "m3"):
        generate_model(model, tmp_path / "b", "m3", prefix="mcukd")
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize(
    "prefix", ["cow", "a", "x2", "cow_3", "int", "mcukd", "a" * 40, "Cow", "GRU8", "modelA"]
)
def test_prefixes_of_c_names_are_taken(prefix: str) -> None:
    assert check_prefix(prefix) == prefix
    assert with_prefix("mcukd_model MCUKD_MODEL x_mcukd_y", prefix) == (
        f"{prefix}_model {prefix.upper()}_MODEL x_mcukd_y"
    )


@pytest.mark.parametrize(
    "prefix",
    ["", " ", "2cow", "a-b", "a b", "cow/", "../cow", "é", "cow\n", "Cöw", "_cow", "cow_", "a__b",
     "a" * 41, "cow;", "١", "mcukd.", "-"],
)  # fmt: skip
def test_other_prefixes_are_refused_in_one_sentence(prefix: str) -> None:
    with pytest.raises(UserError, match=r"(?s)--prefix is .* but a C identifier is expected: .*such as cow"):
        check_prefix(prefix)


def test_a_refused_prefix_says_what_would_do() -> None:
    with pytest.raises(UserError, match=r"--prefix is 'My Cow-2' \(did you mean My_Cow_2\?\)"):
        check_prefix("My Cow-2")


def test_generate_writes_the_model_alone_and_leaves_the_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    quantized_study(tmp_path / "runs/one")
    invoke(monkeypatch, tmp_path, "generate", "--board", "collar")
    firmware = {file: file.read_bytes() for file in (tmp_path / "runs/one/firmware").rglob("*.*")}
    manifest = (tmp_path / "runs/one/study.json").read_bytes()
    shown = invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow")
    assert shown.exit_code == 0
    assert "dropin/cow: generated (model " in shown.stdout
    assert "Compile cow_model.c, include cow_model.h from C or C++" in shown.stdout
    assert "nothing to do" in invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow").stdout
    assert not list((tmp_path / "runs/one/dropin/cow").glob("*.S"))
    again = invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow", "--board", "eartag")
    assert "Compile cow_model.c and cow_kernel.S" in again.stdout
    assert (tmp_path / "runs/one/dropin/cow/cow_kernel.S").exists()
    assert firmware == {file: file.read_bytes() for file in (tmp_path / "runs/one/firmware").rglob("*.*")}
    assert manifest == (tmp_path / "runs/one/study.json").read_bytes()


def test_a_refused_prefix_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quantized_study(tmp_path / "runs/one")
    with pytest.raises(UserError, match="--prefix is '../x'"):
        invoke(monkeypatch, tmp_path, "generate", "--prefix", "../x")
    with pytest.raises(UserError, match="--optimize size goes with --board"):
        invoke(monkeypatch, tmp_path, "generate", "--prefix", "x", "--optimize", "size")
    assert not (tmp_path / "runs/one/dropin").exists() and not (tmp_path / "runs/one/x_model.c").exists()


def test_files_of_others_in_the_folder_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's program beside the model is neither removed nor taken for a change of the model."""
    monkeypatch.setenv("COLUMNS", "200")
    quantized_study(tmp_path / "runs/one")
    invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow", "--board", "eartag")
    folder = tmp_path / "runs/one/dropin/cow"
    (folder / "cow_build").mkdir()
    for name in ("main.c", "cow_main.c", "other.S", "my.h", "notes.txt"):
        (folder / name).write_text("mine")
    again = invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow", "--board", "eartag")
    assert again.exit_code == 0 and "nothing to do" in again.stdout
    invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow")
    assert not (folder / "cow_kernel.S").exists()
    for name in ("main.c", "cow_main.c", "other.S", "my.h", "notes.txt"):
        assert (folder / name).read_text() == "mine"


@pytest.mark.parametrize("place", ["dropin", "dropin/cow"])
def test_a_file_in_the_folders_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    quantized_study(tmp_path / "runs/one")
    file = tmp_path / "runs/one" / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(UserError, match=f"{place}: is a file, but the folder"):
        invoke(monkeypatch, tmp_path, "generate", "--prefix", "cow")
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    ["a */ b", "a /* b", r"a *\/ b", r"a /\* b", "/*/", "**//", "ends in \\", "a ??/", "a\nb", "\u202eb"],
)
def test_words_of_a_user_neither_end_a_comment_nor_begin_one(tmp_path: Path, words: str) -> None:
    need("gcc")
    board = load_board("native").model_copy(update={"title": words, "unverified": [words]})
    generate_firmware(replace(random_model(), card=words), board, tmp_path)
    for header in ("mcukd_model.h", "mcukd_port.h"):
        run(["gcc", "-x", "c", *STRICT, "-Wcomment", "-Wtrigraphs", "-fsyntax-only", header], tmp_path)


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
@pytest.mark.parametrize("name", ["two GRUs", "a GRU and a filter"])
def test_sources_compiled_as_cpp_give_the_known_answers_too(tmp_path: Path, name: str, standard: str) -> None:
    """As 'g++ *.c *.cpp' does."""
    need("g++")
    sources = write_program(pairs_of_models()[name], tmp_path)
    cxx = [f"-std={standard}", "-x", "c++", *CXX[1:], "-O1"]
    run(["g++", *cxx, "main.cpp", *sources, "-o", "main"], tmp_path)
    run(["./main"], tmp_path)


@pytest.mark.parametrize(("scale", "written"), [(512.0, "512"), (1000.7, "1000.7"), (0.25, "0.25")])
def test_the_scale_of_samples_is_not_rounded(tmp_path: Path, scale: float, written: str) -> None:
    for model in (random_model(), filter_model(0)):
        generate_model(replace(model, counts_per_g=scale), tmp_path)
        header = (tmp_path / "mcukd_model.h").read_text()
        assert f"#define MCUKD_MODEL_COUNTS_PER_G {written}\n" in header
        assert f"int16 at {written} counts per g" in header
