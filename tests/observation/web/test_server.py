"""Where the page is served: at one address that this computer chose, and said so that a phone finds it."""

import socket
from threading import Event

import pytest
from builders.observe_page import page_session

from mcukd.errors import UserError
from mcukd.observation.web.server import PageServer, hosts_of, listening, qr_text, serve


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_at_once_are_refused_with_one_that_would_do(host):
    with pytest.raises(UserError, match="every address"):
        listening(host, 0)


def test_a_name_instead_of_an_address_is_refused():
    with pytest.raises(UserError, match="numeric address"):
        listening("phone.example", 0)


def test_a_port_in_use_is_said_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}: .*--web-port"):
            listening("127.0.0.1", port)
    with pytest.raises(UserError, match="--web-port"):
        listening("127.0.0.1", 70_000)


def test_the_names_of_a_server_are_its_own_alone():
    assert hosts_of("127.0.0.1", 8765) == ["127.0.0.1:8765", "localhost:8765"]
    assert hosts_of("192.168.1.5", 80) == ["192.168.1.5:80", "192.168.1.5"]
    assert hosts_of("::1", 9) == ["[::1]:9", "localhost:9"]


def test_each_observer_is_shown_a_link_and_a_phone_a_picture_of_it(tmp_path):
    said, stop = [], Event()
    stop.set()
    with page_session(tmp_path, ()) as session:
        serve(session, ["anna", "ben"], "127.0.0.1", 0, said.append, stop)
        assert sorted(session.recorders) == ["anna", "ben"]
        assert [line.split(":")[0] for line in said] == ["Page for anna", "Page for ben"]
        server = PageServer(session, ["anna"], port=0, say=said.append)
        with server:
            server.invite(picture=True)
    assert "█" in said[-2] and f"#{server.access.codes[0].digits}" in said[-3]


def test_the_picture_is_the_link_dark_on_light():
    lines = qr_text("http://192.168.43.10:8765/#12345678").splitlines()
    assert all(line.startswith("\x1b[30;107m") for line in lines)
    plain = [line.removeprefix("\x1b[30;107m").removesuffix("\x1b[0m") for line in lines]
    # A finder pattern stands in the corner, behind a border of two modules.
    assert plain[0].strip() == "" and plain[1][2:9] == "█▀▀▀▀▀█"
    assert len({len(line) for line in plain}) == 1


def test_a_connection_that_asks_for_nothing_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("mcukd.observation.web.server.REQUEST_S", 0.05)
    with page_session(tmp_path, ()) as session, PageServer(session, ["anna"], port=0) as server:
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        idle.sendall(b"GET / HTTP/1.1\r\n")
        assert idle.recv(100) == b""
        idle.close()
