"""PlatformIO: a library with its `library.json`."""

from __future__ import annotations

from mcukd.packaging.targets.target import Target

PLATFORMIO = Target("platformio", "PlatformIO", "packages/platformio", "examples/self_test")
