"""Schemas: what is refused, in one sentence with the file and the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.payload import BARE, WIDE

from mcukd.errors import UserError
from mcukd.payload.layout import layout_of, layout_rows
from mcukd.payload.schemas import SCHEMAS, bundled_schemas, load_schema


def load(folder: Path, text: str):
    (folder / "own.toml").write_text(text)
    return load_schema(str(folder / "own.toml"))


def test_bundled_schemas_have_different_versions_and_fit_the_smallest_slot() -> None:
    schemas = bundled_schemas()
    assert len({schema.version for schema in schemas}) == len(schemas) and schemas
    assert load_schema("period").bytes <= 11
    assert {path.stem for path in SCHEMAS.bundled()} == {schema.name for schema in schemas}


def test_the_layout_is_told_bit_by_bit(tmp_path: Path) -> None:
    rows = layout_rows(layout_of(load_schema("period"), 3), ["grazing", "resting", "walking"])
    assert rows[:2] == [("0-3", "version", "of the schema: 1"), ("4-7", "classes", "number of classes: 3")]
    assert rows[-1] == ("76-87", "results of unknown", "times 2^exponent")
    assert ("22", "gap", "samples were lost in the period") in rows
    own = load(tmp_path, BARE.replace("bytes = 4", 'bytes = 4\nclasses = ["a", "b", "c"]'))
    assert layout_rows(layout_of(own, 3))[-2:] == [
        ("26-29", "results of unknown", "times 2^exponent"), ("30-31", "padding", "0"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "before, after, words",
    [
        ("version = 9", "version = 7", ("version is 7", "8 to 15 is expected of a schema of your own")),
        ("version = 9", "version = 16", ("version is 16", "less than or equal to 15")),
        ('value = "gaps"', 'value = "gap"', ("gap has 3 bits, but 1 is expected: it is a flag",)),
        ('value = "gaps"', 'value = "gapss"', ("fields[7].value is 'gapss'", "did you mean 'gaps'")),
        ('value = "gaps"', 'value = "starts"', ("starts is there 2 times",)),
        ("bits = 9", "bits = 33", ("fields[6].bits is 33", "less than or equal to 32")),
        ("bits = 9", "bits = 9\nstep = 2", ("starts has a minimum or a step, but it is not scaled",)),
        ("bits = 9", "bit = 9", ("unknown key fields[6].bit (did you mean 'bits'?)",)),
        ('"model"\nbits = 32', '"model"\nbits = 30', ("model has 30 bits, but a multiple of 4",)),
        ('"battery_mv"\nbits = 32', '"battery_mv"\nbits = 1', ("battery_mv has 1 bit",)),
        ("bytes = 64", "bytes = 12", ("has -98 bits for 2 counts", "at least 64 are needed")),
        (
            "exponent_bits = 0\nbits = 32",
            "exponent_bits = 4\nbits = 8",
            ("need an exponent up to 25", "overflows"),
        ),
        ("step = 7", "step = 2_147_483_648", ("samples_lost reaches 9,223,372,034,707,292,160", "2^53")),
        ("bytes = 64", 'bytes = 64\nclasses = ["a", "unknown"]', ("a class is named 'unknown'",)),
        ("bytes = 64", 'bytes = 64\nclasses = ["a", "a"]', ("classes are a, a, but different names",)),
        ("[results]", "[result]", ("unknown key result (did you mean 'results'?)",)),
    ],
)
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, before: str, after: str, words: tuple[str, ...]
) -> None:
    assert before in WIDE
    with pytest.raises(UserError) as refused:
        load(tmp_path, WIDE.replace(before, after))
    assert str(refused.value).startswith(str(tmp_path / "own.toml")) and "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


def test_more_names_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="classes has 4 names, but 4 bytes have room for 3"):
        load(tmp_path, BARE.replace("bytes = 4", 'bytes = 4\nclasses = ["a", "b", "c", "d"]'))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match=r"there is no payload 'perod' \(did you mean 'period'\?\)"):
        load_schema("perod")
