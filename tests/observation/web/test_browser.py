"""The page in a real browser of a phone's size: keys, news of the tag, a lost connection, no network, axe."""

import shutil
import socket
from contextlib import contextmanager

import pytest
from builders.observe_page import SaidTag, journal_presses, page_session

from mcukd.observation.web.server import PageServer

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.emulator,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def phone(chromium):
    """A phone's page that reaches this computer alone; what else it asked for is kept."""
    context = chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    context.asked = []

    def only_here(route):
        context.asked.append(route.request.url)
        if route.request.url.startswith("http://127.0.0.1:"):
            route.continue_()
        else:
            route.abort()

    context.route("**/*", only_here)
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.problems.append(line.text))
    page.set_default_timeout(90_000)
    yield page
    context.close()


@contextmanager
def served(folder, port=0, tag=None, observers=("anna",)):
    with page_session(folder, observers) as session:
        if tag is not None:
            session.watch(tag)
        session.keep_time()
        with PageServer(session, observers, port=port, say=lambda line: None) as server:
            yield session, server


def open_page(phone, server):
    phone.goto(server.link(server.access.codes[0]))
    phone.wait_for_selector("#keys button")
    phone.wait_for_selector('#link[data-state="connected"]')


def key(phone, behaviour):
    return phone.locator(f'#keys button[data-behaviour="{behaviour}"]')


def pressed(phone, behaviour):
    phone.wait_for_selector(f'#keys button[data-behaviour="{behaviour}"][aria-pressed="true"]')


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def test_the_code_is_asked_for_and_opens_the_page(phone, tmp_path):
    with served(tmp_path) as (_, server):
        phone.goto(server.address)
        phone.fill("#code", "1234")
        phone.click("#enter button")
        phone.wait_for_selector("#why:not(:empty)")
        phone.fill("#code", server.access.codes[0].spaced)
        phone.click("#enter button")
        phone.wait_for_selector("#keys button")
        assert "#" not in phone.url


def test_a_morning_on_a_phone(phone, tmp_path):
    tag = SaidTag()
    with served(tmp_path, tag=tag) as (session, server):
        open_page(phone, server)
        tag.connect()
        key(phone, "grazing").tap()
        pressed(phone, "grazing")
        tag.say(1)
        phone.wait_for_selector('#tag[data-behaviour="walking"]')
        phone.tap('#animals button[data-animal="cow-08"]')
        key(phone, "resting").tap()
        pressed(phone, "resting")
        phone.tap("#out")
        phone.wait_for_selector('#out[aria-pressed="true"]')
        phone.tap("#undo")
        pressed(phone, "resting")
        phone.tap("#pause")
        phone.wait_for_selector("#pause:has-text('Go on')")
        phone.tap("#pause")
        phone.wait_for_selector("#pause:has-text('Pause')")
        phone.tap("#more")
        phone.fill("#note", "a <b>calf</b> came")
        phone.tap("#note-form button")
        phone.wait_for_selector("#events li:has-text('a <b>calf</b> came')")
        phone.tap("#events li:has-text('cow-08 resting') button")
        phone.tap('#correct-keys button[data-behaviour="walking"]')
        phone.wait_for_selector("#events li:has-text('cow-08 walking (corrected)')")
        phone.tap("#more")
        phone.tap("#tap-open")
        for _ in range(3):
            phone.tap("#tap")
        phone.wait_for_selector("#events .waiting", state="detached")
        kinds = [each["event"] for each in journal_presses(session.folder)]
        assert kinds[:4] == ["behaviour", "behaviour", "out of sight", "undo"]
        assert kinds[4:] == ["pause", "resume", "note", "correct", "taps", "taps", "taps"]
        # Nothing was asked of another computer, and nothing went wrong in the page.
        assert phone.context.asked and all(server.address in each for each in phone.context.asked)
        assert phone.problems == []


def test_keys_of_a_lost_connection_wait_and_are_taken_once_each_at_their_time(phone, tmp_path):
    port = free_port()
    with served(tmp_path, port) as (session, server):
        open_page(phone, server)
        key(phone, "grazing").tap()
        pressed(phone, "grazing")
        before = session.clock.now_ns()
    phone.wait_for_selector('#link[data-state="lost"]')
    key(phone, "walking").tap()
    key(phone, "resting").tap()
    phone.wait_for_selector("#link:has-text('2 waiting')")
    # A key that the computer has not taken is not shown as taken.
    assert key(phone, "walking").get_attribute("aria-pressed") == "false"
    assert "waiting" in key(phone, "walking").get_attribute("class")
    with served(tmp_path, port) as (session, server):
        again = session.clock.now_ns()
        pressed(phone, "resting")
        phone.wait_for_selector("#events .waiting", state="detached")
        kept = journal_presses(tmp_path)
        assert [each["behaviour"] for each in kept] == ["grazing", "walking", "resting"]
        assert before - 10**8 < kept[1]["utc_ns"] < kept[2]["utc_ns"] < again


def test_keys_that_wait_outlive_a_reload(phone, tmp_path):
    with served(tmp_path) as (session, server):
        open_page(phone, server)
        # The connection stays, and nothing is answered on it any more.
        phone.evaluate("WebSocket.prototype.send = () => {}")
        key(phone, "walking").tap()
        phone.wait_for_selector("#events .waiting")
        phone.reload()
        pressed(phone, "walking")
        assert [each["behaviour"] for each in journal_presses(session.folder)] == ["walking"]


