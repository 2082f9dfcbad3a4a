"""CMake: a library that is installed and found by `find_package`, or added as a subdirectory."""

from __future__ import annotations

from mcukd.packaging.targets.target import Target

CMAKE = Target("cmake", "CMake", "packages/cmake", "examples/self_test")
