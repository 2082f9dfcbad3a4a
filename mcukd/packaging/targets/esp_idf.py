"""ESP-IDF: a component with its `idf_component.yml`."""

from __future__ import annotations

from mcukd.packaging.targets.target import Target


def name_problem(name: str) -> str | None:
    """Refuse capitals: the component manager makes small letters of them, so that two names would be one."""
    return None if name == name.lower() else "names of ESP-IDF's components have small letters only"


#: Its chips are Xtensa and RISC-V, for which there are no assembly steps.
ESP_IDF = Target(
    "esp-idf", "ESP-IDF", "packages/esp-idf", "examples/self_test", assembly=False, name_problem=name_problem
)
