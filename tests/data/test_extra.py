"""Extra channels for teachers: the card's section, reading, and alignment with the windows."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.data import samples, write_card, write_herd
from builders.places import Folders
from hypothesis import given, settings
from hypothesis import strategies as st

from mcukd.data.card import Card, load_card
from mcukd.data.describe import describe
from mcukd.data.extra import turn_extra
from mcukd.data.load import counted, cut, dataset_sha256, load_windows
from mcukd.data.recordings import Recording
from mcukd.data.resample import resampled
from mcukd.errors import UserError
from mcukd.training.augmentation import random_rotations

EXTRA = """
[[extra]]
name = "gyro"
columns = ["gx", "gy", "gz"]
signs = [1, -1, 1]
scale = 0.5
turns = true

[[extra]]
name = "warmth"
columns = ["t"]
turns = false
centred = true
"""


def with_extra(folder: Path, text: str = EXTRA, **changes: Any) -> Card:
    """A card with extra channels, beside the one without."""
    plain = write_card(folder, **changes).path
    assert plain is not None
    path = folder / "extra.toml"
    path.write_text(plain.read_text(encoding="utf-8") + text, encoding="utf-8")
    return load_card(str(path))


def write_rich_herd(folder: Path) -> np.ndarray:
    """The herd of `write_herd` with four more columns; returns those (40, 4) of graze/A1.csv."""
    write_herd(folder)
    first = np.zeros((0, 4))
    for seed, path in enumerate(sorted(folder.rglob("*.csv"))):
        more = np.random.default_rng(seed).normal(5, 1, (40, 4))
        if path.name == "A1.csv":
            first = more
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        lines = [f"{header},gx,gy,gz,t"]
        lines += [",".join([row, *map(repr, values.tolist())]) for row, values in zip(rows, more)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return first


def test_channels_are_read_cut_and_scaled(tmp_path: Path) -> None:
    more = write_rich_herd(tmp_path)
    windows = load_windows(with_extra(tmp_path), extra=True)
    assert windows.extra is not None and windows.extra.dtype == np.float32
    assert windows.extra.shape == (*windows.counts.shape[:2], 4)
    assert windows.extra_names == ("gyro.gx", "gyro.gy", "gyro.gz", "warmth.t")
    assert windows.extra_vectors == (0,)
    own = windows.extra[windows.segments == windows.segments[np.argmax(windows.labels == 0)]]
    expected = more.reshape(4, 10, 4) * [0.5, -0.5, 0.5, 1]
    expected[..., 3] -= expected[..., 3].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(own, expected, rtol=1e-6, atol=1e-6)


def test_overlapping_training_windows_hold_the_samples_of_their_counts(tmp_path: Path) -> None:
    more = write_rich_herd(tmp_path)
    windows = load_windows(with_extra(tmp_path), training=True, extra=True)
    assert windows.extra is not None
    np.testing.assert_allclose(windows.extra[1, :, 0], more[5:15, 0] * 0.5, rtol=1e-6)


def test_only_who_asks_gets_them(tmp_path: Path) -> None:
    write_rich_herd(tmp_path)
    card = with_extra(tmp_path)
    plain = load_windows(card)
    assert plain.extra is None and plain.extra_names == () and plain.extra_vectors == ()
    assert load_windows(write_card(tmp_path), extra=True).extra is None
    np.testing.assert_array_equal(plain.counts, load_windows(card, extra=True).counts)


def test_take_keeps_each_windows_channels(tmp_path: Path) -> None:
    write_rich_herd(tmp_path)
    windows = load_windows(with_extra(tmp_path), extra=True)
    assert windows.extra is not None
    some = windows.take(np.array([3, 0]))
    assert some.extra is not None and some.extra_names == windows.extra_names
    np.testing.assert_array_equal(some.extra, windows.extra[[3, 0]])
    mask = windows.labels == 1
    assert len(windows.take(mask).extra) == mask.sum()  # type: ignore[arg-type]


def test_windows_refuse_channels_of_other_windows(tmp_path: Path) -> None:
    write_rich_herd(tmp_path)
    windows = load_windows(with_extra(tmp_path), extra=True)
    with pytest.raises(ValueError, match="do not go with windows"):
        replace(windows, counts=windows.counts[:3])


def test_identity_counts_them_only_where_they_are_used(tmp_path: Path) -> None:
    write_rich_herd(tmp_path)
    plain, card = write_card(tmp_path), with_extra(tmp_path)
    assert dataset_sha256(card) == dataset_sha256(plain) == dataset_sha256(plain, extra=True)
    used = dataset_sha256(card, extra=True)
    assert used != dataset_sha256(card)
    assert used != dataset_sha256(with_extra(tmp_path, EXTRA.replace("0.5", "0.25")), extra=True)


def test_trap_the_new_section_leaves_the_identity_of_older_studies_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rich_herd(tmp_path)
    texts: list[str] = []
    monkeypatch.setattr("mcukd.data.load.sha256_text", lambda text: texts.append(text) or "")
    for card in (load_card("herd-sim"), write_card(tmp_path), with_extra(tmp_path)):
        dataset_sha256(card)
    assert all("extra" not in json.loads(text) for text in texts)
    dataset_sha256(with_extra(tmp_path), extra=True)
    assert [each["name"] for each in json.loads(texts[-1])["extra"]] == ["gyro", "warmth"]


def test_a_long_table_gives_its_channels_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines, more = ["cow,what,x,y,z,gx,gy,gz,t"], rng.normal(size=(80, 4))
    for number, (row, values) in enumerate(zip(samples(80), more)):
        cow, what = "AB"[number // 40], ("graze", "rest")[number // 20 % 2]
        lines.append(",".join([cow, what, *map(repr, [*row.tolist(), *values.tolist()])]))
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    windows = load_windows(with_extra(tmp_path, long=True), extra=True)
    assert windows.extra is not None
    np.testing.assert_allclose(windows.extra[..., 0], more[:, 0].reshape(8, 10) * 0.5, rtol=1e-6)


def test_resampling_treats_them_as_it_treats_the_acceleration(tmp_path: Path) -> None:
    card = with_extra(tmp_path)
    signal = card.signal.model_copy(update={"resample_hz": 5.0})
    wave = np.sin(np.arange(200) / 9)[:, None] + [1.0, 2.0, 3.0]
    recording = Recording("A", "graze", wave, "here", extra=wave[:, [0, 1, 2, 0]])
    (one,) = resampled(card.model_copy(update={"signal": signal}), [recording])
    assert one.extra is not None and one.extra.shape == (100, 4)
    np.testing.assert_allclose(one.extra[:, :3], one.samples)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"gx", "gy", "gz"', '"gx", "gy"', "there are 2 columns, but a vector of 3"),
        ("[1, -1, 1]", "[1, -1]", "1 or -1 is expected for each column"),
        ("[1, -1, 1]", "[1, -2, 1]", "1 or -1 is expected for each column"),
        ("0.5", "0", "a finite number above 0 is expected"),
        ("0.5", "inf", "a finite number above 0 is expected"),
        ('"warmth"', '"gyro"', "two sections .* have the name 'gyro'"),
        ('"t"', '"gx"', "names the column 'gx' again"),
        ('"t"', '"x"', "names the column 'x' again"),
        ("turns = false\n", "", r"extra\[1\].turns is missing"),
        ("centred", "centered", r"unknown key extra\[1\].centered .did you mean 'centred'"),
    ],
)
def test_a_card_that_is_wrong_says_how(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in EXTRA
    with pytest.raises(UserError, match=message):
        with_extra(tmp_path, EXTRA.replace(old, new))


def test_the_simulator_has_none(tmp_path: Path) -> None:
    herd = load_card("herd-sim").path
    assert herd is not None
    path = tmp_path / "herd.toml"
    path.write_text(herd.read_text(encoding="utf-8") + EXTRA, encoding="utf-8")
    with pytest.raises(UserError, match='the reader "simulator" has acceleration only'):
        load_card(str(path))


def test_a_missing_column_is_named_with_its_section(tmp_path: Path) -> None:
    write_herd(tmp_path)
    card = with_extra(tmp_path)
    assert len(load_windows(card)) == 16
    assert describe(card)["extra"] == {"gyro.gx": "", "gyro.gy": "", "gyro.gz": "", "warmth.t": ""}
    with pytest.raises(UserError, match=r"has no column 'gx'.*correct \[\[extra\]\] in the card"):
        load_windows(card, extra=True)


def test_a_value_that_is_not_finite_is_named_with_its_line(tmp_path: Path) -> None:
    write_rich_herd(tmp_path)
    path = tmp_path / "graze/A1.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[7] = ",".join([*lines[7].split(",")[:4], "nan", *lines[7].split(",")[5:]])
    path.write_text("\n".join(lines), encoding="utf-8")
    card = with_extra(tmp_path)
    assert len(load_windows(card)) == 16
    with pytest.raises(UserError, match=r"A1.csv, line 8: column gy is 'nan' where a finite number"):
        load_windows(card, extra=True)


def test_a_dead_sensor_is_named_with_its_animal(tmp_path: Path) -> None:
    write_rich_herd(tmp_path)
    for path in tmp_path.rglob("B*.csv"):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        rows = [",".join([*row.split(",")[:5], "-1.5", row.split(",")[6]]) for row in rows]
        path.write_text("\n".join([header, *rows]), encoding="utf-8")
    with pytest.raises(UserError, match="gyro.gz of animal B is -0.75 in every sample"):
        load_windows(with_extra(tmp_path), extra=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_turning_keeps_lengths_and_the_angles_to_the_acceleration(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    acceleration = rng.normal(size=(count, 7, 3)).astype(np.float32)
    extra = rng.normal(size=(count, 7, 8)).astype(np.float32)
    rotations = random_rotations(count, rng)
    turned = turn_extra(extra, rotations, (1, 5))
    np.testing.assert_array_equal(turned[..., [0, 4]], extra[..., [0, 4]])
    felt = acceleration @ rotations
    for first in (1, 5):
        part = slice(first, first + 3)
        np.testing.assert_allclose(
            np.sum(turned[..., part] * felt, axis=2),
            np.sum(extra[..., part] * acceleration, axis=2),
            atol=1e-4,
        )
        # The axial law: gravity seen by the sensor moves by -w x g, before the turn and after.
        np.testing.assert_allclose(
            np.cross(turned[..., part], felt), np.cross(extra[..., part], acceleration) @ rotations, atol=1e-4
        )
    back = turn_extra(turned, np.swapaxes(rotations, 1, 2), (1, 5))
    np.testing.assert_allclose(back, extra, atol=1e-5)


def test_turning_refuses_mirrors_and_other_shapes() -> None:
    extra = np.ones((2, 5, 3), np.float32)
    with pytest.raises(ValueError, match="no reflections"):
        turn_extra(extra, np.stack([np.eye(3), np.diag([1, 1, -1])]), (0,))
    with pytest.raises(ValueError, match="rotations are"):
        turn_extra(extra, np.eye(3)[None], (0,))


def test_cow_collar_has_a_gyroscope_and_a_magnetometer_in_the_accelerometers_frame(
    real_data: Folders,
) -> None:
    root = real_data("cow-collar").parent
    card = load_card("cow-collar")
    windows = load_windows(card, root, extra=True)
    assert windows.extra is not None and windows.extra.shape == (3364, 50, 6)
    assert windows.extra_vectors == (0, 3)
    assert abs(windows.extra[..., 3:].mean(axis=1)).max() < 1e-3
    # No offset of a collar is left to tell the cow by.
    own = [
        windows.extra[windows.animals == cow].mean(axis=(0, 1))[3:] for cow in sorted(set(windows.animals))
    ]
    assert np.abs(own).max() < 1e-3


def test_cow_collars_sensors_share_the_accelerometers_frame(real_data: Folders) -> None:
    """Of the 24 turns by right angles, none explains how gravity and field move as well as no turn."""
    root = real_data("cow-collar").parent
    card = load_card("cow-collar")
    raw = tuple(extra.model_copy(update={"centred": False}) for extra in card.extra)
    windows = load_windows(card.model_copy(update={"extra": raw}), root, training=True, extra=True)
    assert windows.extra is not None
    gravity = windows.counts / windows.counts_per_g
    rate, field = np.split(windows.extra.astype(float), 2, axis=2)
    unrest = np.abs(np.linalg.norm(gravity[:, 15:35], axis=2) - 1).mean(axis=1)
    angle = np.deg2rad(rate[:, 20:30]).sum(axis=1) / windows.rate_hz
    clear = (np.linalg.norm(angle, axis=1) > 0.15) & (unrest < 0.06)
    assert clear.sum() > 100
    turns = [turn for turn in right_angles() if not np.array_equal(turn, np.eye(3))]
    for vector, offset in ((gravity, False), (field, True)):
        there = explained(vector[clear], angle[clear], windows.animals[clear], offset)
        others = [
            explained(vector[clear], angle[clear] @ turn, windows.animals[clear], offset) for turn in turns
        ]
        assert there > 0.1 and there > max(others) + 0.1


def explained(vector: np.ndarray, angle: np.ndarray, animals: np.ndarray, offset: bool) -> float:
    """Share of a vector's change over a second that turning by `angle` foretells; offset: one per animal."""
    before, after = vector[:, 15:25].mean(axis=1), vector[:, 25:35].mean(axis=1)
    change, mean = after - before, (before + after) / 2
    left = change + np.cross(angle, mean)
    for animal in sorted(set(animals)) if offset else ():
        own = animals == animal
        basis = np.stack([np.cross(angle[own], axis) for axis in np.eye(3)], axis=-1)
        fitted = np.linalg.lstsq(basis.reshape(-1, 3), left[own].ravel(), rcond=None)[0]
        left[own] -= basis @ fitted
    return float(1 - np.sum(left**2) / np.sum(change**2))


