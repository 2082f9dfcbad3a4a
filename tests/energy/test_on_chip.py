"""Work counted on a modelled chip: what it computes for another hop is what that hop's image does."""

from __future__ import annotations

import pytest
from builders.tag_image import TagImage, animals, tag_image

from mcukd.energy.on_chip import count_work
from mcukd.energy.work import Work
from mcukd.errors import UserError

pytestmark = pytest.mark.emulator
TAG = "log_pages = 2\nperiod_s = 3600\nconsole_s = 5\n"
WINDOW, RATE = 64, 50.0


def work_of(image: TagImage, minutes: float = 2) -> Work:
    assert image.board.sensor is not None and image.board.sensor.setup is not None
    counts = animals() << image.board.sensor.setup.shift
    return count_work(image.board, image.elf, 5, WINDOW / RATE, counts, minutes, carried=image.model.stream)


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_another_hop_is_awake_for_as_long_as_computed(name: str, tmp_path_factory) -> None:
    works = {}
    for hop in (16, 32):
        folder = tmp_path_factory.mktemp("energy")
        image = tag_image(name, folder, TAG, steps=WINDOW, hop=hop, pairs=False)
        works[hop] = work_of(image)
    for hop, other in ((16, 32), (32, 16)):
        per_second = works[hop].awake_s(RATE, RATE / other)
        counted = works[other].counted["awake_share"]
        assert per_second == pytest.approx(counted, rel=0.02)
        # The hop matters: without the split the share would be off by a quarter at least.
        assert abs(works[hop].counted["awake_share"] / counted - 1) > 0.25
    with pytest.raises(UserError, match="gave no result in 0.001 virtual minutes"):
        work_of(image, 0.001)
    # A window costs the same, whatever the hop.
    windows = [works[hop].result_instructions for hop in (16, 32)]
    assert windows[0] == pytest.approx(windows[1], rel=0.01)
    # The ear tag's bus runs without its core; the collar's core waits for it.
    assert (works[16].sample_transfer_s > 0) == (name == "eartag")
    assert (works[16].sample_wait_s > 1e-5) == (name == "collar")
    assert works[16].flash_words_per_s > 0 and works[16].counted["packets"] == 0


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_another_hop_of_windows_in_pairs_is_awake_for_as_long_as_computed(
    name: str, tmp_path_factory
) -> None:
    """Pairs share a loop, so that a window's cost depends a little on the hop."""
    works = {
        hop: work_of(tag_image(name, tmp_path_factory.mktemp("energy"), TAG, steps=WINDOW, hop=hop))
        for hop in (16, 32)
    }
    for hop, other in ((16, 32), (32, 16)):
        counted = works[other].counted["awake_share"]
        assert works[hop].awake_s(RATE, RATE / other) == pytest.approx(counted, rel=0.02)


@pytest.mark.parametrize("name", ["collar", "eartag"])
def test_a_carried_state_costs_a_step_a_sample_and_its_head_a_result(name: str, tmp_path_factory) -> None:
    works = {
        hop: work_of(
            tag_image(name, tmp_path_factory.mktemp("energy"), TAG, steps=WINDOW, hop=hop, stream=True), 1
        )
        for hop in (8, 32)
    }
    for hop, other in ((8, 32), (32, 8)):
        counted = works[other].counted["awake_share"]
        assert works[hop].awake_s(RATE, RATE / other) == pytest.approx(counted, rel=0.02)
    heads = [works[hop].result_instructions for hop in (8, 32)]
    assert heads[0] == pytest.approx(heads[1], rel=0.05)
    assert 500 < heads[0] < 5000
