"""All generated C: no warnings under two compilers, clean under sanitizers, no library in the model.

The application is run under the same sanitizers over a byte line in `tests/harness/test_device.py`.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.compile import ARM, SANITIZED, STRICT, assert_needs_no_library, compile_all
from builders.host import GAINS, STEPS, all_kinds, assert_same, host_model
from builders.portable import PORTABLE as FAMILIES
from builders.students import headed_model, random_model

from mcukd.boards.model import list_boards, load_board
from mcukd.codegen.firmware import generate_firmware, generate_model
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.inference.gru import Shape, source

PORTABLE = "-DMCUKD_BATCH_PORTABLE"

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")


def kinds_of_models() -> list[IntegerModel]:
    """Both tables, packed and unpacked weights, odd and even shapes, a narrow state, all kinds of head."""
    return [
        random_model(0, 8, hidden=16, dense=16, steps=STEPS),
        host_model(1, 4, "direct", 5, 2),
        host_model(2, 5, "interpolated", 7, 1, 8.0),
        host_model(3, 13, "direct", 6, 6, 0.01, activation_bits=11),
        headed_model("linear", 4, 8, steps=STEPS),
        headed_model("prototype", 5, 12, steps=STEPS, hidden=7),
    ]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_firmware_sources_compile_without_warnings(tmp_path: Path, compiler: str) -> None:
    """Model, trace, known answers, application and the native port; of other models the model."""
    first, *others = kinds_of_models()
    generate_firmware(first, load_board("native"), tmp_path)
    names = {"mcukd_model.c", "mcukd_trace.c", "mcukd_known_answer.c", "app_main.c", "port_native.c"}
    assert names <= {file.name for file in tmp_path.iterdir()}
    compile_all(compiler, ["-O2"], tmp_path)
    for number, model in enumerate(others):
        generate_model(model, tmp_path / str(number))
        compile_all(compiler, ["-O2"], tmp_path / str(number))


@pytest.mark.parametrize(
    ("shape", "flags"),
    [
        (Shape(16, 3, 16, 6), ["-march=native"]),
        (Shape(5, 2, 3, 2), []),
        (Shape(1, 1, 1, 1), [PORTABLE]),
        (Shape(8, 3, 0, 4), []),
        (Shape(8, 3, 0, 4, 3), ["-march=native"]),
    ],
    ids=["native", "least", "portable", "linear", "prototype"],
)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_batch_compiles_without_warnings(
    tmp_path: Path, compiler: str, shape: Shape, flags: list[str]
) -> None:
    (tmp_path / "batch.c").write_text(source(shape))
    compile_all(compiler, ["-O2", *flags], tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize("board", [board.name for board in list_boards() if not board.host])
def test_board_sources_compile_without_warnings(tmp_path: Path, board: str) -> None:
    generate_firmware(kinds_of_models()[0], load_board(board), tmp_path)
    compile_all("arm-none-eabi-gcc", ["-O2", *ARM[load_board(board).processor.option]], tmp_path)


@pytest.mark.emulator
@pytest.mark.skipif(shutil.which("avr-gcc") is None, reason="needs avr-gcc")
def test_model_sources_compile_without_warnings_where_int_has_16_bits(tmp_path: Path) -> None:
    for number, model in enumerate([*kinds_of_models(), *(one.model(0, 8) for one in FAMILIES.values())]):
        folder = tmp_path / str(number)
        generate_model(model, folder)
        compile_all("avr-gcc", ["-mmcu=atmega2560", "-Os"], folder)


@needs_cc
def test_model_objects_need_no_library_on_the_host(tmp_path: Path) -> None:
    for number, model in enumerate(kinds_of_models()):
        folder = tmp_path / str(number)
        generate_model(model, folder)
        compile_all("cc", ["-O2"], folder)
        assert_needs_no_library("nm", folder, {"mcukd_model", "mcukd_trace", "mcukd_known_answer"})


@pytest.mark.emulator
@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("core", sorted(ARM))
def test_model_objects_need_no_library_on_a_core(tmp_path: Path, core: str, level: str) -> None:
    for number, model in enumerate(kinds_of_models()[:2]):
        for kernel in (None, core):
            folder = tmp_path / f"{number}-{kernel}"
            generate_model(model, folder, kernel, "size" if level == "-Os" else "speed")
            compile_all("arm-none-eabi-gcc", [level, *ARM[core]], folder)
            compile_all("arm-none-eabi-gcc", [level, *ARM[core]], folder, "*.S")
            names = {"mcukd_model", "mcukd_trace", "mcukd_known_answer"}
            if (folder / "mcukd_kernel.S").exists():
                names.add("mcukd_kernel")
            assert_needs_no_library("arm-none-eabi-nm", folder, names)


MODEL_MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "mcukd_known_answer.h"
#include "mcukd_trace.h"

/* Windows of STEPS samples from standard input; logits and last states to standard output. The traced step
   goes the same way. */
int main(void)
{
    int16_t window[STEPS][MCUKD_MODEL_CHANNELS];
    const int known = memcmp(mcukd_known_windows, mcukd_known_windows, sizeof mcukd_known_windows);
    while (!known && fread(window, sizeof window, 1, stdin) == 1) {
        mcukd_state state, traced;
        mcukd_trace trace;
        int16_t logits[MCUKD_MODEL_CLASSES];
        mcukd_model_reset(&state);
        mcukd_model_reset(&traced);
        for (int t = 0; t < STEPS; t++) {
            mcukd_model_step(&state, window[t]);
            mcukd_model_step_traced(&traced, window[t], &trace);
            if (memcmp(&state, &traced, sizeof state) != 0 || memcmp(trace.h, state.h, sizeof trace.h) != 0) {
                return 3;
            }
        }
        mcukd_model_classify(&state, logits);
        fwrite(logits, sizeof logits, 1, stdout);
        fwrite(state.h, sizeof(int16_t), MCUKD_MODEL_HIDDEN, stdout);
    }
    return 0;
}
"""


@needs_cc
@pytest.mark.parametrize("bits", range(4, 17))
def test_the_model_is_clean_under_sanitizers(tmp_path: Path, bits: int) -> None:
    """Full-scale, alternating, constant and random windows; widths, tables, gains and shapes take turns."""
    hidden, channels = (5, 8, 7, 2)[bits % 4], (3, 1, 2, 6, 3)[bits % 5]
    gates = ("interpolated", "direct")[bits // 2 % 2]
    model = host_model(bits, bits, gates, hidden, channels, GAINS[bits % 3], 16 - bits % 3 * 3)
    assert model.arrays["bias_h_rec"].any()
    generate_model(model, tmp_path)
    (tmp_path / "main.c").write_text(MODEL_MAIN)
    files = sorted(path.name for path in tmp_path.glob("*.c"))
    subprocess.run(
        ["cc", *STRICT, *SANITIZED, f"-DSTEPS={STEPS}", *files, "-o", "main"], cwd=tmp_path, check=True
    )
    counts = all_kinds(channels, 60, seed=bits)
    ran = subprocess.run([tmp_path / "main"], input=counts.tobytes(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    found = np.frombuffer(ran.stdout, "<i2").reshape(len(counts), -1)
    expected = run(model, counts)
    assert np.array_equal(found[:, :4], expected.logits)
    assert np.array_equal(found[:, 4:], expected.state)


BATCH_TEST = r"""
import pickle, sys
import numpy as np
from pathlib import Path
from mcukd.inference import library
from mcukd.inference.batch import backend, classify_stream, run_fast

library.FLAGS = (*library.FLAGS, *sys.argv[2:])
found = []
for model, counts in pickle.loads(Path(sys.argv[1]).read_bytes()):
    assert backend(model).name == "c", backend(model)
    # Samples end where memory ends, which the sanitizer watches.
    classes = classify_stream(model, counts.reshape(-1, model.channels).copy(), counts.shape[1])
    found.append((run_fast(model, counts), classes))
Path(sys.argv[1]).write_bytes(pickle.dumps(found))
"""


@needs_cc
@pytest.mark.parametrize(("hidden", "channels", "flags"), [(5, 3, []), (8, 2, [PORTABLE])])
def test_the_batch_is_clean_under_sanitizers(
    tmp_path: Path, hidden: int, channels: int, flags: list[str]
) -> None:
    """In a process of its own that has the sanitizer from its start."""
    runtime = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("the compiler has no shared libasan to load into Python")
    cases = []
    for bits in (4, 5, 8, 9, 14, 16):
        gates = ("interpolated", "direct")[bits % 2]
        model = host_model(bits, bits, gates, hidden, channels, GAINS[bits % 3], 16 - bits % 4)
        cases.append((model, all_kinds(channels, 35, seed=bits)))
    exchange = tmp_path / "cases.pickle"
    exchange.write_bytes(pickle.dumps(cases))
    ran = subprocess.run(
        [sys.executable, "-c", BATCH_TEST, exchange, *SANITIZED, *flags],
        env={
            **os.environ,
            "MCUKD_CACHE": str(tmp_path / "cache"),
            "LD_PRELOAD": runtime,
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    for (model, counts), (outcome, classes) in zip(cases, pickle.loads(exchange.read_bytes())):
        expected = run(model, counts)
        assert_same(outcome, expected)
        assert np.array_equal(classes, expected.classes)
