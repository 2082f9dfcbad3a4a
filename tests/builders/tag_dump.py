"""A dump of a tag that lived through two starts, for the reader and the command that decodes it."""

from __future__ import annotations

from mcukd.tag.flash import NRF52840, ModelledFlash
from mcukd.tag.operation import Tag, TagConfig

CONFIG = TagConfig(classes=2, log_pages=4, smoothing=1, unknown_margin=10, period_s=3600)
#: Unix seconds at which the time is first set: 2027-01-15T08:00:00Z.
NOON = 1_800_000_000
#: The tag's clock runs 50 ppm fast.
FAST_PPM = 50


class Life:
    """A tag whose low-frequency counter is `ticks`; its clock runs fast by FAST_PPM."""

    def __init__(self) -> None:
        self.flash, self.ticks = ModelledFlash(NRF52840, CONFIG.log_pages), 0
        self.start(1)

    def start(self, cause: int) -> None:
        self.tag = Tag(CONFIG, self.flash, lambda: self.ticks % (1 << 32), cause, 0x12345678, 0x9ABCDEF0)

    def hours(self, hours: float, class_found: int, sure: bool = True) -> None:
        """Results of one class, one every 1.28 s of true time, and 64 samples at 50 Hz before each."""
        for _ in range(round(hours * 3600 / 1.28)):
            self.ticks += round(1.28 * 32768 * (1 + FAST_PPM / 1e6))
            self.tag.on_samples(64)
            logits = [0, 0]
            logits[class_found] = 50 if sure else 5
            self.tag.on_result(class_found, logits)


def two_starts() -> bytes:
    """Return a dump: a time set twice, four behaviours, a gap, an event; then a start without a time."""
    life = Life()
    life.hours(0.5, 0)
    life.tag.set_time(NOON, 0, 1)
    life.hours(1.5, 1)
    life.tag.on_gap(70)
    life.tag.on_event(5, 70)
    life.hours(0.25, 1, sure=False)
    true_seconds = life.ticks / 32768 / (1 + FAST_PPM / 1e6)
    first = 0.5 * 3600 // 1.28 * 1.28
    whole, part = divmod(NOON + true_seconds - first, 1)
    life.tag.set_time(int(whole), int(part * 32768), 2)
    life.tag.stop()
    life.ticks = 123
    life.start(4)
    life.hours(0.1, 0)
    life.hours(0.1, 1)
    life.tag.set_read(3)
    return life.flash.dump()
