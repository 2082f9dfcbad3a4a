"""A board outside mcukd, one TOML file: it is validated like a bundled one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders.studies import simulated_study

from mcukd.boards.model import load_board
from mcukd.harness.reached import MODEL, QEMU
from mcukd.pipeline.firmware import build_stage, generate_stage
from mcukd.pipeline.validate import validate_study
from mcukd.study import Study

NATIVE = """
name = "toy-native"
title = "Toy board on this computer"
mcu = "this computer's processor"
core = "host"
port = "native"

[console]
uart = "pseudo-terminal"
baud = 115_200
"""

TAG = """
name = "toy-tag"
title = "Toy tag with an nRF52840 and another accelerometer than the herd's"
mcu = "nRF52840"
core = "cortex-m4f"
port = "nrf52840"
clock_hz = 64_000_000
stack_bytes = 4096
optimize = "size"
unverified = ["Everything: it was never made."]

[memory.flash]
origin = 0x0000_0000
length = 1_048_576

[memory.ram]
origin = 0x2000_0000
length = 262_144

[console]
uart = "UART0"
baud = 57_600
tx_pin = 20
rx_pin = 21

[sensor]
part = "Toy 3-axis"
range_g = 8.0
counts_per_g = 256.0
rates_hz = [25.0, 50.0]
axes = ["x", "y", "z"]

[flash]
runner = "pyocd"

[flash.pyocd]
target = "nrf52840"
"""

#: What the twin of the tag has instead.
IN_QEMU = (
    ('name = "toy-tag"', 'name = "toy-tag-emulated"\nemulates = "toy-tag"'),
    ('port = "nrf52840"', 'port = "mps2"'),
    ("tx_pin = 20\nrx_pin = 21\n", ""),
    ('[flash]\nrunner = "pyocd"\n\n[flash.pyocd]\ntarget = "nrf52840"\n', ""),
)
EMULATOR = '\n[emulator]\nmachine = "mps2-an386"\ntimer_hz = 25_000_000\n'


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulated_study(tmp_path_factory.mktemp("runs") / "a", steps=64)


def written(folder: Path, content: str, changes: tuple[tuple[str, str], ...] = ()) -> str:
    """Write a board file and return its path, as `--board` takes it."""
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    name = content.split('"')[1]
    (folder / f"{name}.toml").write_text(content, encoding="utf-8")
    return str(folder / f"{name}.toml")


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler")
def test_one_file_makes_a_board_of_this_computer(study: Study, tmp_path: Path) -> None:
    board = load_board(written(tmp_path, NATIVE))
    assert generate_stage(study, board).ran and build_stage(study, board)[1]
    facts = validate_study(study, board, windows=4)
    assert (facts["board"], facts["ran_on"]) == ("toy-native", "toy-native")
    assert facts["mismatches"] == 0 and facts["selftest"]["passed"] and facts["streaming"]["passed"]


@pytest.mark.emulator
def test_a_copy_of_a_bundled_board_under_another_name_is_validated(study: Study, tmp_path: Path) -> None:
    """It has a modelled chip and no twin."""
    source = load_board("collar").path
    assert source is not None
    text = source.read_text(encoding="utf-8").replace('name = "collar"', 'name = "mine"')
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    facts = validate_study(study, load_board(str(tmp_path / "mine.toml")), emulate=True, windows=4)
    assert (facts["board"], facts["ran_on"], facts["mismatches"]) == ("mine", "mine", 0)
    assert facts["reached"]["kind"] == MODEL


@pytest.mark.emulator
def test_one_file_makes_a_tag_and_a_second_its_twin(study: Study, tmp_path: Path) -> None:
    tag = load_board(written(tmp_path, TAG))
    assert generate_stage(study, tag).ran
    built, _ = build_stage(study, tag)
    assert built.hex is not None and built.size["flash_bytes"] < built.size["flash_limit"]
    twin = load_board(written(tmp_path, TAG + EMULATOR, IN_QEMU))
    for board, kind in ((tag, MODEL), (twin, QEMU)):
        facts = validate_study(study, board, emulate=board is tag, windows=4)
        assert (facts["board"], facts["ran_on"]) == (board.name, board.name)
        assert facts["reached"]["kind"] == kind
        assert facts["mismatches"] == 0 and facts["selftest"]["passed"] and facts["streaming"]["passed"]
        assert "Toy 3-axis" in facts["scale"]["sentence"]


PLUGIN = """
from typing import Any

from mcukd.boards.cores import CORES, Core
from mcukd.boards.runners.registry import RUNNERS
from mcukd.boards.runners.runner import Runner
from mcukd.boards.section import Section


class ToySection(Section):
    chip: str


class ToyRunner(Runner):
    name, section, install = "toyflash", ToySection, ("pip install toyflash",) * 2
    success, success_words = (r"took (\\d+) bytes",), "'took … bytes'"

    def argv(self, facts: Any, firmware: Any, options: Any) -> list:
        return ["toyflash", facts.chip, firmware.name]


CORES.register(Core("toy-core", "toy", "Toy core", ("-mtoy",), kernels="armv7e-m"))
RUNNERS.register(ToyRunner())
"""
ASKED = """
import sys
from pathlib import Path
from mcukd.boards.cores import CORES
from mcukd.boards.flashing import FlashOptions, flash_argv
from mcukd.boards.model import load_board
from mcukd.harness.reached import MODEL, QEMU
from mcukd.boards.toolchain import core_flags
from mcukd.codegen.kernel import kernel_for
from mcukd.fixedpoint.model import load_model
print(core_flags(CORES["toy-core"], "size")[-1])
print(kernel_for(load_model(Path(sys.argv[2])), "toy", "speed").core)
print(*flash_argv(load_board(sys.argv[1]), Path("firmware.elf"), FlashOptions()))
"""


def test_a_plugin_adds_a_core_and_a_flash_runner(study: Study, tmp_path: Path) -> None:
    (tmp_path / "toy_hardware.py").write_text(PLUGIN, encoding="utf-8")
    board = written(
        tmp_path, TAG, (('"pyocd"', '"toyflash"'), ("[flash.pyocd]", "[flash.toyflash]"), ("target", "chip"))
    )
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "MCUKD_PLUGINS": "toy_hardware", "PYTHONPATH": path}
    command = [sys.executable, "-c", ASKED, board, str(study.path)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["-mtoy", "Toy core", "toyflash nrf52840 firmware.elf"]
