"""Commands `decode` and `payload`."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.places import ROOT
from builders.students import random_model

from mcukd.fixedpoint.model import save_model
from mcukd.payload.coding import exponent_of
from mcukd.payload.layout import layout_of
from mcukd.payload.schemas import load_schema
from mcukd.radio.ble import advertisement
from mcukd.radio.lorawan import uplink
from mcukd.study import Study
from mcukd.tag.provision import Session

PAYLOAD = "15a1bcba21800602000001"
CLASSES = "grazing,walking,ruminating,resting,drinking"


def test_payloads_are_decoded_to_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = mcukd("decode", PAYLOAD, PAYLOAD, "--classes", CLASSES)
    assert shown.returncode == 0 and "2 payloads decoded, 0 refused" in shown.stdout
    assert "grazing" in shown.stdout and "256" in shown.stdout and "repeated" in shown.stdout
    out = tmp_path / "payloads.csv"
    assert mcukd("decode", PAYLOAD, "--csv", str(out)).returncode == 0
    (row,) = csv.DictReader(out.open(newline=""))
    assert row["results_class 0"] == "256" and row["model"] == "a1b" and row["reception"] == "first"


def test_names_with_brackets_and_colons_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = mcukd("decode", PAYLOAD, "--classes", "[red]a,:cow:,[b],[/x],e")
    assert shown.returncode == 0, shown.stderr
    for name in ("[red]a", ":cow:", "[b]", "[/x]"):
        assert name in shown.stdout


def test_frames_are_decoded_for_each_tag(tmp_path: Path) -> None:
    frames = ["0001" + PAYLOAD, "0201" + PAYLOAD, "0001" + PAYLOAD]
    found = json.loads(mcukd("decode", *frames, "--frames", "lora", "--json", cwd=tmp_path).stdout)
    assert [(row["tag"], row["reception"]) for row in found["payloads"]] == [
        ("1", "first"), ("513", "first"), ("1", "repeated"),
    ]  # fmt: skip


KEYS = (
    "[lorawan]\ndevice_address = '26011BDA'\nnetwork_session_key = '{0}'\napplication_session_key = '{1}'\n"
)


def test_advertisements_of_other_companies_are_refused() -> None:
    ours, theirs = (
        advertisement("C0:11:22:33:44:55", company, bytes.fromhex(PAYLOAD)).hex()
        for company in (0xFFFF, 0x59)
    )
    found = json.loads(mcukd("decode", ours, theirs, "--frames", "ble", "--json").stdout)
    assert [row["payload"] for row in found["payloads"]] == [PAYLOAD]
    assert "is of company 0x0059, but 0xffff is expected; --company" in found["refused"][0]
    named = json.loads(mcukd("decode", theirs, "--frames", "ble", "--company", "0x59", "--json").stdout)
    assert len(named["payloads"]) == 1 and named["refused"] == []
    for words, said in (
        (("--frames", "ble", "--company", "x"), "--company is 'x', but a number from 0 to 65535"),
        (("--frames", "lora", "--company", "1"), "--company is expected with --frames ble alone"),
    ):
        refused = mcukd("decode", ours, *words)
        assert refused.returncode == 2 and said in refused.stderr


def test_uplinks_of_lorawan_are_decoded_with_the_tags_keys(tmp_path: Path) -> None:
    one = Session(0x26011BDA, b"n" * 16, b"a" * 16)
    (tmp_path / "one.toml").write_text(KEYS.format(one.network_key.hex(), one.application_key.hex()))
    frames = [uplink(one, number, 1, bytes.fromhex(PAYLOAD)) for number in (7, 65_540)]
    frames.append(frames[0][:-1] + bytes([frames[0][-1] ^ 1]))
    texts = [frame.hex() for frame in frames]
    arguments = ("--frames", "lorawan", "--keys", "one.toml", "--json")
    found = json.loads(mcukd("decode", *texts, *arguments, cwd=tmp_path).stdout)
    assert [row["tag"] for row in found["payloads"]] == ["26011BDA"] * 2
    assert [row["payload"] for row in found["payloads"]] == [PAYLOAD] * 2
    assert found["refused"] == [
        "payload 3: the frame of the device 26011BDA is not authentic: its code fits none of its keys."
    ]


def test_a_file_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "payloads.txt").write_text(f"\ufeff{PAYLOAD}\r\nFaG8uiGABgIAAAE=\r\nff\r\n")
    facts = json.loads(mcukd("decode", "--file", str(tmp_path / "payloads.txt"), "--json").stdout)
    assert [row["reception"] for row in facts["payloads"]] == ["first", "repeated"]
    assert facts["refused"] and "payloads.txt, line 3" in facts["refused"][0]
    monkeypatch.setattr("sys.stdin", io.StringIO(PAYLOAD))
    assert json.loads(mcukd("decode", "--file", "-", "--json").stdout)["payloads"][0]["battery_mv"] == 3640


def test_a_study_names_classes_and_tells_another_model(tmp_path: Path) -> None:
    model = random_model()
    Study.create(tmp_path / "run", "herd-sim", 0)
    save_model(model, tmp_path / "run")
    header = f"1{len(model.classes):x}"
    mine = header + model.sha256[:3] + "0" * 17
    facts = json.loads(mcukd("decode", mine, "--run", str(tmp_path / "run"), "--json").stdout)
    assert list(facts["payloads"][0]["results"]) == [*model.classes, "unknown"] and facts["remarks"] == []
    other = header + f"{(int(model.sha256[:3], 16) + 1) % 4096:03x}" + "0" * 17
    shown = mcukd("decode", other, "--run", str(tmp_path / "run"))
    assert f"this decoder has the classes of model {model.sha256[:3]}" in shown.stdout
    written = mcukd("payload", "js", "--run", str(tmp_path / "run"), "--out", str(tmp_path / "decoder.js"))
    assert written.returncode == 0
    text = (tmp_path / "decoder.js").read_text()
    assert model.sha256 in text and all(name in text for name in model.classes)


def test_packer_and_layout_are_written(tmp_path: Path) -> None:
    assert mcukd("payload", "c", "--count", "3", "--out", str(tmp_path / "c")).returncode == 0
    assert sorted(file.name for file in (tmp_path / "c").iterdir()) == ["payload.c", "payload.h"]
    rows = json.loads(mcukd("payload", "show", "--classes", "a,b,c", "--json").stdout)
    assert rows[-1] == {"bits": "76-87", "field": "results of unknown", "meaning": "times 2^exponent"}
    assert "results of b" in mcukd("payload", "show", "--classes", "a,b").stdout
    assert "function decodeUplink(input)" in mcukd("payload", "js").stdout


def test_the_documentation_shows_what_is_printed(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "payload.md").read_text(encoding="utf-8")
    command, shown = re.findall(r"^\$ mcukd (decode .*?)\n(\{\n.*?^\})$", text, re.S | re.M)[0]
    assert json.loads(mcukd(*command.split()).stdout) == json.loads(shown)
    (tmp_path / "hourly.toml").write_text(re.findall(r"^```toml\n(name = .*?)^```", text, re.S | re.M)[0])
    rows = mcukd("payload", "show", "--schema", str(tmp_path / "hourly.toml"), "--json").stdout
    assert "results of grazing" in rows and "in steps of 60" in rows
    table = re.findall(r"^\| (\d+) \| (\d+) classes \| (.*) \|$", text, re.M)
    assert len(table) == 6
    for size, classes, steps in table:
        schema = load_schema("period").model_copy(update={"bytes": int(size)})
        bits = layout_of(schema, int(classes)).count_bits
        found = [1 << exponent_of([results], bits) for results in (256, 2_812, 16_875, 67_500)]
        assert [f"{step:,}" for step in found] == steps.split(" | ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("decode",), ("no payload is given", "--file")),
        (
            ("decode", "25" + PAYLOAD[2:]),
            ("payload 1: the payload is of schema version 2", "reads version 1"),
        ),
        (("decode", PAYLOAD, "--classes", "a,b"), ("counts 5 classes, but this decoder has the names of 2",)),
        (("decode", PAYLOAD, "--classes", "a", "--run", "x"), ("--classes and --run",)),
        (("decode", PAYLOAD, "--run", "no-such-run"), ("no-such-run",)),
        (("decode", "--file", "no-such.txt"), ("no-such.txt: cannot be read",)),
        (("decode", PAYLOAD, "--frames", "lorra"), ("--frames is 'lorra'", "did you mean 'lora'")),
        (("decode", PAYLOAD, "--frames", "lorawan"), ("--keys and --frames lorawan", "together")),
        (("decode", PAYLOAD, "--keys", "x.toml"), ("--keys and --frames lorawan", "together")),
        (("decode", PAYLOAD, "--frames", "lorawan", "--keys", "no.toml"), ("no.toml",)),
        (("decode", PAYLOAD, "--frames", "ble"), ("payload 1", "which its second one, the length")),
        (("decode", PAYLOAD, "--schema", "perod"), ("no payload 'perod'", "period")),
        (("payload", "show"), ("how many classes", "--count")),
        (("payload", "show", "--classes", "a,b", "--count", "2"), ("--count is there",)),
        (("payload", "show", "--count", "12"), ("48 bits for 13 counts",)),
        (("payload", "js", "--classes", "a,unknown"), ("a class is named 'unknown'",)),
        (("payload", "js", "--classes", "a," + "x" * 40_000), ("The Things Stack takes 40,960",)),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = mcukd(*arguments, cwd=tmp_path)
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr
