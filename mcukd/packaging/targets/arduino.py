"""Arduino: a library of format 1.5, as the IDE and arduino-cli install it from a zip."""

from __future__ import annotations

from mcukd.packaging.targets.target import Target


def name_problem(name: str) -> str | None:
    """Refuse names that Arduino keeps for its own libraries; others that C allows are all right."""
    if "arduino" in name.lower():
        return "Arduino keeps names with 'arduino' for its own libraries"
    return None


ARDUINO = Target(
    "arduino", "Arduino", "packages/arduino", "examples/self_test/self_test.ino", name_problem=name_problem
)
