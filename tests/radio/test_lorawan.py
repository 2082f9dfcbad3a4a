"""LoRaWAN's uplinks: the reference against published vectors and packets, the C against the reference."""

from __future__ import annotations

import ctypes
import subprocess

import pytest
from builders.compile import STRICT, UNDEFINED
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.errors import UserError
from mcukd.radio.aes import cmac, encrypt
from mcukd.radio.lorawan import EXTRA, read_uplink, uplink
from mcukd.resources import resource_dir
from mcukd.tag.provision import Session

#: Keys of the packets in the tests of anthonykirby/lora-packet (__tests__/decrypt_test.ts, mic_test.ts).
PUBLISHED = Session(
    0x49BE7DF1,
    bytes.fromhex("44024241ed4ce9a68c6a8bc055233fd3"),
    bytes.fromhex("ec925802ae430ca77fd3dd73cb2cc588"),
)
RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


def test_aes_is_that_of_fips_197() -> None:
    """Appendices B and C.1."""
    key, block = bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")
    assert encrypt(key, block).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    block = bytes.fromhex("3243f6a8885a308d313198a2e0370734")
    assert encrypt(RFC_KEY, block).hex() == "3925841d02dc09fbdc118597196a0b32"


@pytest.mark.parametrize(
    ("count", "code"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_the_code_is_that_of_rfc_4493(count: int, code: str) -> None:
    """Section 4, examples 1 to 4."""
    assert cmac(RFC_KEY, RFC_MESSAGE[:count]).hex() == code


@pytest.mark.parametrize(
    ("counter", "text", "frame"),
    [
        (2, b"test", "40f17dbe4900020001954378762b11ff0d"),
        (
            4,
            b"The quick brown fox jumps over the lazy dog.",
            "40f17dbe490004000155332de41a11adc072553544429ce7787707d1c316e027e7e5e334263376affb8aa17ad3007529"
            "3f28dea8a20af3c5e7",
        ),
    ],
)
def test_published_packets(counter: int, text: bytes, frame: str) -> None:
    assert uplink(PUBLISHED, counter, 1, text).hex() == frame
    found = read_uplink(bytes.fromhex(frame), [PUBLISHED])
    assert (found.address, found.counter, found.port, found.payload) == (0x49BE7DF1, counter, 1, text)


def test_the_counters_upper_half_is_found() -> None:
    frame = uplink(PUBLISHED, 0x00C20007, 1, b"\x01\x02")
    assert read_uplink(frame, [PUBLISHED]).counter == 0x00C20007
    assert read_uplink(frame, [PUBLISHED], counter=0x00C1FFFF).counter == 0x00C20007


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "not authentic"),
        (lambda data: data[:9] + bytes([data[9] ^ 4]) + data[10:], "not authentic"),
        (lambda data: data[:1] + b"\x00" + data[2:], "device 49BE7D00, of which no keys"),
        (lambda data: b"\x60" + data[1:], "no unconfirmed uplink"),
        (lambda data: data[:13], "13 bytes is no unconfirmed uplink"),
    ],
)
def test_other_frames_are_refused(change, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_uplink(change(uplink(PUBLISHED, 9, 1, b"counts")), [PUBLISHED])


def test_keys_are_not_shown() -> None:
    assert "4402" not in repr(PUBLISHED) and "D\\x02" not in repr(PUBLISHED)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = resource_dir("firmware_templates") / "lorawan"
    out = tmp_path_factory.mktemp("lorawan") / "lorawan.so"
    flags = [*STRICT, *UNDEFINED, "-O2", "-shared", "-fPIC"]
    sources = [str(folder / name) for name in ("radio_aes128.c", "radio_lorawan.c")]
    subprocess.run(["cc", *flags, *sources, "-o", str(out)], check=True)
    return ctypes.CDLL(str(out))


@settings(max_examples=150, deadline=None)
@given(
    address=st.integers(0, (1 << 32) - 1),
    network=st.binary(min_size=16, max_size=16),
    application=st.binary(min_size=16, max_size=16),
    counter=st.integers(0, (1 << 32) - 1),
    port=st.integers(1, 223),
    payload=st.binary(min_size=1, max_size=60),
)
def test_the_c_makes_the_references_frames(
    library: ctypes.CDLL,
    address: int,
    network: bytes,
    application: bytes,
    counter: int,
    port: int,
    payload: bytes,
) -> None:
    frame = ctypes.create_string_buffer(b"\xaa" * 80, 80)
    session = address.to_bytes(4, "little") + network + application
    library.lorawan_uplink(session, ctypes.c_uint32(counter), port, payload, len(payload), frame)
    expected = uplink(Session(address, network, application), counter, port, payload)
    assert len(expected) == len(payload) + EXTRA
    assert frame.raw == expected + b"\xaa" * (80 - len(expected))
