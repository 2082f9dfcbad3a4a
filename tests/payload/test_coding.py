"""Payloads: C packer, Python and JavaScript give the same; counts of any size fit; nothing is misread."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders.compile import ARM, STRICT, compile_all
from builders.payload import BARE, WIDE, Packer, decode_uplinks
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.codegen.payload import JAVASCRIPT_BYTES_MAX, javascript, write_packer
from mcukd.errors import UserError
from mcukd.payload.coding import decode, divided, encode, exponent_of, model_remark
from mcukd.payload.layout import Layout, layout_of, most_classes
from mcukd.payload.schemas import load_schema
from mcukd.payload.sources import SOURCES, UNKNOWN

MAX = (1 << 32) - 1
WORDS = (
    st.integers(0, MAX) | st.sampled_from([0, 1, 255, 256, 65535, 65536, MAX - 1, MAX]) | st.integers(0, 4300)
)
VALUES = st.fixed_dictionaries(dict.fromkeys(SOURCES, WORDS))
NAMES = ("grazing", "wälking", 'rumi"nating', "resting\\", "drinking", "1")
CASES = (("period", 1), ("period", 5), ("period", 6), ("period", 11), (WIDE, 5), (WIDE, 6), (BARE, 2))
USUAL = dict.fromkeys(SOURCES, 0) | {"battery_mv": 3640, "model": 0xA1B2C3D4}


def layout_for(schema: str, classes: int, folder: Path) -> Layout:
    if "\n" in schema:
        (folder / "own.toml").write_text(schema)
        schema = str(folder / "own.toml")
    return layout_of(load_schema(schema), classes)


@pytest.fixture(scope="module")
def packers(tmp_path_factory: pytest.TempPathFactory) -> list[Packer]:
    folders = [tmp_path_factory.mktemp("payload") for _ in CASES]
    return [Packer(layout_for(*case, folder), folder) for case, folder in zip(CASES, folders)]


@pytest.fixture(scope="module")
def period(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return layout_for("period", 5, tmp_path_factory.mktemp("period"))


@settings(max_examples=200)
@given(data=st.data(), case=st.integers(0, len(CASES) - 1))
def test_c_packs_what_python_encodes_and_decodes(
    packers: list[Packer], data: st.DataObject, case: int
) -> None:
    packer = packers[case]
    layout, values = packer.layout, data.draw(VALUES)
    results = data.draw(st.lists(WORDS, min_size=layout.classes + 1, max_size=layout.classes + 1))
    payload = encode(layout, values, results)
    assert packer.pack(values, results) == payload and len(payload) == layout.schema.bytes
    found = decode(payload, layout.schema)
    step = 1 << found.exponent
    assert found.layout == layout
    assert all(abs(2 * (read - sent)) <= step for read, sent in zip(found.results, results))
    assert step == 1 or max(results) >= (1 << layout.count_bits) - 1
    for field in layout.fields:
        read, sent = found.values[field.name], values[field.name]
        if field.rule == "flag":
            assert read == (sent != 0)
        elif field.rule == "leading":
            assert f"{sent:08x}".startswith(read)
        elif field.rule == "modulo":
            assert read == sent % (1 << field.bits)
        elif read is None:
            assert sent == UNKNOWN
        else:
            nearest = min(max(sent, field.minimum), field.minimum + field.step * field.top)
            assert abs(2 * (read - nearest)) <= field.step


@pytest.mark.parametrize(
    "results",
    [
        [0, 0, 0, 0, 0, 0],
        [256, 0, 0, 0, 0, 0],  # what wraps in a byte
        [65_536, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 65_536],
        [255, 255, 255, 255, 255, 255],
        [1, 0, 0, 0, 0, 0],
    ],
)
def test_counts_that_wrap_elsewhere_are_exact(period: Layout, results: list[int]) -> None:
    assert decode(encode(period, USUAL, results), period.schema).results == tuple(results)


def test_the_exponent_is_the_smallest_that_fits() -> None:
    assert [exponent_of([n], 8) for n in (0, 255, 256, 510, 511, 1021, 1022, MAX)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        25,
    ]
    assert [exponent_of([MAX], bits) for bits in (4, 31, 32)] == [29, 2, 0]
    assert [divided(n, 2) for n in (0, 1, 2, 5, 6, MAX)] == [0, 0, 1, 1, 2, 1 << 30]


def test_the_worked_example_of_the_documentation(period: Layout) -> None:
    values = {**USUAL, "starts": 7, "gap": 2, "sequence": 81}
    payload = encode(period, values, [1406, 312, 640, 451, 3, 8])
    assert payload.hex(" ") == "15 a1 be ba 23 b0 27 50 38 00 01"
    found = decode(payload, period.schema)
    assert found.results == (1408, 312, 640, 448, 0, 8) and found.exponent == 3
    assert found.values == {
        "model": "a1b", "starts": 3, "gap": True, "fault": False, "battery_mv": 3640, "sequence": 17,
    }  # fmt: skip


@pytest.mark.parametrize(
    "millivolts, read", [(0, 1800), (1839, 1800), (1840, 1880), (5000, 4200), (UNKNOWN, None)]
)
def test_the_battery_is_held_at_both_ends(period: Layout, millivolts: int, read: int) -> None:
    payload = encode(period, {**USUAL, "battery_mv": millivolts}, [0] * 6)
    assert decode(payload, period.schema).values["battery_mv"] == read


def payloads_for(layout: Layout, seed: int, count: int) -> list[bytes]:
    """Payloads of random values, and random bytes behind a header that is right."""
    rng = np.random.default_rng(seed)

    def words(size: int) -> list[int]:
        return [
            int(word) >> int(shift)
            for word, shift in zip(rng.integers(0, 1 << 32, size), rng.integers(0, 33, size))
        ]

    made = [
        encode(layout, dict(zip(SOURCES, words(len(SOURCES)))), words(layout.classes + 1))
        for _ in range(count)
    ]
    header = bytes([layout.schema.version << 4 | layout.classes])
    made += [header + rng.bytes(layout.schema.bytes - 1) for _ in range(count)]
    return [
        *made,
        b"",
        made[0][:-1],
        made[0] + b"\0",
        *(rng.bytes(layout.schema.bytes) for _ in range(count // 4)),
    ]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_javascript_reads_and_refuses_as_python(
    packers: list[Packer], tmp_path: Path, case: int, named: bool
) -> None:
    layout = packers[case].layout
    names = [*NAMES, *(f"c{k}" for k in range(9))][: layout.classes] if named else None
    model = "a1b2c3d4" + "0" * 56 if named else None
    payloads = payloads_for(layout, case, 300)
    text = javascript(layout.schema, names, model)
    assert len(text.encode()) <= JAVASCRIPT_BYTES_MAX and text.isascii()
    refused = 0
    for payload, found in zip(payloads, decode_uplinks(text, payloads, tmp_path)):
        assert set(found) == {"data", "warnings", "errors"}
        try:
            expected = decode(payload, layout.schema, names)
        except UserError as error:
            assert found == {"data": {}, "warnings": [], "errors": [str(error)]}
            refused += 1
            continue
        assert found["data"] == expected.data(names) and found["errors"] == []
        remark = model_remark(expected, model)
        assert found["warnings"] == ([] if remark is None else [remark])
    assert 0 < refused < len(payloads)


def test_javascript_is_ecmascript_5(packers: list[Packer], tmp_path: Path) -> None:
    """Its syntax, read by the parser inside Node.js; its methods by the context that all tests run it in."""
    decode_uplinks("function decodeUplink(i) { return {}; }", [b"\0"], tmp_path)  # skips without Node.js
    check = """
        var acorn = require('internal/deps/acorn/acorn/dist/acorn');
        console.log(JSON.parse(require('fs').readFileSync(0, 'utf8')).map(function (text) {
            try { acorn.parse(text, {ecmaVersion: 5}); return 'yes'; } catch (error) { return error.message; }
        }).join('\\n'));
    """
    texts = ["let a = 1;", "`x`;", "(x => x)(1);", *(javascript(packer.layout.schema) for packer in packers)]
    done = subprocess.run(
        ["node", "--expose-internals", "-e", check], input=json.dumps(texts), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if "MODULE_NOT_FOUND" in done.stderr:
        pytest.skip("this Node.js lets nobody use its parser")
    found = done.stdout.splitlines()
    assert "yes" not in found[:3] and found[3:] == ["yes"] * len(packers), done.stderr


def test_the_port_is_checked_where_the_schema_has_one(period: Layout, tmp_path: Path) -> None:
    payload = encode(period, USUAL, [0] * 6)
    text = javascript(period.schema)
    assert decode_uplinks(text, [payload], tmp_path, port=1)[0]["errors"] == []
    (said,) = decode_uplinks(text, [payload], tmp_path, port=2)[0]["errors"]
    with pytest.raises(UserError) as refused:
        decode(payload, period.schema, f_port=2)
    assert said == str(refused.value) and "came on port 2, but 1 is expected" in said


def test_a_newer_version_is_refused_in_a_sentence(period: Layout) -> None:
    newer = period.schema.model_copy(update={"version": 2, "bytes": 12})
    payload = encode(layout_of(newer, 5), USUAL, [1] * 6)
    with pytest.raises(
        UserError, match=r"^the payload is of schema version 2, but this decoder reads version 1"
    ):
        decode(payload, period.schema)


@pytest.mark.parametrize("schema, classes", CASES)
@pytest.mark.parametrize("core", [None, *ARM])
def test_the_packer_compiles_without_a_warning(tmp_path: Path, schema: str, classes: int, core: str) -> None:
    write_packer(layout_for(schema, classes, tmp_path), tmp_path)
    compiler = "cc" if core is None else "arm-none-eabi-gcc"
    for optimize in ("-Os", "-O2"):
        compile_all(compiler, [*STRICT, optimize, *(ARM[core] if core else [])], tmp_path)


def test_most_classes_leave_room_for_counts(period: Layout) -> None:
    assert most_classes(period.schema) == 11 and layout_of(period.schema, 11).count_bits == 4
    with pytest.raises(UserError, match="48 bits for 13 counts"):
        layout_of(period.schema, 12)
