"""Payloads as bytes: encoding and decoding by a schema's layout. The C packer writes the same bytes.

Counts share one exponent, so that none overflows: the smallest by whose power of two all can be divided,
rounded half up, and fit. The lowest step between two counts is that power; docs/payload.md says what
precision is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcukd.errors import UserError
from mcukd.payload.layout import (
    UNKNOWN_RESULTS,
    Layout,
    PlacedField,
    exponent_max,
    layout_of,
    most_classes,
    numbered,
)
from mcukd.payload.schema import CLASSES_BITS, VERSION_BITS, Schema
from mcukd.payload.sentences import sentence
from mcukd.payload.sources import FLAG, LEADING, MODULO, SOURCES, UNKNOWN


@dataclass(frozen=True)
class Payload:
    """A decoded payload.

    values: by name in the schema's order: the model's first digits as text, flags as truth values, None for
    what is not known, integers for all others. results: of each class, then unknown ones; multiples of
    2^exponent.
    """

    layout: Layout
    values: dict[str, Any]
    results: tuple[int, ...]
    exponent: int

    def data(self, classes: Sequence[str] | None = None) -> dict[str, Any]:
        """Return what `decodeUplink` gives as `data`.

        classes: names in the model's order; numbers without.
        """
        names = [*(classes or numbered(self.layout.classes)), UNKNOWN_RESULTS]
        return {
            "schema": self.layout.schema.name,
            "version": self.layout.schema.version,
            **self.values,
            "results": dict(zip(names, self.results)),
            "results_step": 1 << self.exponent,
        }


def check_names(classes: Sequence[str]) -> list[str]:
    """Return names of classes; UserError for one that a decoder cannot use, or that is there twice."""
    for name in classes:
        # Names are compared whatever their case where time budgets are.
        if name.strip().casefold() in ("", UNKNOWN_RESULTS, "__proto__"):
            raise UserError(
                f"a class is named {name!r}, which a decoder cannot tell apart; give it another name."
            )
    if len(set(classes)) != len(classes):
        raise UserError(f"the classes are {', '.join(classes)}, but different names are expected.")
    return list(classes)


def divided(count: int, exponent: int) -> int:
    """Return a count over 2^exponent, rounded half up."""
    return count if exponent == 0 else (count >> exponent) + (count >> (exponent - 1) & 1)


def exponent_of(results: Sequence[int], bits: int) -> int:
    """Return the smallest exponent with which all counts fit."""
    exponent = 0
    while divided(max(results), exponent) >> bits:
        exponent += 1
    return exponent


def code_of(field: PlacedField, value: int) -> int:
    """Return the bits of a 32-bit value; `UNKNOWN` where it is not known."""
    if field.rule == LEADING:
        return value >> (32 - field.bits)
    if field.rule == MODULO:
        return value % (1 << field.bits)
    if field.rule == FLAG:
        return int(value != 0)
    if value == UNKNOWN and SOURCES[field.name].may_be_unknown:
        return field.top + 1
    above = max(value - field.minimum, 0)
    return min((2 * above + field.step) // (2 * field.step), field.top)


def value_of(field: PlacedField, code: int) -> Any:
    """Return what a field's bits mean, as `Payload.values` holds it."""
    if field.rule == LEADING:
        return f"{code:0{field.bits // 4}x}"
    if field.rule == FLAG:
        return bool(code)
    if field.rule == MODULO:
        return code
    return None if code > field.top else field.minimum + field.step * code


def encode(layout: Layout, values: Mapping[str, int], results: Sequence[int]) -> bytes:
    """Return the payload of values and results, as the C packer makes it.

    values: 32 bits each, by name; flags are anything but 0. results: of each class, then unknown ones, 32
    bits.
    """
    assert len(results) == layout.classes + 1
    exponent = exponent_of(results, layout.count_bits)
    codes = [(layout.schema.version, VERSION_BITS), (layout.classes, CLASSES_BITS)]
    codes += [(code_of(each, values[each.name]), each.bits) for each in layout.fields]
    codes += [(exponent, layout.exponent_bits)]
    codes += [(divided(count, exponent), layout.count_bits) for count in results]
    number = 0
    for code, bits in codes:
        number = number << bits | code
    return (number << layout.padding).to_bytes(layout.schema.bytes, "big")


def decode(
    payload: bytes, schema: Schema, classes: Sequence[str] | None = None, f_port: int | None = None
) -> Payload:
    """Return a decoded payload. `decodeUplink` in JavaScript decides and says the same.

    classes: names that its counts are to have; any number of classes without. f_port: that it came on, where
    it is known.
    Raises UserError, in one sentence, for a payload of another port, version, length or number of classes,
    and for one that no packer makes.
    """
    facts: dict[str, int | str] = {
        "schema": schema.name,
        "version": schema.version,
        "bytes": schema.bytes,
    }
    if f_port is not None and schema.f_port is not None and f_port != schema.f_port:
        raise UserError(sentence("port", found=f_port, f_port=schema.f_port, **facts))
    if not payload:
        raise UserError(sentence("empty", **facts))
    version, counted = payload[0] >> CLASSES_BITS, payload[0] & ((1 << CLASSES_BITS) - 1)
    if version != schema.version:
        raise UserError(sentence("version", found=version, **facts))
    if len(payload) != schema.bytes:
        raise UserError(sentence("length", found=len(payload), **facts))
    if classes is not None and counted != len(classes):
        raise UserError(sentence("classes", found=counted, classes=len(classes), **facts))
    most = most_classes(schema)
    if not 1 <= counted <= most:
        raise UserError(sentence("room", found=counted, most=most, **facts))
    layout = layout_of(schema, counted)
    number = int.from_bytes(payload, "big")

    def bits(at: int, width: int) -> int:
        return number >> (8 * schema.bytes - at - width) & ((1 << width) - 1)

    if number & ((1 << layout.padding) - 1):
        raise UserError(sentence("padding", padding=layout.padding, **facts))
    exponent = bits(layout.exponent_at, layout.exponent_bits)
    counts = [bits(layout.counts_at + k * layout.count_bits, layout.count_bits) for k in range(counted + 1)]
    # With a smaller exponent the largest count would have fitted, or with this one no counter is as large.
    if exponent and (
        exponent > exponent_max(layout.count_bits) or not max(counts) >> (layout.count_bits - 1)
    ):
        raise UserError(sentence("counts", exponent=exponent, **facts))
    values = {each.name: value_of(each, bits(each.at, each.bits)) for each in layout.fields}
    return Payload(layout, values, tuple(count << exponent for count in counts), exponent)


def model_remark(payload: Payload, model_sha256: str | None) -> str | None:
    """Return a sentence where the tag runs another model than the one that the classes are of."""
    found = payload.values.get("model")
    if found is None or model_sha256 is None or model_sha256.startswith(found):
        return None
    return sentence("model", found=found, model=model_sha256[: len(found)])
