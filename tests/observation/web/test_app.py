"""The page's requests: nothing without the code, nothing from another site, nothing that names a file."""

import pytest
from builders.observe_page import journal_presses, page_session
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from mcukd.observation.web.access import Access
from mcukd.observation.web.app import ASSETS, cookie_name, page_app

HOST = "127.0.0.1:8765"
SITE = f"http://{HOST}"
OURS = {"origin": SITE}
LIVE = f"ws://{HOST}/live"


@pytest.fixture
def session(tmp_path):
    with page_session(tmp_path, ("anna", "ben")) as made:
        yield made


@pytest.fixture
def access(session):
    return Access(session.folder, ["anna", "ben"])


@pytest.fixture
def client(session, access):
    return TestClient(page_app(session, access, [HOST]), base_url=SITE, follow_redirects=False)


def let_in(client, access, observer="anna"):
    code = next(each.digits for each in access.codes if each.observer == observer)
    answer = client.post("/enter", json={"code": code}, headers=OURS)
    assert answer.status_code == 204
    return answer


def press(client, **values):
    """Send a press as the page does; return the answer to it."""
    message = {"type": "press", "do": "behaviour", "animal": "cow-07", "behaviour": "grazing", **values}
    with client.websocket_connect(LIVE, headers=OURS) as socket:
        socket.send_json({"type": "ping", "sent": 1.0})
        pong = heard(socket, "pong")
        socket.send_json({"id": "p-1", "at_us": pong["now_us"], **message})
        return heard(socket, "taken", "refused", "waits")


def heard(socket, *kinds):
    while True:
        message = socket.receive_json()
        if message["type"] in kinds:
            return message


def test_without_the_code_there_is_the_entry_alone_and_no_word_of_the_session(client):
    page = client.get("/")
    assert page.status_code == 200 and 'id="enter"' in page.text
    for name in ("meadow", "cow-07", "grazing", "anna"):
        assert name not in page.text
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(LIVE, headers=OURS):
        pass


def test_the_code_gives_a_cookie_that_scripts_and_other_sites_do_not_get(client, access, session):
    cookie = let_in(client, access).headers["set-cookie"]
    assert cookie.startswith(cookie_name(session))
    for part in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert 'id="keys"' in client.get("/").text


def test_a_press_is_on_disk_when_it_is_said_to_be_taken(client, access, session):
    let_in(client, access)
    answer = press(client)
    assert answer["type"] == "taken" and answer["id"] == "p-1"
    (kept,) = journal_presses(session.folder)
    assert (kept["press"], kept["behaviour"], kept["number"]) == ("p-1", "grazing", answer["number"])


def test_a_press_that_is_sent_again_counts_once(client, access, session):
    let_in(client, access)
    first, second = press(client), press(client)
    assert first == second
    assert len(journal_presses(session.folder)) == 1


def test_a_press_counts_at_the_moment_of_the_touch(client, access, session):
    let_in(client, access)
    began_us = session.recorder("anna").events[0].utc_ns // 1000
    assert press(client, at_us=began_us + 7)["type"] == "taken"
    assert journal_presses(session.folder)[0]["utc_ns"] == (began_us + 7) * 1000


def test_each_code_is_its_observers(client, access, session):
    let_in(client, access, "ben")
    press(client)
    assert journal_presses(session.folder, "ben") and not journal_presses(session.folder, "anna")


@pytest.mark.parametrize(
    "values",
    [
        {"animal": "cow-99"},
        {"behaviour": "flying"},
        {"at_us": 1},
        {"do": "resume", "animal": ..., "behaviour": ...},
        {"do": "undo", "of": 999, "animal": ..., "behaviour": ...},
    ],
)
def test_a_press_that_makes_no_sense_is_refused_in_a_sentence(client, access, session, values):
    let_in(client, access)
    message = {"type": "press", "do": "behaviour", "animal": "cow-07", "behaviour": "grazing", **values}
    message = {name: value for name, value in message.items() if value is not ...}
    with client.websocket_connect(LIVE, headers=OURS) as socket:
        now_us = session.clock.now_ns() // 1000
        socket.send_json({"id": "p-1", "at_us": now_us, **message})
        answer = heard(socket, "taken", "refused", "waits")
    assert answer["type"] == "refused" and answer["why"].endswith(".")
    assert journal_presses(session.folder) == []


