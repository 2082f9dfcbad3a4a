"""Plugins: imported once, before a registry's first lookup, and named in errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from mcukd.errors import UserError
from mcukd.plugins import Registry

LOOKUP = """
from typing import NamedTuple
from mcukd.plugins import Registry
import sys
registry = Registry("thing")
sys.modules["things"] = sys.modules["__main__"]
print(list(registry), len(registry), "extra" in registry)
"""
REGISTERS = """
from typing import NamedTuple
import things

class Thing(NamedTuple):
    name: str

print("imported")
things.registry.register(Thing("extra"))
assert "extra" in things.registry  # a lookup while plugins are imported
"""
CLASHES = """
from typing import NamedTuple
from mcukd.plugins import Registry

class Thing(NamedTuple):
    name: str
    number: int

registry = Registry("thing", [Thing("extra", 1)])
registry.register(Thing("extra", 2))
"""


class Thing(NamedTuple):
    name: str
    number: int = 0


def look_up(folder: Path, plugins: str, script: str = LOOKUP) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path, "MCUKD_PLUGINS": plugins},
    )  # fmt: skip


def test_plugins_of_the_environment_register_before_the_first_lookup(tmp_path: Path) -> None:
    (tmp_path / "lab_plugin.py").write_text(REGISTERS)
    done = look_up(tmp_path, "lab_plugin, lab_plugin")
    assert done.stdout.splitlines() == ["imported", "['extra'] 1 True"], done.stderr


def test_plugins_of_installed_packages_are_found_by_their_entry_point(tmp_path: Path) -> None:
    (tmp_path / "lab_plugin.py").write_text(REGISTERS)
    facts = tmp_path / "lab-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[mcukd.plugins]\nlab = lab_plugin\n")
    done = look_up(tmp_path, "")
    assert done.stdout.splitlines() == ["imported", "['extra'] 1 True"], done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "MCUKD_PLUGINS: plugin 'lab_plugin': no such module; put its folder on PYTHONPATH"),
        ("1/0", "plugin 'lab_plugin': its import failed (ZeroDivisionError: division by zero); mend it"),
        ("import no_such_part", "its import failed (ModuleNotFoundError: No module named 'no_such_part')"),
        ("import lab", "its import failed (ModuleNotFoundError: No module named 'lab')"),
        ("raise SystemExit(3)", "its import failed (SystemExit: 3); mend it"),
        (CLASHES, "MCUKD_PLUGINS: plugin 'lab_plugin': thing extra: registered twice; give one of the two"),
    ],
)
def test_a_plugin_that_fails_is_one_sentence_every_time(tmp_path: Path, text: str, said: str) -> None:
    if text:
        (tmp_path / "lab_plugin.py").write_text(text)
    script = """
from mcukd.errors import UserError
from mcukd.plugins import Registry
for _ in range(2):
    try:
        len(Registry("thing"))
    except UserError as error:
        print(error)
"""
    lines = look_up(tmp_path, "lab_plugin", script).stdout.splitlines()
    assert len(lines) == 2
    assert all(said in line for line in lines)


def test_registry_keeps_order_and_refuses_a_second_entry_of_a_name() -> None:
    registry = Registry("thing", [Thing("b"), Thing("a")])
    assert registry.registered == tuple(registry) == ("b", "a")
    assert registry.register(registry["a"]) == Thing("a")
    with pytest.raises(UserError, match="thing a: registered twice"):
        registry.register(Thing("a", 1))
    assert registry.find("b", "--thing") == Thing("b")
    with pytest.raises(UserError, match=r"--thing is c: no such thing.*; choose one of b, a\."):
        registry.find("c", "--thing")
