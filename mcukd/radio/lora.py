"""LoRa packets: their time on air, and the frame that a tag sends.

Time on air follows Semtech's SX1272/73 data sheet (rev. 2, section 4.1.1.7), in whole nanoseconds: with
the chip's three bandwidths every quarter of a symbol is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcukd.errors import UserError

BANDWIDTHS_HZ = (125_000, 250_000, 500_000)
#: Bytes of a tag's number before the payload, the high one first.
ID_BYTES = 2
_SECOND_NS = 1_000_000_000
#: Longer symbols need the optimisation for low data rates.
_LONG_SYMBOL_NS = 16_000_000


@dataclass(frozen=True)
class LoraSettings:
    """What decides the time on air.

    spreading_factor: 7 to 12. bandwidth_hz: one of `BANDWIDTHS_HZ`. coding_rate: 5 to 8, of 4/5 to 4/8.
    preamble: symbols as they are set, to which the chip adds 4.25. header, crc: whether there is an explicit
    header, and a check sum of the payload.
    """

    spreading_factor: int
    bandwidth_hz: int = 125_000
    coding_rate: int = 5
    preamble: int = 8
    header: bool = True
    crc: bool = True

    @property
    def symbol_ns(self) -> int:
        """Length of a symbol in ns."""
        return (_SECOND_NS << self.spreading_factor) // self.bandwidth_hz

    @property
    def low_data_rate(self) -> bool:
        """Whether the optimisation for low data rates is on, as it has to be for symbols above 16 ms."""
        return self.symbol_ns > _LONG_SYMBOL_NS

    def payload_symbols(self, count: int) -> int:
        """Return the symbols behind the preamble of a packet of `count` bytes."""
        factor, optimised = self.spreading_factor, int(self.low_data_rate)
        bits = 8 * count - 4 * factor + 28 + 16 * self.crc - 20 * (not self.header)
        blocks = -(-bits // (4 * (factor - 2 * optimised)))
        return 8 + max(blocks * self.coding_rate, 0)

    def airtime_ns(self, count: int) -> int:
        """Return how long a packet of `count` bytes is on the air, in ns."""
        quarters = 4 * self.preamble + 17 + 4 * self.payload_symbols(count)
        return quarters * self.symbol_ns // 4


def frame(tag: int, payload: bytes) -> bytes:
    """Return what a tag sends: its number, then the payload."""
    return tag.to_bytes(ID_BYTES, "big") + payload


def split_frame(data: bytes) -> tuple[str, bytes]:
    """Return the number of the tag that sent a frame, and the payload; UserError for too few bytes."""
    if len(data) <= ID_BYTES:
        raise UserError(
            f"the frame has {len(data)} bytes, but more than {ID_BYTES}, of the tag's number, are expected."
        )
    return str(int.from_bytes(data[:ID_BYTES], "big")), data[ID_BYTES:]
