"""Schema of a payload: a TOML file with its fields and their widths, checked when it is read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mcukd.payload.sources import FLAG, LEADING, SCALED, SOURCES
from mcukd.text import did_you_mean, listed

#: Bits of the header: version of the schema and number of classes.
VERSION_BITS = CLASSES_BITS = 4
HEADER_BITS = VERSION_BITS + CLASSES_BITS
#: Versions from here on are the users' own.
OWN_VERSIONS = 8
#: A count of fewer bits would be off by more than a sixteenth of the largest one.
COUNT_BITS_MIN, COUNT_BITS_MAX = 4, 32
#: From here on JavaScript's numbers are not all whole numbers.
EXACT_END = 1 << 53


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SchemaField(_Section):
    """A value and its bits. minimum, step: of the value that the lowest code means, and between two codes.

    Only values that are scaled (`sources.SCALED`) have them.
    """

    value: str
    bits: int = Field(ge=1, le=32)
    minimum: int = Field(default=0, ge=0, le=1 << 31)
    step: int = Field(default=1, ge=1, le=1 << 31)

    @field_validator("value")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in SOURCES:
            raise ValueError(f"one of {listed(SOURCES)} is expected{did_you_mean(value, SOURCES)}")
        return value

    @model_validator(mode="after")
    def _fits_its_value(self) -> SchemaField:
        rule = SOURCES[self.value].rule
        if rule == FLAG and self.bits != 1:
            raise ValueError(f"{self.value} has {self.bits} bits, but 1 is expected: it is a flag")
        if rule == LEADING and self.bits % 4:
            raise ValueError(
                f"{self.value} has {self.bits} bits, but a multiple of 4 is expected: it is shown as digits "
                "of 4 bits each"
            )
        if rule == SCALED and SOURCES[self.value].may_be_unknown and self.bits == 1:
            raise ValueError(
                f"{self.value} has 1 bit, but at least 2 are expected: all bits set mean not known"
            )
        largest = self.minimum + self.step * ((1 << self.bits) - 1)
        if rule == SCALED and largest >= EXACT_END:
            raise ValueError(
                f"{self.value} reaches {largest:,}, but less than 2^53 is expected, up to which JavaScript's "
                "numbers are exact; lower its step or bits"
            )
        if rule != SCALED and (self.minimum, self.step) != (0, 1):
            raise ValueError(f"{self.value} has a minimum or a step, but it is not scaled; remove both")
        return self


class ResultsSection(_Section):
    """Counts of results. exponent_bits: of the power of two by which all of them are divided.

    bits: of each count; by default what remains of the payload is shared equally.
    """

    exponent_bits: int = Field(ge=0, le=6)
    bits: int | None = Field(default=None, ge=COUNT_BITS_MIN, le=COUNT_BITS_MAX)


class Schema(_Section):
    """A payload as its TOML file describes it; docs/payload.md shows a whole file.

    version: 1 to 7 are mcukd's own, 8 to 15 are free. f_port: the LoRaWAN port it is sent on; without it no
    port is checked. classes: names in the model's order, where the file gives them.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    version: int = Field(ge=1, le=(1 << VERSION_BITS) - 1)
    bytes: int = Field(ge=3, le=222)
    f_port: int | None = Field(default=None, ge=1, le=223)
    classes: tuple[str, ...] | None = Field(default=None, strict=False, min_length=1)
    fields: tuple[SchemaField, ...] = Field(default=(), strict=False)
    results: ResultsSection

    @model_validator(mode="after")
    def _agrees(self) -> Schema:
        values = [each.value for each in self.fields]
        twice = [value for value in SOURCES if values.count(value) > 1]
        if twice:
            raise ValueError(
                f"{twice[0]} is there {values.count(twice[0])} times, but once at most is expected"
            )
        return self

    @property
    def field_bits(self) -> int:
        """Bits before the counts: header, fields and exponent."""
        return HEADER_BITS + sum(each.bits for each in self.fields) + self.results.exponent_bits
