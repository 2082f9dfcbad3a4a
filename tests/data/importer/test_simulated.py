"""Whether an import says that recordings are simulated."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from builders.imported import herd

from mcukd.classify.inputs import find_recordings
from mcukd.classify.recording import Layout
from mcukd.data.card import load_card
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import Imported, import_data
from mcukd.data.simulation.export import export_simulation
from mcukd.data.simulation.simulator import resized
from mcukd.data.unlabelled import load_unlabelled
from mcukd.errors import UserError


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated herd as files, with the card over them; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("export") / "herd"
    export_simulation(resized(load_card("herd-sim"), 2, 5), folder)
    return folder


def bring_in(path: Path, out: Path, ask: Any = None, **options: Any) -> Imported:
    return import_data(path, Options(out=out, range_g=4.0, **options), Dialog(ask))


def note_of(made: Imported) -> list[str]:
    return [note for note in made.notes if note.startswith("simulated: ")]


def test_a_card_over_the_files_says_it(exported: Path, tmp_path: Path) -> None:
    """Trap: the new card said `simulated = false`, and so every figure that was made from it."""
    made = bring_in(exported, tmp_path / "out", unlabelled=True, animal_from="folder")
    card = load_unlabelled(tmp_path / "out")
    assert card.simulated
    assert note_of(made) == [f"simulated: yes, as {exported / 'card.toml'} says of the same files"]
    found = find_recordings([tmp_path / "out"], Layout(("x", "y", "z"), 50.0, 512.0))
    assert found and all(one.simulated for one in found)
    # What was imported is as simulated as what it was made of.
    bring_in(tmp_path / "out", tmp_path / "again", unlabelled=True, animal_from="file")
    assert load_unlabelled(tmp_path / "again").simulated


def test_a_part_of_the_files_is_found_under_the_same_card(exported: Path, tmp_path: Path) -> None:
    bring_in(exported / "sim001", tmp_path / "out", unlabelled=True, animal="a")
    assert load_unlabelled(tmp_path / "out").simulated


def test_a_card_is_not_contradicted(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is simulated, as .*card\.toml says, but --recorded is stated"):
        bring_in(exported, tmp_path / "out", unlabelled=True, animal_from="folder", simulated=False)
    assert not (tmp_path / "out").exists()


def test_recorded_and_simulated_files_are_imported_apart(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "in" / "herd")
    real = tmp_path / "in" / "bella" / "1_grazing.csv"
    real.parent.mkdir()
    shutil.copy(next((exported / "sim001").iterdir()), real)
    with pytest.raises(UserError, match="of .*bella/1_grazing.csv nothing says so; import them apart, or"):
        bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True, animal_from="folder")
    bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True, simulated=True, animal_from="folder")
    assert load_unlabelled(tmp_path / "out").simulated


@pytest.mark.parametrize("answer", ["simulated", "recorded"])
def test_a_name_that_may_mean_it_is_asked_about(exported: Path, tmp_path: Path, answer: str) -> None:
    shutil.copytree(exported, tmp_path / "in", ignore=shutil.ignore_patterns("card.toml"))
    with pytest.raises(
        UserError, match="the name sim001 may mean .* simulated.*--simulated .* or --recorded"
    ):
        bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True, animal_from="folder", yes=True)
    asked: list[str] = []

    def ask(question: str, flag: str, choices: Any, default: Any) -> str:
        asked.append(flag)
        return answer

    made = bring_in(tmp_path / "in", tmp_path / "out", ask, unlabelled=True, animal_from="folder")
    assert asked == ["--simulated or --recorded"]
    assert load_unlabelled(tmp_path / "out").simulated == (answer == "simulated")
    assert note_of(made) == [f"simulated: {'yes' if answer == 'simulated' else 'no'}, as answered"]


@pytest.mark.parametrize("stated", [None, True, False])
def test_other_recordings_count_as_recorded_unless_stated(tmp_path: Path, stated: bool | None) -> None:
    herd(tmp_path / "in", "time,ax,ay,az")
    (tmp_path / "card.toml").write_text('name = "no card of these"\nsimulated = true\n')
    made = bring_in(tmp_path / "in", tmp_path / "out", unlabelled=True, simulated=stated)
    assert load_unlabelled(tmp_path / "out").simulated is bool(stated)
    assert len(note_of(made)) == (stated is not None)