def right_angles() -> list[np.ndarray]:
    """The 24 rotations that take axes to axes."""
    made = [
        np.eye(3)[list(order)] * signs
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1.0, -1.0), repeat=3)
    ]
    return [turn for turn in made if np.linalg.det(turn) > 0]


def test_uci_har_has_a_gyroscope(real_data: Folders) -> None:
    root = real_data("ucihar-subset").parent
    windows = load_windows(load_card("ucihar-subset"), root, extra=True)
    assert windows.extra is not None and windows.extra.shape == (3350, 128, 3)
    first = root / "ucihar-subset/test/Inertial Signals/body_gyro_y_test.txt"
    with first.open(encoding="utf-8") as stream:
        line = np.array(stream.readline().split(), float)
    assert windows.split is not None
    np.testing.assert_allclose(windows.extra[windows.split == "test"][0, :, 1], line, rtol=1e-6)


def test_a_missing_file_of_uci_har_is_named(tmp_path: Path, real_data: Folders) -> None:
    root = real_data("ucihar-subset").parent
    bundled = load_card("ucihar-subset").path
    assert bundled is not None
    text = bundled.read_text(encoding="utf-8").replace("body_gyro_y", "body_gyre_y")
    (tmp_path / "card.toml").write_text(text, encoding="utf-8")
    card = load_card(str(tmp_path / "card.toml"))
    assert dataset_sha256(card, root) == dataset_sha256(load_card("ucihar-subset"), root)
    with pytest.raises(UserError, match=r"body_gyre_y_train.txt does not exist; correct \[\[extra\]\]"):
        load_windows(card, root, extra=True)


def test_recordings_without_channels_give_windows_without(tmp_path: Path) -> None:
    write_herd(tmp_path)
    card = with_extra(tmp_path)
    recordings = [
        Recording(animal, label, samples(20), "here") for animal in "AB" for label in ("graze", "rest")
    ]
    assert cut(card, tuple(counted(card, recordings)), 10).extra is None
