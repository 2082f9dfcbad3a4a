"""Stages `agree` and `export`: labels against tags of simulated animals whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.observed import CLASSES, HOP_S, WINDOW_S, tag_day
from builders.session import BEGAN as SESSION_BEGAN
from builders.session import CLASSES as SESSION_CLASSES
from builders.session import facts, step_clock, told

from mcukd.annotations.boris_files import write_project
from mcukd.annotations.mhealth import write_mhealth
from mcukd.annotations.reading import Reading, TagModel
from mcukd.errors import UserError
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.metrics.agreement.summary import agreement_of
from mcukd.metrics.agreement.track import Track
from mcukd.observation.account import session_tracks
from mcukd.observation.session import Session
from mcukd.pipeline.agree import TagFile, agree
from mcukd.pipeline.export import BORIS, MHEALTH, MOVEBANK, export

MODEL = TagModel(CLASSES, WINDOW_S, HOP_S)
TAG = Reading(model=MODEL)
SETTINGS = AgreementSettings()


def shown(labels: Path, *tags: TagFile, reading: Reading = Reading(), **other: Any) -> dict[str, Any]:
    """Return the facts of an agreement."""
    return agree(labels, tags, reading, other.pop("tag", TAG), SETTINGS, **other)


@pytest.fixture(name="herd", scope="module")
def _herd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Track]]:
    folder = tmp_path_factory.mktemp("herd")
    truth = [tag_day(folder / "a.bin", "A"), tag_day(folder / "b.bin", "B", 3)]
    write_project(folder / "herd.boris", "herd", truth, "Europe/Berlin", "")
    return folder, truth


def swapped(track: Track) -> Track:
    """Return a track of an observer who takes every third bout for the other behaviour."""
    behaviours = track.behaviours.copy()
    behaviours[::3] = 1 - behaviours[::3]
    return replace(track, behaviours=behaviours)


def test_a_tag_that_is_right_agrees_throughout(herd: tuple[Path, list[Track]]) -> None:
    folder, _ = herd
    given = shown(folder / "herd.boris", TagFile(folder / "a.bin"), TagFile(folder / "b.bin"))
    found = given["agreement"]
    assert list(found["animals"]) == ["A", "B"]
    together = found["together"]
    # Bouts are known to about a second, which is in the tolerance.
    assert found["settings"]["effective_tolerance_s"] == 3.0
    assert together["same_share"]["value"] > 0.985 and together["kappa"]["time_tolerant"]["value"] == 1.0
    assert together["kappa"]["event"]["value"] == 1.0
    assert all(one["sensitivity"]["value"] == 1.0 for one in together["behaviours"].values())


def test_figures_are_those_of_the_truth(herd: tuple[Path, list[Track]], tmp_path: Path) -> None:
    folder, truth = herd
    seen = [swapped(track) for track in truth]
    write_project(tmp_path / "seen.boris", "herd", seen, "UTC", "")
    found = shown(tmp_path / "seen.boris", TagFile(folder / "a.bin"), TagFile(folder / "b.bin"))["agreement"]
    expected = agreement_of(list(zip(seen, truth)), replace(SETTINGS, clock_uncertainty_s=1.0))
    for kind in ("time", "time_tolerant", "event"):
        values = [one["together"]["kappa"][kind]["value"] for one in (found, expected)]
        assert values[0] == pytest.approx(values[1], abs=0.02)
    for name in CLASSES:
        ours, theirs = (one["together"]["behaviours"][name] for one in (found, expected))
        assert ours["sensitivity"]["found"] == theirs["sensitivity"]["found"]
        assert ours["min_per_hour"]["second"] == pytest.approx(theirs["min_per_hour"]["second"], abs=0.1)


def test_animals_are_matched_by_name_or_asked(herd: tuple[Path, list[Track]], tmp_path: Path) -> None:
    folder, truth = herd
    labels = folder / "herd.boris"
    with pytest.raises(UserError, match=r"nothing says which of the labels' animals \(A, B\).*like A="):
        shown(labels, TagFile((folder / "a.bin").rename(folder / "x.bin")))
    (folder / "x.bin").rename(folder / "a.bin")
    named = shown(labels, TagFile(folder / "a.bin", "a"))
    assert list(named["agreement"]["animals"]) == ["A"]
    assert any("no tag of B is given; left out" in note for note in named["notes"])
    nameless = tmp_path / "one.csv"
    write_mhealth(nameless, [replace(truth[0], animal="")], "UTC")
    alone = shown(nameless, TagFile(folder / "a.bin"), reading=Reading(timezone="UTC"))
    assert any("a.bin: taken for the tag of the animal of the labels" in note for note in alone["notes"])
    assert alone["agreement"]["together"]["kappa"]["time"]["value"] > 0.95
    subjects = Reading(animals={"A": "cow 4"})
    assert list(
        shown(labels, TagFile(folder / "a.bin", "cow 4"), reading=subjects)["agreement"]["animals"]
    ) == ["cow 4"]


def test_what_cannot_be_compared_is_one_sentence(herd: tuple[Path, list[Track]], tmp_path: Path) -> None:
    folder, truth = herd
    labels, tag = folder / "herd.boris", TagFile(folder / "a.bin", "A")
    with pytest.raises(UserError, match="no time in common: the labels are from .* and the tags are from"):
        shown(labels, tag, tag=replace(TAG, offset_s=1e6))
    with pytest.raises(UserError, match="'grazing', 'resting' are none of the classes"):
        shown(labels, tag, tag=replace(TAG, model=replace(MODEL, classes=("up", "down"))))
    with pytest.raises(UserError, match="a name that ends in .html or .json"):
        shown(labels, tag, out=tmp_path / "page.pdf")
    with pytest.raises(UserError, match="no folder of a session, so the tag's side is missing"):
        shown(labels)
    with pytest.raises(UserError, match="is a folder without a session"):
        shown(folder, tag)
    other = tmp_path / "other.csv"
    export([folder / "a.bin"], MOVEBANK, other, replace(TAG, animal="A"))
    text = other.read_text().splitlines()
    other.write_text(
        "\n".join([text[0], *(f"{line[: line.rindex(',')]},{'cd' * 32}" for line in text[1:])]) + "\n"
    )
    assert truth
    second = tmp_path / "second.csv"
    second.write_text(other.read_text().replace("cd" * 32, "ef" * 32))
    with pytest.raises(UserError, match="figures of two models together say nothing of either"):
        shown(labels, TagFile(other, "A"), TagFile(second, "A"))


def test_payloads_are_compared_as_budgets(herd: tuple[Path, list[Track]], tmp_path: Path) -> None:
    folder, truth = herd
    path, begins = tmp_path / "decoded.csv", truth[0].starts[0] / 1e9 + (WINDOW_S + HOP_S) / 2
    rows = [
        "number,payload,results_grazing,results_resting,results_unknown,results_step,reception,lost_before"
    ]
    for number in range(5):
        edges = [round((begins + (number + k) * 600) * 1e3) * 10**6 - 3_200_000_000 for k in (0, 1)]
        part = truth[0].within([edges]).totals() / (HOP_S * 1e9)  # type: ignore[arg-type]
        rows.append(f"{number},{number:02x},{round(part[0])},{round(part[1])},0,1,next,0")
    path.write_text("\n".join(rows) + "\n")
    reading = replace(TAG, begins=begins, period_s=600.0)
    given = shown(folder / "herd.boris", TagFile(path, "A"), tag=reading, out=tmp_path / "page.html")
    found = given["budget_agreement"]
    assert found["together"]["periods"] == {"counted": 5, "left_out": 0}
    for one in found["together"]["behaviours"].values():
        assert one["min_per_hour"]["first"] == pytest.approx(one["min_per_hour"]["second"], abs=0.1)
    assert "Minutes per hour" in (tmp_path / "page.html").read_text()


def test_the_page_stands_alone_and_shows_both_ethograms(
    herd: tuple[Path, list[Track]], tmp_path: Path
) -> None:
    folder, _ = herd
    out = tmp_path / "page.html"
    shown(folder / "herd.boris", TagFile(folder / "a.bin"), TagFile(folder / "b.bin"), out=out)
    page = out.read_text()
    assert page.count('<svg class="strip"') == 4 and "http" not in page.replace("http-equiv", "")
    assert "the tag&#39;s log a.bin" in page and "Kappa" in page


@pytest.mark.parametrize(
    ("form", "name"), [(BORIS, "o.boris"), (BORIS, "o.xlsx"), (MOVEBANK, "o"), (MHEALTH, "o")]
)
def test_a_log_that_is_exported_agrees_with_itself(
    herd: tuple[Path, list[Track]], tmp_path: Path, form: str, name: str
) -> None:
    folder, _ = herd
    out = tmp_path / name
    written = export([folder / "a.bin"], form, out, replace(TAG, animal="A"), zone="Europe/Berlin")
    assert written["bouts"] == 10 and written["animals"] == ["A"]
    found = shown(out, TagFile(folder / "a.bin", "A"), reading=Reading(timezone="Europe/Berlin"))["agreement"]
    assert found["together"]["kappa"]["time"]["value"] > 0.9999


def test_exports_that_would_mix_are_refused(herd: tuple[Path, list[Track]], tmp_path: Path) -> None:
    folder, _ = herd
    both = [folder / "herd.boris", folder / "a.bin"]
    reading = replace(TAG, animal="A")
    with pytest.raises(UserError, match="several accounts of A .*choose one with --account"):
        export(both, MHEALTH, tmp_path / "o.csv", reading)
    with pytest.raises(UserError, match="several accounts of A"):
        export(both, BORIS, tmp_path / "o.xlsx", reading)
    assert len(export(both, BORIS, tmp_path / "o.boris", reading)["accounts"]) == 3
    assert export(both, MHEALTH, tmp_path / "o2.csv", reading, who="the tag's log a.bin")["bouts"] == 10
    with pytest.raises(UserError, match="--account is 'me', which is none of"):
        export(both, MHEALTH, tmp_path / "o3.csv", reading, who="me")
    with pytest.raises(UserError, match="recording without stamps, so no wall-clock time is known"):
        export([folder / "a.bin"], MHEALTH, tmp_path / "o4.csv", replace(reading, offset_s=-1.7e9))
    with pytest.raises(UserError, match="BORIS opens projects"):
        export([folder / "a.bin"], BORIS, tmp_path / "o5.csv", reading)


def test_a_session_is_compared_with_its_own_tag(tmp_path: Path) -> None:
    clock = step_clock()
    with Session.begin(tmp_path / "meadow", facts(), clock) as session:
        anna, ben = session.join("anna"), session.join("ben")
        for number, moment in enumerate(told([number // 9 % 3 for number in range(90)])):
            session.take(moment)
            clock.advance_to(SESSION_BEGAN + number * 1_280_000_000)
            if number % 12 == 5:
                anna.press("cow-07", SESSION_CLASSES[number // 12 % 3])
                ben.press("cow-07", SESSION_CLASSES[number // 9 % 3])
        anna.end()
        ben.end()
    folder = tmp_path / "meadow"
    found = shown(folder, tag=Reading())["agreement"]
    account = session_tracks(folder)
    expected = agreement_of(account.pairs, account.settings(), simulated=True)
    assert found["simulated"] and len(account.pairs) == 2
    assert found["together"]["kappa"] == expected["together"]["kappa"]
    assert found["settings"]["clock_uncertainty_s"] == account.tolerance_s
    with pytest.raises(UserError, match="several accounts of cow-07 .observer anna, observer ben, tag"):
        export([folder], MHEALTH, tmp_path / "o.csv", Reading())
    for who, model in (("observer anna", None), (account.tags[0].source, "ab" * 32)):
        written = export([folder], MOVEBANK, tmp_path / "o2.csv", Reading(), who=who, replace_file=True)
        assert written["animals"] == ["cow-07"] and written["model_sha256"] == model


def test_two_observers_are_called_by_their_files(herd: tuple[Path, list[Track]], tmp_path: Path) -> None:
    folder, truth = herd
    other = tmp_path / "ben.boris"
    write_project(other, "herd", [swapped(track) for track in truth], "UTC", "")
    found = shown(folder / "herd.boris", TagFile(other))["agreement"]
    assert found["names"] == ["herd.boris", "ben.boris"]
    assert found["together"]["kappa"]["time"]["value"] < 0.9
