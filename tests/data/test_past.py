"""Past of windows: contiguous samples of their own recording, and states that are carried through it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from builders.data import samples, write_card, write_herd
from hypothesis import given
from hypothesis import strategies as st

from mcukd.data.card import Card, load_card
from mcukd.data.counted import CountedRecording
from mcukd.data.load import cut, load_counts, load_windows
from mcukd.data.past import Past, carried_states
from mcukd.data.windows import NO_LABEL, Windows


def rows(folder: Path, parts: list[tuple[str, str, int, float]], *, time: bool) -> tuple[Card, np.ndarray]:
    """Write a CSV file of parts (cow, behaviour, samples, time of the first) at 10 Hz; return all samples."""
    values = samples(sum(count for *_, count, _ in parts), seed=4)
    lines, done = ["t,cow,what,x,y,z" if time else "cow,what,x,y,z"], 0
    for cow, what, count, start in parts:
        for number in range(count):
            stamp = f"{start + number / 10:.3f}," if time else ""
            lines.append(stamp + f"{cow},{what}," + ",".join(f"{one:.6f}" for one in values[done]))
            done += 1
    (folder / "all.csv").write_text("\n".join(lines) + "\n")
    counts = np.round(values * 100).astype(np.int16)
    return write_card(folder, long=True, time=time), counts


def recording_of(windows: Windows) -> list[tuple[str, int, int]]:
    """Return of each window its animal, its first sample and that of its recording."""
    assert windows.past is not None
    return list(zip(windows.animals.tolist(), windows.past.begins.tolist(), windows.past.origins.tolist()))


def test_a_recording_goes_on_through_behaviours_those_not_used_included(tmp_path: Path) -> None:
    parts = [("A", "graze", 20, 0.0), ("A", "other", 7, 2.0), ("A", "rest", 20, 2.7), ("B", "graze", 20, 0.0)]
    card, counts = rows(tmp_path, [*parts, ("B", "rest", 10, 2.0)], time=True)
    windows = load_windows(card, past=True)
    of_a = [("A", 0, 0), ("A", 10, 0), ("A", 27, 0), ("A", 37, 0)]
    assert recording_of(windows) == [*of_a, ("B", 47, 47), ("B", 57, 47), ("B", 67, 47)]
    assert windows.past is not None
    before, there = windows.past.before(np.arange(len(windows)), 20)
    assert there.tolist() == [0, 10, 20, 20, 0, 10, 20]
    np.testing.assert_array_equal(before[2], counts[7:27])  # the ignored behaviour's samples among them
    np.testing.assert_array_equal(before[5], np.concatenate([np.zeros((10, 3)), counts[47:57]]))


def test_trap_a_gap_between_two_behaviours_ends_a_recording(tmp_path: Path) -> None:
    parts = [("A", "graze", 20, 0.0), ("A", "rest", 20, 3.0), ("A", "graze", 10, 5.0), ("B", "rest", 20, 0.0)]
    card, _ = rows(tmp_path, [*parts, ("B", "graze", 20, -9.0)], time=True)
    found = recording_of(load_windows(card, past=True))
    assert [one[2] for one in found] == [0, 0, 20, 20, 20, 50, 50, 70, 70]


def test_without_stamps_rows_of_one_animal_follow_each_other_and_others_end_them(tmp_path: Path) -> None:
    parts = [("A", "graze", 20, 0.0), ("A", "rest", 20, 0.0), ("B", "rest", 20, 0.0), ("A", "rest", 10, 0.0)]
    card, _ = rows(tmp_path, [*parts, ("B", "graze", 10, 0.0)], time=False)
    found = recording_of(load_windows(card, past=True))
    assert [one[2] for one in found] == [0, 0, 0, 0, 40, 40, 60, 70]


def test_trap_an_animal_that_is_left_out_ends_the_recording_of_another(tmp_path: Path) -> None:
    parts = [("A", "graze", 20, 0.0), ("B", "rest", 20, 0.0), ("A", "rest", 20, 0.0), ("C", "rest", 20, 0.0)]
    rows(tmp_path, parts, time=False)
    card = tmp_path / "card.toml"
    card.write_text(card.read_text().replace('file = "all.csv"', 'file = "all.csv"\nexclude_animals = ["B"]'))
    found = recording_of(load_windows(load_card(str(card)), past=True))
    assert [(one[0], one[2]) for one in found] == [("A", 0)] * 2 + [("A", 20)] * 2 + [("C", 40)] * 2


def test_one_file_of_one_behaviour_is_a_recording(tmp_path: Path) -> None:
    write_herd(tmp_path)
    windows = load_windows(write_card(tmp_path), past=True)
    assert windows.past is not None
    assert len(np.unique(windows.past.origins)) == 4
    assert (windows.past.begins - windows.past.origins).reshape(4, 4).tolist() == [[0, 10, 20, 30]] * 4


def test_bouts_of_a_simulated_animal_are_one_recording() -> None:
    windows = load_windows(load_card("herd-sim"), past=True)
    assert windows.past is not None
    per_animal = {(animal, origin) for animal, _, origin in recording_of(windows)}
    assert len(per_animal) == len(set(windows.animals.tolist())) == len(np.unique(windows.past.origins))


def test_windows_are_the_same_with_their_past_and_without(tmp_path: Path) -> None:
    parts = [("A", "graze", 23, 0.0), ("A", "other", 7, 0.0), ("A", "rest", 31, 0.0), ("B", "rest", 20, 0.0)]
    card, _ = rows(tmp_path, [*parts, ("B", "graze", 12, 0.0)], time=False)
    plain, with_past = load_windows(card, training=True), load_windows(card, training=True, past=True)
    assert plain.past is None and with_past.past is not None
    for name in ("counts", "labels", "animals", "segments"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(with_past, name))
    index = with_past.past.begins[:, None] + np.arange(card.window)
    np.testing.assert_array_equal(with_past.past.samples[index], with_past.counts)


@st.composite
def herds(draw: st.DrawFn) -> list[CountedRecording]:
    """Recordings of two animals with both classes each; some follow the one before, some have no label."""
    rng, made, segment = np.random.default_rng(draw(st.integers(0, 99))), [], 0
    for animal in "AB":
        for number, label in enumerate(
            [0, 1, *draw(st.lists(st.sampled_from([NO_LABEL, 0, 1]), max_size=5))]
        ):
            counts = rng.integers(1, 3000, (draw(st.integers(10, 35)), 3)).astype(np.int16)
            follows = number > 0 and draw(st.booleans())
            own = -1 if label == NO_LABEL else segment
            segment += label != NO_LABEL
            made.append(CountedRecording(animal, label, counts, own, follows=follows))
    return made


@given(made=herds(), hop=st.integers(1, 10), count=st.integers(0, 60))
def test_what_is_before_a_window_is_of_its_recording_and_nothing_else(
    made: list[CountedRecording], hop: int, count: int
) -> None:
    card = load_card("herd-sim").model_copy(
        update={"windows": load_card("herd-sim").windows.model_copy(update={"length": 10, "hop": hop})}
    )
    card = card.model_copy(update={"class_map": card.class_map.model_copy(update={"names": ("a", "b")})})
    windows = cut(card, made, hop, past=True)
    assert windows.past is not None
    before, there = windows.past.before(np.arange(len(windows)), count)
    expected = []
    for number, one in enumerate(made):
        first = number
        while made[first].follows:
            first -= 1
        earlier = np.concatenate(
            [np.zeros((0, 3), np.int16), *(other.counts for other in made[first:number])]
        )
        if one.label == NO_LABEL:
            continue
        for start in range(0, len(one.counts) - 10 + 1, hop):
            own = np.concatenate([earlier, one.counts[:start]])
            expected.append(own[max(0, len(own) - count) :])
    assert there.tolist() == [len(one) for one in expected]
    for found, one in zip(before, expected):
        np.testing.assert_array_equal(found[count - len(one) :], one)
        assert not found[: count - len(one)].any()


@given(made=herds(), hop=st.integers(1, 10))
def test_carried_states_are_those_of_stepping_sample_by_sample(
    made: list[CountedRecording], hop: int
) -> None:
    card = load_card("herd-sim")
    card = card.model_copy(
        update={
            "windows": card.windows.model_copy(update={"length": 10}),
            "class_map": card.class_map.model_copy(update={"names": ("a", "b")}),
        }
    )
    windows = cut(card, made, hop, past=True)

    def step(state: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return (state * 31 + counts.astype(np.int64)) % 1_000_003

    assert windows.past is not None
    found = carried_states(step, np.zeros(3, np.int64), windows.past, 10)
    expected = []
    state = np.zeros((1, 3), np.int64)
    for one in made:
        state = state if one.follows else np.zeros_like(state)
        states = []
        for sample in one.counts:
            state = step(state, sample[None])
            states.append(state[0])
        if one.label != NO_LABEL:
            expected += states[9::hop]
    np.testing.assert_array_equal(found, expected)


def test_the_past_goes_with_the_windows_that_are_taken() -> None:
    past = Past(np.arange(30, dtype=np.int16).reshape(10, 3), np.array([0, 4, 8]), np.array([0, 0, 7]))
    one = past.take(np.array([False, True, True]))
    before, there = one.before(np.array([1, 0]), 2)
    assert there.tolist() == [1, 2]
    np.testing.assert_array_equal(before[0], [[0, 0, 0], [21, 22, 23]])
    np.testing.assert_array_equal(before[1], [[6, 7, 8], [9, 10, 11]])


def test_what_lies_between_is_only_in_the_whole(tmp_path: Path) -> None:
    parts = [("A", "graze", 20, 0.0), ("A", "other", 7, 0.0), ("A", "rest", 20, 0.0), ("B", "rest", 20, 0.0)]
    card, _ = rows(tmp_path, [*parts, ("B", "graze", 12, 0.0)], time=False)
    assert [one.label for one in load_counts(card)] == [0, 1, 1, 0]
    whole = load_counts(card, whole=True)
    assert [(one.label, one.segment, one.follows) for one in whole] == [
        (0, 0, False),
        (NO_LABEL, -1, True),
        (1, 1, True),
        (1, 2, False),
        (0, 3, True),
    ]
