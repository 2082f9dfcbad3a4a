"""Layout of a payload: where each field of a schema lies for a number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from mcukd.errors import UserError
from mcukd.payload.schema import (
    CLASSES_BITS,
    COUNT_BITS_MAX,
    COUNT_BITS_MIN,
    HEADER_BITS,
    VERSION_BITS,
    Schema,
)
from mcukd.payload.sources import FLAG, LEADING, MODULO, SCALED, SOURCES

#: Name of the count of results that are too close to call.
UNKNOWN_RESULTS = "unknown"
CLASSES_MAX = (1 << CLASSES_BITS) - 1


@dataclass(frozen=True)
class PlacedField:
    """A field's first bit, counted from the payload's first, its width, and how its value becomes bits.

    top: the largest code of a value that is known.
    """

    name: str
    rule: str
    at: int
    bits: int
    minimum: int
    step: int
    top: int


@dataclass(frozen=True)
class Layout:
    """A schema for a number of classes. count_bits: of each class's count and of that of unknown results.

    padding: bits over at the end, which are 0.
    """

    schema: Schema
    classes: int
    fields: tuple[PlacedField, ...]
    exponent_at: int
    exponent_bits: int
    count_bits: int
    padding: int

    @property
    def counts_at(self) -> int:
        """First bit of the counts."""
        return self.exponent_at + self.exponent_bits


@lru_cache(maxsize=64)
def layout_of(schema: Schema, classes: int) -> Layout:
    """Return the layout of a schema for a number of classes.

    Raises UserError where its payload has no room for their counts, or the exponent is too small for them.
    """
    room = 8 * schema.bytes - schema.field_bits
    bits = schema.results.bits or min(room // (classes + 1), COUNT_BITS_MAX)
    if not 1 <= classes <= CLASSES_MAX:
        raise UserError(
            f"the payload {schema.name!r} counts 1 to {CLASSES_MAX} classes, but the model has {classes}; "
            "train it with fewer."
        )
    if bits < COUNT_BITS_MIN or bits * (classes + 1) > room:
        needed = (schema.results.bits or COUNT_BITS_MIN) * (classes + 1)
        raise UserError(
            f"the payload {schema.name!r} has {room} bits for {classes + 1} counts, of the classes and of "
            f"unknown results, but at least {needed} are needed; raise bytes, or lower the bits of other "
            "fields."
        )
    if exponent_max(bits) >> schema.results.exponent_bits:
        raise UserError(
            f"the payload {schema.name!r} has results.exponent_bits = {schema.results.exponent_bits}, but "
            f"counts of {bits} bits need an exponent up to {exponent_max(bits)}; raise it, so that no count "
            "overflows."
        )
    placed, at = [], HEADER_BITS
    for each in schema.fields:
        source = SOURCES[each.value]
        top = (1 << each.bits) - 1 - source.may_be_unknown
        placed.append(PlacedField(each.value, source.rule, at, each.bits, each.minimum, each.step, top))
        at += each.bits
    padding = room - bits * (classes + 1)
    return Layout(schema, classes, tuple(placed), at, schema.results.exponent_bits, bits, padding)


@lru_cache(maxsize=64)
def most_classes(schema: Schema) -> int:
    """Return the largest number of classes that a schema has room for; UserError where it has for none."""
    layout_of(schema, 1)
    most = 1
    while most < CLASSES_MAX:
        try:
            layout_of(schema, most + 1)
        except UserError:
            break
        most += 1
    return most


def numbered(classes: int) -> list[str]:
    """Return names for classes that have none."""
    return [f"class {k}" for k in range(classes)]


def exponent_max(bits: int) -> int:
    """Return the exponent that a counter of 2³² − 1 needs in a count of some bits."""
    return 0 if bits >= COUNT_BITS_MAX else COUNT_BITS_MAX + 1 - bits


def layout_rows(layout: Layout, classes: Sequence[str] | None = None) -> list[tuple[str, str, str]]:
    """Return the layout as a table: bits, field, meaning. classes: names; the schema's or numbers without."""
    schema = layout.schema
    rows = [
        _row(0, VERSION_BITS, "version", f"of the schema: {schema.version}"),
        _row(VERSION_BITS, CLASSES_BITS, "classes", f"number of classes: {layout.classes}"),
    ]
    for each in layout.fields:
        rows.append(_row(each.at, each.bits, each.name, _meaning(each)))
    if layout.exponent_bits:
        rows.append(_row(layout.exponent_at, layout.exponent_bits, "exponent", "of all counts"))
    names = [*(classes or schema.classes or numbered(layout.classes)), UNKNOWN_RESULTS]
    for k, name in enumerate(names):
        at = layout.counts_at + k * layout.count_bits
        rows.append(_row(at, layout.count_bits, f"results of {name}", "times 2^exponent"))
    if layout.padding:
        rows.append(_row(8 * schema.bytes - layout.padding, layout.padding, "padding", "0"))
    return rows


def _row(at: int, bits: int, name: str, meaning: str) -> tuple[str, str, str]:
    return (str(at) if bits == 1 else f"{at}-{at + bits - 1}", name, meaning)


def _meaning(field: PlacedField) -> str:
    meaning = SOURCES[field.name].meaning
    if field.rule == MODULO:
        return f"{meaning}, modulo {1 << field.bits}"
    if field.rule == LEADING:
        return f"{meaning}: {field.bits} bits"
    if field.rule == FLAG:
        return meaning
    assert field.rule == SCALED
    unknown = "; all bits set: not known" if SOURCES[field.name].may_be_unknown else ""
    end = field.minimum + field.step * field.top
    return f"{meaning}, {field.minimum:,} to {end:,} in steps of {field.step:,}{unknown}"
