"""A bundled board's image that samples by itself, with a random model, on its modelled chip."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from builders.boards import board_of, untagged
from builders.students import random_student, random_windows, refusing_model
from numpy.typing import NDArray

from mcukd.boards.model import Board
from mcukd.boards.toolchain import build
from mcukd.chips.bus import I2CDevice
from mcukd.chips.radios.sx1272 import Sx1272
from mcukd.chips.sensors.sources import Recording
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import Identity, Start, TagRun, reference_of
from mcukd.codegen.firmware import generate_firmware
from mcukd.codegen.payload import payload_layout
from mcukd.codegen.tag import tag_setup
from mcukd.data.card import load_card
from mcukd.data.load import load_counts
from mcukd.data.simulation.simulator import resized
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.quantize import QuantizeConfig, quantize
from mcukd.fixedpoint.reference import as_stream, run_recording
from mcukd.tag.application import Outcome


@functools.lru_cache(maxsize=1)
def animals() -> NDArray[np.int32]:
    """Counts (n, 3) of twenty minutes of a small simulated herd."""
    card = resized(load_card("herd-sim"), 2, 10)
    return np.concatenate([part.counts for part in load_counts(card, None, seed=1000)]).astype(np.int32)


@dataclass
class TagImage:
    """A board file with a section [tag], the model, and the image of both."""

    board: Board
    model: IntegerModel
    elf: Path
    firmware_sha256: str

    def recording(self) -> Recording:
        """Simulated animals, as the board's sensor counts them."""
        assert self.board.sensor is not None and self.board.sensor.setup is not None
        return Recording(animals() << self.board.sensor.setup.shift, repeat=True)

    def start(
        self, recording: Recording, device: I2CDevice | None = None, radio: Sx1272 | None = None
    ) -> TagRun:
        """Switch the tag on, with the modelled sensor and radio or other devices in their places."""
        assert self.board.sensor is not None and self.board.sensor.driver is not None
        sensor = device or make_sensor(self.board.sensor.driver, recording)
        return TagRun(self.board, self.elf, len(self.model.classes), sensor, radio=radio)

    def reference(self, start: Start, reset_cause: int = 0) -> Outcome:
        """What Python makes of what a tag was given."""
        config = tag_setup(self.board, self.model)
        assert config is not None
        model = self.model
        identity = Identity(self.firmware_sha256, model.sha256, model.window, model.hop)
        results = functools.partial(run_recording, model)
        layout = payload_layout(self.board, self.model) if self.board.radio else None
        return reference_of(self.board, start, config, identity, results, reset_cause, layout)


def tag_image(
    name: str,
    folder: Path,
    tag: str,
    margin: int | None = None,
    steps: int = 256,
    radio: str = "",
    hop: int | None = None,
    refuses: bool = False,
    stream: bool = False,
    pairs: bool = True,
) -> TagImage:
    """Build a bundled board's image with another section [tag]; margin: of unknown results, in logits.

    refuses: whether the model has a refusal rule of its own. stream: whether its state is carried. pairs:
    whether windows are stepped two at a time. radio: its section [radio], with the heading. hop: of the
    model; without, a quarter of its window.
    """
    windows = random_windows(steps=steps, seed=3, classes=5)
    windows = replace(windows, counts=windows.counts >> 3, counts_per_g=512.0)
    student = random_student(1, hidden=16, dense=16, classes=5, counts_per_g=512.0)
    model = quantize(student, windows, QuantizeConfig(8, 16), operation_hop=hop or steps // 4)
    if refuses:
        model = refusing_model(model=model)
    model = as_stream(model) if stream else model
    if margin is not None:
        tag += f"unknown_margin = {margin * 2.0 ** -model.formats['output'].fractional_length!r}\n"
    board = board_of(f"{untagged(name)}\n[tag]\n{tag}{radio}", folder)
    firmware = generate_firmware(model, board, folder / "firmware", pairs)
    return TagImage(board, model, build(folder / "firmware", board).elf, firmware.firmware_sha256)