def test_a_press_that_cannot_be_written_waits_and_is_taken_when_it_can(client, access, session, monkeypatch):
    let_in(client, access)

    def full(*ignored):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        disk.setattr("os.fdatasync", full, raising=False)
        assert press(client)["type"] == "waits"
        assert press(client, behaviour="flying", id="p-2")["type"] == "refused"
    assert press(client)["type"] == "taken"
    assert [each["press"] for each in journal_presses(session.folder)] == ["p-1"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:9999", "127.0.0.1", "evil.example:8765", ""])
def test_a_request_under_another_name_is_refused(client, access, host):
    let_in(client, access)
    assert client.get("/", headers={"host": host}).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(LIVE, headers={"host": host, "origin": f"http://{host}"}),
    ):
        pass


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8765", None])
def test_what_comes_from_another_site_neither_writes_nor_listens(client, access, origin):
    let_in(client, access)
    headers = {} if origin is None else {"origin": origin}
    assert client.post("/enter", json={"code": "12345678"}, headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(LIVE, headers=headers):
        pass


def test_every_answer_forbids_what_the_page_does_not_need(client, access):
    answers = [
        client.get("/"),
        client.get("/page.css"),
        client.get("/nothing"),
        client.get("/", headers={"host": "x"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/%2e%2e/app.py",
        "/page/",
        "/session.json",
        "/observer-anna.jsonl",
        "/browsers.json",
        "//etc/passwd",
    ],
)
def test_no_path_names_a_file(client, access, path):
    let_in(client, access)
    assert client.get(path).status_code == 404


def test_the_pages_files_are_there_and_name_no_other_server(client, access):
    let_in(client, access)
    for name in ("", *ASSETS):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        rest = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in rest and "https://" not in rest
        assert "innerHTML" not in rest and "eval(" not in rest
        assert name.endswith(".svg") or ("style=" not in rest and "<script>" not in rest)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"code": 1}', b'{"code": "1", "more": 1}', b"x" * 2000, b"[" * 900]
)
def test_a_body_that_is_no_code_is_refused(client, body):
    assert client.post("/enter", content=body, headers=OURS).status_code == 400


def test_wrong_codes_are_refused_and_then_have_to_wait(client, access):
    codes = {each.digits for each in access.codes}
    wrong = next(each for each in ("00000000", "11111111", "22222222") if each not in codes)
    for _ in range(5):
        assert client.post("/enter", json={"code": wrong}, headers=OURS).status_code == 403
    answer = client.post("/enter", json={"code": next(iter(codes))}, headers=OURS)
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        '{"type": "press"}',
        '{"type": "ping", "sent": "x"}',
        '{"type": "ping", "sent": NaN}',
        '{"type": "ping", "sent": 1, "observer": "ben"}',
        '{"type": "press", "do": "undo", "id": "a/../b", "at_us": 1, "of": 1}',
        "[" * 20_000,
        "x" * 40_000,
    ],
)
def test_a_message_that_no_page_of_ours_sends_ends_the_connection(client, access, session, text):
    let_in(client, access)
    with client.websocket_connect(LIVE, headers=OURS) as socket:
        socket.send_text(text)
        with pytest.raises(WebSocketDisconnect) as ended:
            while True:
                socket.receive_json()
        assert ended.value.code == 1008
    assert journal_presses(session.folder) == []


@pytest.mark.parametrize(
    "values",
    [
        {"at_us": 1.5},
        {"observer": "ben"},
        {"text": "half a pair \ud800"},
        {"do": "fly"},
        {"text": "x" * 2001},
    ],
)
def test_a_press_that_cannot_be_read_is_refused_so_that_those_behind_it_arrive(
    client, access, session, values
):
    let_in(client, access)
    at_us = session.clock.now_ns() // 1000
    message = {"type": "press", "do": "note", "id": "p-0", "at_us": at_us, "text": "rain"}
    with client.websocket_connect(LIVE, headers=OURS) as socket:
        socket.send_json({**message, **values})
        answer = heard(socket, "taken", "refused")
        assert (answer["type"], answer["id"]) == ("refused", "p-0") and "not understood" in answer["why"]
        socket.send_json({**message, "id": "p-1"})
        assert heard(socket, "taken", "refused")["type"] == "taken"


def test_a_blind_session_tells_the_page_nothing_of_the_tag(tmp_path):
    from builders.session import told

    with page_session(tmp_path, blind=True) as session:
        access = Access(session.folder, ["anna"])
        client = TestClient(page_app(session, access, [HOST]), base_url=SITE)
        let_in(client, access)
        for moment in told([0, 1]):
            session.take(moment)
        with client.websocket_connect(LIVE, headers=OURS) as socket:
            assert heard(socket, "tag", "snapshot")["type"] == "snapshot"
