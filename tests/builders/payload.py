"""Payloads for tests: schemas, the compiled packer, and the JavaScript decoder run by Node.js."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.compile import STRICT, UNDEFINED
from builders.places import ROOT

from mcukd.codegen.payload import write_packer
from mcukd.payload.layout import Layout
from mcukd.payload.sources import SOURCES

RUNNER = ROOT / "experiments" / "decode_uplink.js"

#: All values, at widths of all kinds, in a payload with room for exact counts.
WIDE = """
name = "wide"
title = "All values"
version = 9
bytes = 64

[[fields]]
value = "sequence"
bits = 32
[[fields]]
value = "battery_mv"
bits = 32
[[fields]]
value = "time_set"
bits = 1
[[fields]]
value = "model"
bits = 32
[[fields]]
value = "duration_s"
bits = 11
step = 60
[[fields]]
value = "gap"
bits = 1
[[fields]]
value = "starts"
bits = 9
[[fields]]
value = "gaps"
bits = 3
[[fields]]
value = "samples_lost"
bits = 32
step = 7
[[fields]]
value = "begin_s"
bits = 32
[[fields]]
value = "fault"
bits = 1

[results]
exponent_bits = 0
bits = 32
"""

#: Nothing but counts.
BARE = """
name = "bare"
title = "Counts \\"alone\\" */ \\u2028"
version = 15
bytes = 4

[results]
exponent_bits = 6
"""


class Packer:
    """The compiled packer of a layout."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        self.layout = layout
        sources = [str(file) for file in write_packer(layout, folder) if file.suffix == ".c"]
        library = folder / "payload.so"
        subprocess.run(
            ["cc", *STRICT, *UNDEFINED, "-O2", "-shared", "-fPIC", *sources, "-o", str(library)], check=True
        )
        self.c = ctypes.CDLL(str(library))

    def pack(self, values: Mapping[str, int], results: Sequence[int]) -> bytes:
        row = np.array([*(values[name] for name in SOURCES), *results], np.uint32)
        out = np.full(self.layout.schema.bytes + 1, 0xA5, np.uint8)
        self.c.payload_pack(row.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
        assert out[-1] == 0xA5
        return out[:-1].tobytes()


def decode_uplinks(
    javascript: str, payloads: Sequence[bytes], folder: Path, port: int | None = None
) -> list[dict[str, Any]]:
    """What `decodeUplink` gives for each payload, in a context that has what ECMAScript 5.1 has."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js, which is not on the PATH")
    (folder / "decoder.js").write_text(javascript)
    lines = "".join(f"{payload.hex()}\n" for payload in payloads)
    arguments = [node, str(RUNNER), str(folder / "decoder.js"), *([] if port is None else [str(port)])]
    done = subprocess.run(arguments, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
