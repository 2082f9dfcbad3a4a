"""Values that a payload may carry, and how each becomes bits."""

from __future__ import annotations

from dataclasses import dataclass

#: How a value becomes bits. LEADING: its first bits. MODULO: its last bits. SCALED: steps above a minimum,
#: held at both ends. FLAG: whether it is anything but 0.
LEADING, MODULO, SCALED, FLAG = "leading", "modulo", "scaled", "flag"
#: Stands for a value that is not known, in C as well.
UNKNOWN = (1 << 32) - 1


@dataclass(frozen=True)
class Source:
    """A 32-bit value of the tag. rule: how it becomes bits. meaning: for tables and the C header.

    may_be_unknown: whether all bits set stand for a value that is not known.
    """

    name: str
    rule: str
    meaning: str
    may_be_unknown: bool = False


#: In the order of the C packer's values.
SOURCES = {
    each.name: each
    for each in (
        Source("model", LEADING, "first bytes of the model's SHA-256"),
        Source("starts", MODULO, "number of the tag's start, from its log"),
        Source("sequence", MODULO, "payloads since the start, this one left out"),
        Source("battery_mv", SCALED, "battery in mV", may_be_unknown=True),
        Source("gap", FLAG, "samples were lost in the period"),
        Source("fault", FLAG, "the sensor or the log has failed since the start"),
        Source("time_set", FLAG, "the time of day was set since the start"),
        Source("begin_s", MODULO, "seconds of the tag's clock when the period began"),
        Source("duration_s", SCALED, "seconds that the period took"),
        Source("gaps", SCALED, "times at which samples were lost"),
        Source("samples_lost", SCALED, "samples lost, as far as known"),
    )
}
