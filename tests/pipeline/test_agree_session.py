"""What `agree` says of a field session besides its figures."""

import json
from pathlib import Path

import pytest
from builders.session import BEGAN, CLASSES, NS, facts, step_clock, told

from mcukd.annotations.reading import Reading
from mcukd.errors import UserError
from mcukd.metrics.agreement.settings import AgreementSettings
from mcukd.observation.session import Session
from mcukd.pipeline.agree import agree


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty minutes with two observers, an emulated tag and a note."""
    clock = step_clock()
    with Session.begin(
        tmp_path_factory.mktemp("s") / "meadow", facts(zone="Europe/London"), clock
    ) as session:
        anna, ben = session.join("anna"), session.join("ben")
        for number, moment in enumerate(told([number // 40 % 3 for number in range(940)])):
            session.take(moment)
            clock.advance_to(BEGAN + round(number * 1.28 * NS))
            if number % 40 == 5:
                anna.press("cow-07", CLASSES[number // 40 % 3])
                ben.press("cow-07", CLASSES[number // 60 % 3])
        anna.note("a <dog> barks")
        anna.end()
        ben.end()
    return session.folder


def said(folder: Path, out: Path) -> dict:
    return agree(folder, [], Reading(), Reading(), AgreementSettings(), out)


def test_the_page_tells_of_session_clocks_and_observers(folder: Path, tmp_path: Path) -> None:
    said(folder, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for words in (
        "EMULATED TAG", "SIMULATED DATA", "Between observers", "anna and ben", "a &lt;dog&gt; barks",
        "The clocks may differ by ±", "The tag&#39;s clock is tied to this computer&#39;s", "Europe/London",
        "Time budgets", 'id="budgets-', "what the tag said, while they watched",
    ):  # fmt: skip
        assert words in page, words
    assert page.count('class="strip"') == 3 and "http" not in page.replace("http-equiv", "")


def test_the_figures_as_json_have_the_session_too(folder: Path, tmp_path: Path) -> None:
    found = said(folder, tmp_path / "found.json")
    kept = json.loads((tmp_path / "found.json").read_text())
    assert kept["session"]["observers"] == {
        "anna": pytest.approx(19.9, abs=0.2),
        "ben": pytest.approx(19.9, abs=0.2),
    }
    assert kept["session"]["began"].endswith("+01:00") and kept["session"]["emulated"]
    assert kept["session"]["notes"][0]["text"] == "a <dog> barks"
    assert any("a bout counts once for each" in note for note in kept["notes"])
    assert kept == json.loads(json.dumps(found))


def test_two_observers_of_a_session_without_a_tag_are_compared(tmp_path: Path) -> None:
    clock = step_clock()
    with Session.begin(tmp_path / "meadow", facts(tagged=None), clock) as session:
        recorders = [session.join("anna"), session.join("ben")]
        for number in range(20):
            clock.advance_to(BEGAN + number * 30 * NS)
            for recorder in recorders[: 1 + (number != 7)]:
                recorder.press("cow-07", CLASSES[number % 3])
        for recorder in recorders:
            recorder.end()
    found = said(session.folder, tmp_path / "page.html")["agreement"]
    assert found["names"] == ["observer anna", "observer ben"]
    assert found["together"]["same_share"]["value"] == pytest.approx(18 / 19, abs=0.01)
    with Session(session.folder, clock) as again:
        again.join("cleo").press("cow-08", "grazing")
        clock.advance_to(clock.now_ns() + NS)
    with pytest.raises(UserError, match="nothing of a tag that can be dated, and 3 observers, expected two"):
        said(session.folder, tmp_path / "page.html")


def test_labels_of_which_nothing_is_left_are_one_sentence(folder: Path) -> None:
    """Trap: the span of nothing has no first moment."""
    left = Reading(mapping=dict.fromkeys(CLASSES, ""))
    with pytest.raises(UserError, match="the labels hold nothing that counts, and the tags are from"):
        agree(folder, [], left, Reading(), AgreementSettings())
