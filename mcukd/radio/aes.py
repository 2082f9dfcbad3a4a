"""AES-128 and the message authentication code of it, as far as LoRaWAN's uplinks need them.

By definition (FIPS 197, RFC 4493), slow and not protected against who measures its time: a reference for the
firmware, and for a file of frames.
"""

from __future__ import annotations

from functools import lru_cache

BLOCK = 16
_ROUNDS, _POLYNOMIAL, _AFFINE, _CMAC_POLYNOMIAL = 10, 0x11B, 0x63, 0x87


def _double(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value & 0x100 else value


def _boxes() -> bytes:
    """The inverse in the field, then the affine map, of each byte (FIPS 197, section 5.1.1)."""
    powers = [1]
    for _ in range(254):
        powers.append(powers[-1] ^ _double(powers[-1]))  # times 3, of which every other byte but 0 is a power
    inverse = {0: 0, **{power: powers[-number % 255] for number, power in enumerate(powers)}}
    boxes = bytearray()
    for value in range(256):
        result = _AFFINE
        for turn in range(5):
            result ^= (inverse[value] << turn | inverse[value] >> (8 - turn)) & 0xFF
        boxes.append(result)
    return bytes(boxes)


SBOX = _boxes()


@lru_cache(maxsize=64)
def _round_keys(key: bytes) -> list[bytes]:
    words = [key[at : at + 4] for at in range(0, BLOCK, 4)]
    constant = 1
    for at in range(4, 4 * (_ROUNDS + 1)):
        word = words[-1]
        if at % 4 == 0:
            turned = bytes(SBOX[byte] for byte in (*word[1:], word[0]))
            word = bytes([turned[0] ^ constant]) + turned[1:]
            constant = _double(constant)
        words.append(bytes(a ^ b for a, b in zip(words[-4], word)))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def _mixed(column: bytes) -> bytes:
    a, b, c, d = column
    everything = a ^ b ^ c ^ d
    return bytes(each ^ everything ^ _double(each ^ after) for each, after in zip(column, (b, c, d, a)))


def encrypt(key: bytes, block: bytes) -> bytes:
    """Return a block of 16 bytes, encrypted."""
    first, *between, last = _round_keys(key)
    state = bytes(a ^ b for a, b in zip(block, first))
    for number, round_key in enumerate([*between, last]):
        shifted = bytes(SBOX[state[(5 * at) % BLOCK]] for at in range(BLOCK))
        if number < _ROUNDS - 1:
            shifted = b"".join(_mixed(shifted[at : at + 4]) for at in range(0, BLOCK, 4))
        state = bytes(a ^ b for a, b in zip(shifted, round_key))
    return state


def _doubled_block(block: bytes) -> bytes:
    value = int.from_bytes(block, "big") << 1
    if value >> 8 * BLOCK:
        value = value & (1 << 8 * BLOCK) - 1 ^ _CMAC_POLYNOMIAL
    return value.to_bytes(BLOCK, "big")


def cmac(key: bytes, message: bytes) -> bytes:
    """Return the authentication code of a message, 16 bytes (RFC 4493)."""
    subkey = _doubled_block(encrypt(key, bytes(BLOCK)))
    whole = len(message) // BLOCK * BLOCK
    if not message or whole < len(message):
        subkey = _doubled_block(subkey)
        last = message[whole:] + b"\x80"
        last += bytes(BLOCK - len(last))
    else:
        whole -= BLOCK
        last = message[whole:]
    state = bytes(BLOCK)
    for at in range(0, whole, BLOCK):
        state = encrypt(key, bytes(a ^ b for a, b in zip(state, message[at : at + BLOCK])))
    return encrypt(key, bytes(a ^ b ^ c for a, b, c in zip(state, last, subkey)))
