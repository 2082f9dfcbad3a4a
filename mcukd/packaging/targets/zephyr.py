"""Zephyr: a module with its `zephyr/module.yml`, CMake and Kconfig."""

from __future__ import annotations

from mcukd.packaging.targets.target import Target

ZEPHYR = Target("zephyr", "Zephyr", "packages/zephyr", "samples/self_test")
