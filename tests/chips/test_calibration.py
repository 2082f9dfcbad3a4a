"""Calibration of real images on modelled chips, whose modelled sensors have errors of the data sheet's size."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from builders.chip_line import device_of
from builders.commands import mcukd
from builders.tag_image import TagImage

from mcukd.chips.sensors.sources import misreading
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import TagRun
from mcukd.errors import UserError
from mcukd.harness.calibrating import calibrate
from mcukd.harness.protocol import Device
from mcukd.harness.provisioning import read_provision, write_provision
from mcukd.tag.provision import Provision

pytestmark = pytest.mark.emulator
#: MPU-9250: ± 3 %, ± 60 mg, z ± 80. The BMA400's are no larger.
GAIN, OFFSET_G = (1.03, 0.97, 1.025), (0.06, -0.06, 0.08)
NOISE_G = 0.004
SIDES = [[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
SLANT = [0.6, -0.5, 0.62]


class Hand:
    """Somebody who lays the tag in one position after another. shakes: in g, meanwhile."""

    def __init__(self, positions: list[list[float]], seed: int = 1) -> None:
        self.left = [np.array(each, float) / np.linalg.norm(each) for each in positions]
        self.direction, self.shakes = np.array([0.0, 0.0, 1.0]), 0.0
        self.asked: list[str] = []
        self.told: list[str] = []
        self._tilts = np.random.default_rng(seed)

    def turn(self, request: str) -> None:
        """Lay it down as well as people do, some degrees off."""
        self.asked.append(request)
        direction = self.left.pop(0) + self._tilts.normal(0, 0.05, 3)
        self.direction = direction / np.linalg.norm(direction)

    def measure(self, seconds: np.ndarray) -> np.ndarray:
        steady = np.broadcast_to(self.direction, (len(seconds), 3))
        return steady + self.shakes * np.sin(40 * seconds)[:, None]


def start(image: TagImage, hand: Hand) -> TagRun:
    assert image.board.sensor is not None and image.board.sensor.driver is not None
    source = misreading(hand.measure, GAIN, OFFSET_G, NOISE_G)
    run = image.start(image.recording(), make_sensor(image.board.sensor.driver, source))
    run.run(6)
    return run


def error_mg(run: TagRun, hand: Hand, direction: np.ndarray) -> float:
    """The largest error of an axis, on average over two seconds, of what reaches the model."""
    hand.direction = direction
    run.run(8)
    samples = run.latest().observed.samples[-100:]
    return float(1000 * np.abs(samples.mean(axis=0) / 512 - direction).max())


def test_a_sensor_with_the_data_sheets_errors_is_calibrated_to_some_mg(told_image: TagImage) -> None:
    hand = Hand([*SIDES, SLANT])
    run = start(told_image, hand)
    device = device_of(run)
    before = read_provision(device)
    found, sides = calibrate(device, hand.turn, hand.told.append, run.run)
    assert not hand.left and len(sides) == 6 and len(hand.told) == 6
    assert max(map(abs, found.residual_mg)) <= 5 and abs(found.check_mg) <= 5
    rng = np.random.default_rng(3)
    directions = [each / np.linalg.norm(each) for each in rng.normal(size=(12, 3))]
    raw = max(error_mg(run, hand, direction) for direction in directions[:3])
    write_provision(device, Provision(calibration=found.calibration), before)
    run.run(5)
    calibrated = max(error_mg(run, hand, direction) for direction in directions)
    print(f"\n{told_image.board.name}: {raw:.1f} mg before, {calibrated:.1f} mg with the calibration")
    assert raw > 50 and calibrated <= 5


def test_the_command_guides_writes_and_prints_the_residual(
    told_image: TagImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand([*SIDES, SLANT])
    run = start(told_image, hand)

    @contextmanager
    def line(*_: object) -> Iterator[Device]:
        yield device_of(run)

    monkeypatch.setattr("mcukd.cli.provision.tag_line", line)
    monkeypatch.setattr("mcukd.cli.provision.typer.prompt", lambda request, **_: hand.turn(request))
    waits = functools.partial(calibrate, wait=run.run)
    monkeypatch.setattr("mcukd.harness.calibrating.calibrate", waits)
    done = mcukd("provision", "--port", "x", "--calibrate", "--id", "cow-17", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    told = run.provision()
    assert told.id == "cow-17" and told.calibration is not None
    assert facts["calibration"]["gain"] == list(told.calibration.gain)
    assert max(facts["residual_mg"].values()) <= 5 and set(facts["measured_g"]) == set(facts["residual_mg"])
    assert "Residual: 0." in done.stderr and done.stderr.count("of the sensor points up") == 6
    assert hand.asked[0].startswith("Position 1 of 6") and hand.asked[-1].startswith("Check: lean the tag")


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        ([*SIDES[:2], *[[0.7, 0.7, 0]] * 3], "lies on none of its six sides"),
        ([*SIDES[:2], *[SIDES[0]] * 3], "has lain on this side already"),
        ([*SIDES, *[[0, 0, 1]] * 3], "the check position is not slanted"),
    ],
)
def test_a_tag_that_is_held_wrong_again_and_again_is_refused(
    told_image: TagImage, positions: list[list[float]], words: str
) -> None:
    hand = Hand(positions)
    run = start(told_image, hand)
    with pytest.raises(UserError, match=words):
        calibrate(device_of(run), hand.turn, hand.told.append, run.run)
    assert run.provision() == Provision()


def test_a_tag_that_is_held_wrong_once_is_asked_for_again(told_image: TagImage) -> None:
    hand = Hand([SIDES[0], SIDES[0], [0.7, 0.7, 0], *SIDES[1:], SIDES[0], SLANT])
    run = start(told_image, hand)
    calibrate(device_of(run), hand.turn, hand.told.append, run.run)
    assert len([text for text in hand.told if "already" in text or "none of its six" in text]) == 2
    assert "not slanted" in hand.told[-1] and not hand.left


def test_a_tag_that_is_shaken_is_refused(told_image: TagImage) -> None:
    hand = Hand([SIDES[0]] * 3)
    run = start(told_image, hand)
    hand.shakes = 0.2
    with pytest.raises(UserError, match="the tag moved"):
        calibrate(device_of(run), hand.turn, hand.told.append, run.run)
