"""Settings of an agreement: what counts as the same, and how precisely it is to be known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mcukd.errors import UserError
from mcukd.metrics.agreement.track import NS

_DAY_S, _YEAR_MIN = 86_400.0, 525_600.0


@dataclass(frozen=True)
class AgreementSettings:
    """What counts as the same, and how precisely it is to be known.

    tolerance_s: two sources agree at a moment where the other says the same within ± this many seconds.
    clock_uncertainty_s: by how much the two clocks may differ; it is added to the tolerance. overlap: share
    of a bout's time at which the other must say the same for the bout to be found; for two bouts to be
    linked, the share of the longer one that they have in common. known_share: share of a bout or of a bin
    that both must know for it to count. bin_minutes: length of the bins of a time budget. grid_s: step of the
    kappa on a grid of moments. wanted_half_width: a sensitivity is to be known to ± this. expected_share:
    sensitivity that is planned with until ten bouts were seen. level: of all intervals. no_answer: names of
    classes that are no answer, in lower case. names: of the two sources, in sentences. Raises UserError for a
    value that makes no sense.
    """

    tolerance_s: float = 2.0
    clock_uncertainty_s: float = 0.0
    overlap: float = 0.5
    known_share: float = 0.5
    bin_minutes: float = 5.0
    grid_s: float = 1.0
    wanted_half_width: float = 0.1
    expected_share: float = 0.85
    level: float = 0.95
    no_answer: tuple[str, ...] = ("unknown",)
    names: tuple[str, str] = ("the observer", "the tag")

    def __post_init__(self) -> None:
        self._require("tolerance_s", 0 <= self.tolerance_s <= _DAY_S, "seconds, from 0 to a day (86400)")
        # What is said of a bad clock may be years; in ns it still has to fit into 64 bits.
        self._require("clock_uncertainty_s", 0 <= self.clock_uncertainty_s <= 1e9, "seconds, from 0 to 1e9")
        self._require("bin_minutes", 1e-3 <= self.bin_minutes <= _YEAR_MIN, "minutes, from .001 to a year")
        self._require("grid_s", 1e-3 <= self.grid_s <= _DAY_S, "seconds, from .001 to a day (86400)")
        for name in ("overlap", "known_share"):
            self._require(name, 0 < getattr(self, name) <= 1, "a share above 0 and up to 1")
        self._require("wanted_half_width", 0 < self.wanted_half_width < 0.5, "a share above 0 and below .5")
        for name in ("expected_share", "level"):
            self._require(name, 0 < getattr(self, name) < 1, "a share between 0 and 1")

    @property
    def effective_tolerance_s(self) -> float:
        """The tolerance that is used: the one asked for plus the uncertainty of the clocks, in s."""
        return self.tolerance_s + self.clock_uncertainty_s

    @property
    def tolerance_ns(self) -> int:
        """The tolerance that is used, in ns."""
        return round(self.effective_tolerance_s * NS)

    def is_no_answer(self, name: str) -> bool:
        """Tell whether a class of this name is no answer."""
        return name.strip().lower() in self.no_answer

    def stated(self) -> dict[str, Any]:
        """Return all settings and `effective_tolerance_s` in JSON types."""
        found = asdict(self)
        found.update(no_answer=list(self.no_answer), names=list(self.names))
        return {**found, "effective_tolerance_s": self.effective_tolerance_s}

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UserError(f"agreement: {name} is {getattr(self, name)}, expected {expected}.")
