"""Work of a tag, by what it is done for: a result, a sample, a second."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True)
class Work:
    """What a tag's chip does.

    clock_hz: of its core. result_instructions: of one window, from its first sample to its class, without
    what windows share; of the head alone where the state is carried on; None where only a share of the day is
    known. sample_instructions: of all else, for each sample. sample_wait_s: time for each sample in which the
    core waits awake, as for a bus. sample_transfer_s: time for each sample in which a transfer runs without
    the core. flash_words_per_s, flash_pages_per_s: programmed and erased. These three are None where only a
    share of the day is known.
    origin: where all this comes from, a sentence. counted: figures of the count, by name; `awake_share` is
    without the time in which the core stands still for its flash, `flash_share`.
    """

    clock_hz: int
    result_instructions: float | None
    sample_instructions: float
    sample_wait_s: float
    sample_transfer_s: float | None
    flash_words_per_s: float | None
    flash_pages_per_s: float | None
    origin: str
    counted: dict[str, Any]

    def awake_s(self, samples: float, results: float, cycles_per_instruction: float = 1.0) -> float:
        """Return the seconds that the core is awake for some samples and results."""
        instructions = results * (self.result_instructions or 0.0) + samples * self.sample_instructions
        return instructions * cycles_per_instruction / self.clock_hz + samples * self.sample_wait_s

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return asdict(self)


def work_of_share(awake_share: float, rate_hz: float, clock_hz: int) -> Work:
    """Return the work of a core that is awake for a share of the time; what it is done for stays unknown."""
    return Work(
        clock_hz=clock_hz,
        result_instructions=None,
        sample_instructions=0.0,
        sample_wait_s=awake_share / rate_hz,
        sample_transfer_s=None,
        flash_words_per_s=None,
        flash_pages_per_s=None,
        origin=(
            f"the core is awake for {100 * awake_share:g} % of the time, as --awake-share says; what a "
            "result costs is not known, so the hop is no lever, and flash and transfers are left out"
        ),
        counted={"awake_share": awake_share},
    )
