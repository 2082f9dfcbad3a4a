"""Output folder of an import, and what a failed import leaves there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcukd.data.card import load_card
from mcukd.data.importer import convert as conversion
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data
from mcukd.errors import UserError


def recordings(folder: Path, animals: str = "AB", stamps: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for animal in animals:
        rng = np.random.default_rng(ord(animal))
        lines = ["animal,x,y,z,type" + (",t" if stamps else "")]
        for number in range(6000):
            label = ("Resting", "Travelling")[number // 1500 % 2]
            x, y, z = rng.normal((0, 0, 1), 0.02 if label == "Resting" else 0.2)
            lines.append(
                f"{animal},{x:.3f},{y:.3f},{z:.3f},{label}" + (f",{number / 25:.2f}" if stamps else "")
            )
        (folder / f"{animal}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def files(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*")}


def bring_in(path: Path, **options: Any) -> Imported:
    return import_data(path, Options(**options), Dialog())


def test_a_failed_import_leaves_nothing_and_the_retry_reads_no_output_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings(tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    before = files(tmp_path)
    with pytest.raises(UserError, match="--rate HZ"):
        bring_in(Path("recordings/"))
    assert files(tmp_path) == before
    made = bring_in(Path("recordings/"), rate_hz=25.0)
    assert made.cards[0].resolve() == (tmp_path / "recordings-imported" / "card.toml").resolve()
    assert made.converted is not None and made.converted.rows == 12_000
    assert {one for one in files(tmp_path) if one.startswith("recordings/")} <= before


@pytest.mark.parametrize("source", [".", "..", "../recordings"])
def test_the_default_place_is_never_among_the_recordings(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings(tmp_path / "recordings" / "summer")
    monkeypatch.chdir(tmp_path / "recordings" / "summer")
    where = Path(source) if source != "../recordings" else tmp_path / "recordings"
    made = bring_in(where, rate_hz=25.0)
    assert made.converted is not None and made.converted.rows == 12_000
    place = made.cards[0].resolve().parent
    assert where.resolve() not in [place, *place.parents]


@pytest.mark.parametrize("out", ["recordings", "recordings/out", "link"])
def test_a_place_among_the_recordings_is_refused(out: str, tmp_path: Path) -> None:
    recordings(tmp_path / "recordings")
    (tmp_path / "link").symlink_to(tmp_path / "recordings")
    before = files(tmp_path)
    with pytest.raises(UserError, match="--out is .* lies among the recordings"):
        bring_in(tmp_path / "recordings", out=tmp_path / out, rate_hz=25.0)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"units": "mg"}, "--units says mg"),
        ({"classes": ("Flying",)}, "--classes names 'Flying'"),
        ({"window_s": 500.0}, "can be learned"),
        ({"exclude_animals": ("A", "B")}, "--exclude-animal"),
    ],
)
def test_what_fails_after_the_conversion_leaves_nothing(
    options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    recordings(tmp_path / "recordings")
    before = files(tmp_path)
    with pytest.raises(UserError, match=sentence):
        bring_in(tmp_path / "recordings", out=tmp_path / "a/b/out", rate_hz=25.0, **options)
    assert files(tmp_path) == before


def test_files_of_the_user_in_the_place_stay(tmp_path: Path) -> None:
    recordings(tmp_path / "recordings")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    before = files(tmp_path)
    with pytest.raises(UserError):
        bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0, units="mg")
    assert files(tmp_path) == before
    (tmp_path / "out" / "part-00000.parquet").write_bytes(b"mine")
    with pytest.raises(UserError, match="part-00000.parquet is there already and of no import"):
        bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0)
    assert (tmp_path / "out" / "part-00000.parquet").read_bytes() == b"mine"


def test_a_failed_import_does_not_touch_another_that_is_there(tmp_path: Path) -> None:
    recordings(tmp_path / "recordings")
    recordings(tmp_path / "others", "CD")
    bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0)
    (tmp_path / "out" / "card.toml").unlink()
    before = files(tmp_path)
    with pytest.raises(UserError, match="holds an import of other files"):
        bring_in(tmp_path / "others", out=tmp_path / "out", rate_hz=25.0)
    with pytest.raises(UserError, match="--units says mg"):
        bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0, units="mg")
    assert files(tmp_path) == before


def test_a_kill_leaves_what_the_next_call_goes_on_with_and_a_failure_of_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings(tmp_path / "recordings")
    monkeypatch.setattr(conversion, "PART_ROWS", 3000)
    write = conversion.write_part

    def killed(folder: Path, manifest: dict[str, Any], rows: Any) -> None:
        if manifest["parts"]:
            raise KeyboardInterrupt
        write(folder, manifest, rows)

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "write_part", killed)
        with pytest.raises(KeyboardInterrupt):
            bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0)
    assert files(tmp_path / "out") == {"import.json", "part-00000.parquet"}
    with pytest.raises(UserError):
        bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0, units="mg")
    assert not (tmp_path / "out" / "part-00000.parquet").exists()
    assert not (tmp_path / "out" / "import.json").exists()
    made = bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0)
    assert made.converted is not None and made.converted.rows == 12_000


def test_what_an_import_left_among_recordings_is_not_read(tmp_path: Path) -> None:
    recordings(tmp_path / "recordings")
    made = bring_in(tmp_path / "recordings", out=tmp_path / "out", rate_hz=25.0)
    for one in (tmp_path / "out").iterdir():
        (tmp_path / "recordings" / one.name).write_bytes(one.read_bytes())
    again = bring_in(tmp_path / "recordings", out=tmp_path / "again", rate_hz=25.0)
    assert made.converted is not None and again.converted is not None
    assert again.converted.rows == made.converted.rows
    assert load_card(str(again.cards[0])).classes == ("Resting", "Travelling")
