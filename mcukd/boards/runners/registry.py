"""Registry of flash runners; plugins add theirs (`mcukd.plugins`)."""

from __future__ import annotations

from mcukd.boards.runners.openocd import OpenOcdRunner
from mcukd.boards.runners.pyocd import PyOcdRunner
from mcukd.boards.runners.runner import Runner
from mcukd.plugins import Registry

BUNDLED: tuple[Runner, ...] = (OpenOcdRunner(), PyOcdRunner())
RUNNERS: Registry[Runner] = Registry("flash runner", BUNDLED)
