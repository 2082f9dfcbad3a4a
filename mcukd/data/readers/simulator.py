"""Reader "simulator": a herd made in memory, without files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from mcukd.data.raw_segments import RawSegment
from mcukd.data.readers.reader import Reader, Request, Source
from mcukd.data.sections import Columns, Signal
from mcukd.data.simulation.herd import SIMULATOR_VERSION, simulate_herd


class SimulatorSource(Source):
    """Size of the herd of `mcukd.data.simulation.herd`."""

    reader: Literal["simulator"]
    animals: int = Field(ge=2, le=500)
    minutes_per_animal: float = Field(ge=5, le=600)


class SimulatorReader(Reader[SimulatorSource]):
    """Simulates the herd of a card."""

    name = "simulator"
    source = SimulatorSource
    fixed_rate = "the herd is made at any rate_hz"

    def check(self, columns: Columns | None, signal: Signal, simulated: bool) -> None:
        """Ask for `simulated` and for the unit that is made."""
        if not simulated:
            raise ValueError('simulated is false, but true is expected with the reader "simulator"')
        if signal.units != "g":
            raise ValueError(f'signal.units is "{signal.units}", but "g" is what the simulator makes')

    def facts(self, request: Request[SimulatorSource]) -> dict[str, Any]:
        """Return version and seed of the simulator."""
        return {"simulator": {"version": SIMULATOR_VERSION, "seed": request.seed}}

    def read(self, request: Request[SimulatorSource]) -> Iterator[RawSegment]:
        """Yield every bout as one segment."""
        source = request.source
        return simulate_herd(
            request.card,
            source.animals,
            source.minutes_per_animal,
            request.position,
            request.signal,
            request.seed,
        )
