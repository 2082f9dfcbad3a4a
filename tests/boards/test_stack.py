"""Bound of a firmware's stack: frames, calls, exceptions, and what has no bound."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mcukd.boards.cores import BUNDLED, Core
from mcukd.boards.stack import ROM, TARGETS, stack_bound
from mcukd.errors import UserError
from mcukd.resources import resource_dir

pytestmark = pytest.mark.emulator
M3, M4F = (next(core for core in BUNDLED if core.name == name) for name in ("cortex-m3", "cortex-m4f"))
_HEAD = ".syntax unified\n.thumb\n.global reset\n"
_VECTORS = '.section .vectors, "a"\n.word 0x20001000, reset, {handlers}\n.text\n'


def bound_of(
    folder: Path, functions: dict[str, str], handlers: str = "0", core: Core = M3
) -> dict[str, object]:
    """Assemble functions, of which `reset` is called first, and bound the stack."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    bodies = "".join(
        f".thumb_func\n.type {name}, %function\n{name}:\n{body}\n" for name, body in functions.items()
    )
    (folder / "program.S").write_text(_HEAD + _VECTORS.format(handlers=handlers) + bodies)
    command = [
        "arm-none-eabi-gcc",
        *core.flags,
        "-nostdlib",
        "-Wl,-e,reset",
        "program.S",
        "-o",
        "program.elf",
    ]
    subprocess.run(command, cwd=folder, check=True)
    return stack_bound(folder / "program.elf", core)


LEAF = "sub sp, #40\nadd sp, #40\nbx lr"


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        ("b reset", 0),
        ("push {r4, lr}\npop {r4, pc}", 8),
        ("push {r4-r11, lr}\nsub sp, #12\nbl leaf\nadd sp, #12\npop {r4-r11, pc}", 36 + 12 + 40),
        # A call after the frame is gone, and one in the frame's place.
        ("push {r4, lr}\npop {r4, lr}\nb leaf", 40),
        ("str lr, [sp, #-4]!\nbl leaf\nldr pc, [sp], #4", 44),
        # Only one branch has a frame.
        ("cmp r0, #0\nbeq 1f\nbl leaf\n1:\nsub sp, #20\nadd sp, #20\nbx lr", 40),
        ("cmp r0, #0\nbeq 1f\nsub sp, #20\nbl leaf\nadd sp, #20\n1:\nbx lr", 60),
        ("push {lr}\nit ne\npopne {pc}\nbl leaf\npop {pc}", 44),
        # Behind a jump through a table.
        ("push {lr}\nsub sp, #4\ntbb [pc, r0]\n.byte 2, 2\nbl leaf\nadd sp, #4\npop {pc}", 48),
        ("stmdb sp!, {r4, r5, lr}\nbl leaf\nldmia sp!, {r4, r5, pc}", 52),
    ],
)
def test_the_deepest_path_counts(tmp_path: Path, reset: str, expected: int) -> None:
    assert bound_of(tmp_path, {"reset": reset, "leaf": LEAF})["bytes"] == expected


def test_registers_of_the_floating_point_unit_count(tmp_path: Path) -> None:
    body = "vpush {d8-d11}\npush {lr}\nbl leaf\npop {lr}\nvpop {d8-d11}\nbx lr"
    assert bound_of(tmp_path, {"reset": body, "leaf": LEAF}, core=M4F)["bytes"] == 32 + 4 + 40


@pytest.mark.parametrize(("core", "frame"), [(M3, 36), (M4F, 108)])
def test_every_exception_may_come_in_the_middle_of_all_others(tmp_path: Path, core: Core, frame: int) -> None:
    handler = "push {r4, lr}\npop {r4, pc}"
    functions = {"reset": "push {r4, lr}\npop {r4, pc}", "tick": handler, "leaf": LEAF}
    found = bound_of(tmp_path, functions, "tick, 0, tick, leaf", core)
    assert (found["bytes"], found["exceptions"]) == (8 + 3 * frame + 2 * 8 + 40, 3 * frame + 2 * 8 + 40)


def test_a_fault_that_leaves_the_stack_begins_at_its_top(tmp_path: Path) -> None:
    fault = "msr msp, r3\nb report"
    report = "sub sp, #100\nadd sp, #100\nbx lr"
    functions = {"reset": "push {r4, lr}\npop {r4, pc}", "fault": fault, "report": report}
    assert bound_of(tmp_path, functions, "fault, fault")["bytes"] == 100
    functions["reset"] = "sub sp, #92\nadd sp, #92\nbx lr"
    assert bound_of(tmp_path, functions, "fault, fault")["bytes"] == 92 + 36


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ({"reset": "push {lr}\nbl reset\npop {pc}"}, "reset calls reset"),
        (
            {
                "reset": "push {lr}\nbl two\npop {pc}",
                "two": "push {lr}\nbl three\npop {pc}",
                "three": "b two",
            },
            "two calls three calls two",
        ),
        ({"reset": "push {lr}\nblx r3\npop {pc}"}, "reset calls a function by pointer"),
        ({"reset": "bx r3"}, "reset calls a function by pointer"),
        ({"reset": "sub.w sp, sp, r3\nbx lr"}, "sub.w sp, sp, r3"),
        ({"reset": "mov sp, r7\nbx lr"}, "mov sp, r7"),
        ({"reset": "1:\npush {r4}\nb 1b"}, "grows in a loop"),
    ],
)
def test_what_has_no_bound_is_refused(tmp_path: Path, functions: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said.replace(".", r"\.")):
        bound_of(tmp_path, functions)


def test_every_target_is_a_function_of_the_firmware() -> None:
    sources = [
        *resource_dir("firmware_templates").rglob("*.c*"),
        *resource_dir("firmware_templates").rglob("*.h"),
    ]
    text = " ".join(path.read_text() for path in sources)
    names = [*TARGETS, *(name for targets in TARGETS.values() for name in targets if name != ROM)]
    assert [name for name in names if f" {name}(" not in text] == []


def test_calls_by_pointer_go_to_the_deepest_of_their_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = {"reset": "push {lr}\nblx r3\npop {pc}", "leaf": LEAF, "other": "push {r4}\npop {r4}\nbx lr"}
    monkeypatch.setitem(TARGETS, "reset", ("other", "leaf", "never"))
    assert bound_of(tmp_path, functions)["bytes"] == 44
    monkeypatch.setitem(TARGETS, "reset", ("never",))
    with pytest.raises(UserError, match="by pointer"):
        bound_of(tmp_path, functions)
