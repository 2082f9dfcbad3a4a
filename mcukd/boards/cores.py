"""Registry of processor cores: how each is named, compiled for, emulated and timed.

A new core is one entry here, or one that a plugin registers (`mcukd.plugins`). An instruction set that no
kernel is written for, and a cycle table of its own, are files that the entry names.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcukd.errors import UserError
from mcukd.plugins import Registry
from mcukd.text import listed

#: What model and compiler are asked for.
OPTIMIZE = ("speed", "size")


@dataclass(frozen=True)
class Core:
    """A processor core that firmware is built for.

    name: as board files and ports spell it. option: as `--core`, cycle tables and measurements spell it.
    title: for people and comments of generated C. flags: of the compiler. fpu: whether start-up turns a
    floating-point unit on. kernels: instruction set of its steps in assembly, a key of
    `codegen.gru.family.WRITERS`; None where it runs portable C only. condition: of C's preprocessor, true
    where a compiler builds for a core that runs these kernels; packages hold those with one. machine: QEMU's
    MPS2 machine that has it, on which models are measured. cycles: its cycle table, a file of
    `mcukd/profiling` or an absolute path.
    """

    name: str
    option: str
    title: str
    flags: tuple[str, ...] = ()
    fpu: bool = False
    kernels: str | None = None
    condition: str | None = None
    machine: str | None = None
    cycles: str | None = None


HOST = Core(name="host", option="host", title="this computer")
BUNDLED = (
    Core(
        name="cortex-m3",
        option="m3",
        title="Cortex-M3",
        flags=("-mcpu=cortex-m3", "-mthumb"),
        kernels="armv7-m",
        # Its kernels read halfwords at odd addresses.
        condition="defined(__ARM_ARCH_7M__) && defined(__ARM_FEATURE_UNALIGNED)",
        machine="mps2-an385",
        cycles="cycles_m3.toml",
    ),
    Core(
        name="cortex-m4f",
        option="m4f",
        title="Cortex-M4",
        flags=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        fpu=True,
        kernels="armv7e-m",
        condition="defined(__ARM_ARCH_7EM__)",
        machine="mps2-an386",
        cycles="cycles_m4f.toml",
    ),
    HOST,
)
CORES: Registry[Core] = Registry("core", BUNDLED)


def cores_with(*facts: str) -> dict[str, Core]:
    """Return the cores that have all these facts (`kernels`, `machine`, `cycles`), by their options."""
    return {core.option: core for core in CORES.values() if all(getattr(core, fact) for fact in facts)}


def check_optimize(optimize: str) -> str:
    """Return `speed` or `size` as it is. Raises UserError for anything else."""
    if optimize not in OPTIMIZE:
        raise UserError(f"--optimize {optimize}: choose one of {listed(OPTIMIZE)}.")
    return optimize