def test_a_press_whose_answer_was_lost_is_taken_once(phone, tmp_path):
    with served(tmp_path) as (session, server):
        # The page's first WebSocket sends all and hears nothing of what was taken.
        phone.add_init_script(
            "const Real = WebSocket; let deaf = true;"
            "window.hearAgain = () => { deaf = false; };"
            "const add = Real.prototype.addEventListener;"
            "Real.prototype.addEventListener = function (name, heard) {"
            "  return add.call(this, name, name !== 'message' ? heard :"
            "    (event) => (deaf && event.data.includes('\"taken\"') ? null : heard(event)));"
            "};"
        )
        open_page(phone, server)
        key(phone, "grazing").tap()
        phone.wait_for_selector("#events .waiting")
        phone.wait_for_selector("#events li:has-text('cow-07 grazing')")
        assert len(journal_presses(session.folder)) == 1
        phone.evaluate("hearAgain()")
        phone.evaluate("dispatchEvent(new Event('offline')); dispatchEvent(new Event('online'))")
        phone.wait_for_selector("#events .waiting", state="detached")
        assert len(journal_presses(session.folder)) == 1


def test_a_key_counts_from_the_touch_whatever_the_phones_clock_says(phone, tmp_path):
    phone.add_init_script(
        "window.ahead = 3600e3; const real = Date.now; Date.now = () => real.call(Date) + window.ahead;"
    )
    with served(tmp_path) as (session, server):
        open_page(phone, server)
        for behaviour, ahead in (("grazing", 3600e3), ("walking", -7200e3)):
            # The second time the phone's clock was set since the session's time was measured.
            phone.evaluate(f"window.ahead = {ahead}")
            place = key(phone, behaviour).bounding_box()
            phone.mouse.move(place["x"] + 20, place["y"] + 20)
            before = session.clock.now_ns()
            phone.mouse.down()
            after = session.clock.now_ns()
            phone.wait_for_timeout(600)
            phone.mouse.up()
            pressed(phone, behaviour)
            at = journal_presses(session.folder)[-1]["utc_ns"]
            assert before - 10**8 < at < after + 3 * 10**8


def test_a_refused_key_is_said_and_not_lost_from_sight(phone, tmp_path):
    with served(tmp_path) as (session, server):
        open_page(phone, server)
        session.did(session.recorder("anna").pause())
        phone.evaluate("document.querySelectorAll('#keys button').forEach((each) => (each.disabled = false))")
        phone.evaluate("document.querySelector('#keys button').click()")
        phone.wait_for_selector("#refused li:has-text('paused')")
        phone.click("#refused button")
        assert phone.is_hidden("#refused")


def test_two_observers_have_a_page_each_and_see_each_other(chromium, tmp_path):
    with served(tmp_path, observers=("anna", "ben")) as (session, server):
        pages = []
        for code in server.access.codes:
            page = chromium.new_context(viewport=PHONE).new_page()
            page.goto(server.link(code))
            page.wait_for_selector('#link[data-state="connected"]')
            pages.append(page)
        pages[0].click('#keys button[data-behaviour="grazing"]')
        pages[1].click('#keys button[data-behaviour="walking"]')
        for page, behaviour in zip(pages, ("grazing", "walking")):
            pressed(page, behaviour)
            page.wait_for_selector("#others:not(:empty)")
            page.context.close()
        assert len(journal_presses(session.folder, "ben")) == 1


@pytest.mark.parametrize("part", ["page", "entry", "more", "tap", "correct"])
def test_axe_finds_no_serious_fault(phone, tmp_path, part):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tag = SaidTag()
    with served(tmp_path, tag=tag) as (_, server):
        if part == "entry":
            phone.goto(server.address)
        else:
            open_page(phone, server)
            tag.connect()
            tag.say(0)
            key(phone, "grazing").tap()
            pressed(phone, "grazing")
            phone.wait_for_selector("#events button")
        if part in ("more", "tap"):
            phone.tap("#more")
        if part == "tap":
            phone.tap("#tap-open")
        if part == "correct":
            phone.tap("#events button")
        # Axe is put into the page by the test, which the page's own policy would forbid to anybody else.
        found = axe.Axe().run(phone).response["violations"]
        serious = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
        assert serious == []


def test_nothing_is_wider_than_the_phone_and_keys_are_large(phone, tmp_path):
    with served(tmp_path) as (_, server):
        open_page(phone, server)
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for each in phone.locator("#keys button").all():
            box = each.bounding_box()
            assert box["height"] >= 64 and box["width"] >= 150 and box["y"] + box["height"] <= PHONE["height"]
        for each in phone.locator("#actions button").all():
            assert each.bounding_box()["height"] >= 56


def test_scans_go_from_animal_to_animal_and_an_ended_session_takes_no_key(phone, tmp_path):
    with served(tmp_path) as (session, server):
        session.did(session.recorder("anna").sample("scan", 60))
        open_page(phone, server)
        phone.wait_for_selector("#scan:not([hidden])")
        for animal in ("cow-07", "cow-08"):
            phone.wait_for_selector(f'#animals button[data-animal="{animal}"][aria-pressed="true"]')
            key(phone, "grazing").tap()
        phone.wait_for_selector('#mine:has-text("grazing, scanned")')
        assert [each["animal"] for each in journal_presses(tmp_path)] == ["cow-07", "cow-08"]
        session.did(session.recorder("anna").end())
        phone.wait_for_selector('#mine:has-text("ended")')
        for name in ("#pause", "#undo", "#out", "#keys button"):
            assert phone.locator(name).first.is_disabled()
    assert phone.problems == []
