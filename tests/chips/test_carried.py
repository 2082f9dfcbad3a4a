"""Real images whose state is carried on, on modelled chips with modelled sensors, against the Python reference."""

from __future__ import annotations

import numpy as np
import pytest
from builders.tag_image import TagImage, tag_image

from mcukd.chips.sensors.faults import with_fault
from mcukd.chips.sensors.wiring import make_sensor
from mcukd.chips.tag_run import TagRun
from mcukd.fixedpoint.reference import run, run_stream
from mcukd.harness.watching import RESULTS, SAMPLES, ToldResult, Watcher
from mcukd.observation.sources.modelled import modelled_device
from mcukd.tag.application import GAP, RESULT

pytestmark = pytest.mark.emulator
TAG = "log_pages = 2\nsmoothing = 3\nperiod_s = 100\nconsole_s = 20\n"
SECOND = 1_000_000_000
#: Short, so that the random student has not forgotten what was before a window.
WINDOW, HOP = 32, 8


@pytest.fixture(scope="module", params=["collar", "eartag"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    return tag_image(
        request.param, tmp_path_factory.mktemp("tag"), TAG, margin=200, steps=WINDOW, stream=True
    )


def same_as_reference(image: TagImage, run: TagRun) -> None:
    """Every result, counter and word of flash."""
    outcome = image.reference(run.latest())
    assert outcome.differences == []
    assert run.counters() == outcome.tag.counters.payload()
    assert run.log() == outcome.flash.dump()


def test_results_are_the_references_and_go_beyond_a_window(image: TagImage) -> None:
    tag = image.start(image.recording())
    tag.run(40)
    observed = tag.latest().observed
    logits = [list(call.arguments[1:]) for call in observed.calls if call.kind == RESULT]
    assert len(logits) == (len(observed.samples) - WINDOW) // HOP + 1
    same_as_reference(image, tag)
    starts = np.arange(len(logits)) * HOP
    windows = run(image.model, observed.samples[starts[:, None] + np.arange(WINDOW)], checksums=False)
    assert logits[0] == windows.logits[0].tolist() and logits[1:] != windows.logits[1:].tolist()


def test_a_gap_starts_the_state_anew(image: TagImage) -> None:
    recording = image.recording()
    assert image.board.sensor is not None and image.board.sensor.driver is not None
    device = with_fault(make_sensor(image.board.sensor.driver, recording), "reset", 20 * SECOND, 30 * SECOND)
    tag = image.start(recording, device)
    tag.run(50)
    observed = tag.latest().observed
    gaps = [call.samples for call in observed.calls if call.kind == GAP]
    assert len(gaps) == 1
    same_as_reference(image, tag)
    after = [call for call in observed.calls if call.kind == RESULT and call.samples > gaps[0]]
    assert after[0].samples == gaps[0] + WINDOW
    expected = run_stream(image.model, observed.samples[gaps[0] :])
    assert [list(call.arguments[1:]) for call in after] == expected.logits.tolist()


def test_a_watched_tag_tells_the_state_of_each_result(image: TagImage) -> None:
    tag = image.start(image.recording())
    tag.run(8)
    device = modelled_device(tag)
    device.who()
    watcher = Watcher(device, lambda: 0)
    watcher.watch(60, RESULTS | SAMPLES)
    watcher.pause(3)
    told = [one for _, one in watcher.take() if isinstance(one, ToldResult)]
    expected = run_stream(image.model, tag.latest().observed.samples)
    assert len(told) > 3
    for one in told:
        assert one.state == tuple(expected.state[one.number - 1].tolist())
        assert one.logits == tuple(expected.logits[one.number - 1].tolist())
