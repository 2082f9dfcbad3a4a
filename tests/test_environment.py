"""Environment of tests: the user's settings reach neither the tests nor the programs they start."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from builders.places import ROOT, TESTS

#: Commands in a process of their own and in this one, options with a variable, compiled libraries.
REPRESENTATIVE = (
    "cli/test_commands.py::test_version",
    "test_readme.py::test_the_example_of_a_sweep_is_a_grid",
    "pipeline/test_firmware.py::test_commands_print_facts_and_do_nothing_twice",
    "profiling/test_measure.py::test_command_prints_a_row",
    "inference/test_batch.py::test_no_windows_and_no_steps_are_no_special_case",
)


def settings() -> set[str]:
    """Every variable that mcukd reads."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "mcukd").rglob("*.py")]
    return {name for text in sources for name in re.findall(r"[\"'](MCUKD_[A-Z_]+)[\"']", text)}


def test_nonsense_in_every_variable_changes_no_test() -> None:
    names = settings()
    assert {"MCUKD_DATA", "MCUKD_RUN", "MCUKD_BOARD", "MCUKD_PLUGINS", "MCUKD_CACHE", "MCUKD_HOST"} <= names
    nonsense = dict.fromkeys(names, "/nowhere/at-all")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *REPRESENTATIVE],
        cwd=TESTS, env={**os.environ, **nonsense}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
