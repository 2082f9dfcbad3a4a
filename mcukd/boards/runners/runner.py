"""Protocol of a flash runner: its section of a board file, its command line, and its success messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mcukd.boards.section import Section


@dataclass(frozen=True)
class FlashOptions:
    """probe: serial number of the probe, where several are connected.

    allow_erase: erase the whole flash first, and nothing but the flash. unlock: let the runner unlock a
    protected chip, which erases it. erase_chip: erase everything on the chip, its settings (UICR) too.
    erase_provisioning: what the tag was told, and its log, may be lost with that.
    """

    probe: str | None = None
    allow_erase: bool = False
    unlock: bool = False
    erase_chip: bool = False
    erase_provisioning: bool = False

    @property
    def erases_all(self) -> str | None:
        """The option that erases all of the flash; None where only what is written is erased."""
        names = ("allow_erase", "unlock", "erase_chip")
        return next((f"--{name.replace('_', '-')}" for name in names if getattr(self, name)), None)


class Runner(ABC):
    """A program that flashes boards through a debug probe. `facts` is a board's section of the runner.

    name: of the program, of its section [flash.<name>] and of `--runner`. section: the model of that section.
    success: patterns of the lines that it prints when it has flashed; each has to be there, with more than 0
    bytes in its groups. success_words: the same for people. install: the commands
    that install it on Linux and on macOS.
    """

    name: ClassVar[str]
    section: ClassVar[type[Section]]
    success: ClassVar[tuple[str, ...]]
    success_words: ClassVar[str]
    install: ClassVar[tuple[str, str]]

    @abstractmethod
    def argv(self, facts: Any, firmware: Path, options: FlashOptions) -> list[str]:
        """Return the argument list that flashes `firmware`.

        Raises UserError where the runner cannot do what the options ask for.
        """

    def can_unlock(self, facts: Any) -> bool:
        """Tell whether it can unlock a protected chip."""
        return False

    def other_probes(self, facts: Any) -> dict[str, str]:
        """Return names of the connected probes by serial number, where it would take the first of several.

        Empty for one probe, and for a runner that refuses to choose.
        """
        return {}

    def chip_erase_loses(self, facts: Any) -> str:
        """Return what erasing the whole chip destroys beside the flash, for messages."""
        return "all"
