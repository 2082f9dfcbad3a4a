"""`mcukd observe --web` as a user types it: the page is served until Ctrl-C; options that do not fit."""

import re
import signal
import subprocess
import sys
from functools import partial
from threading import Timer
from urllib.request import urlopen

import pytest
from builders.commands import mcukd

SESSION = ("observe", "--no-tag", "--zone", "UTC", "--animal", "a", "--classes", "x,y", "--session", "s")


@pytest.mark.parametrize(
    "more, message",
    [
        (("--host", "127.0.0.1"), "--host is of the page; add --web"),
        (("--with-observer", "ben"), "--with-observer is of the page"),
        (("--web", "--script", "-"), "--web and --script are both given"),
        (("--web", "--host", "0.0.0.0"), "every address of this computer"),
        (("--web", "--with-observer", "../ben"), "observer '../ben'"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, more, message):
    found = mcukd(*SESSION, *more, cwd=tmp_path)
    assert found.returncode == 2 and message in found.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a process")
def test_the_page_is_served_until_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "mcukd", *SESSION, "--web", "--web-port", "0", "--with-observer", "ben"]
    # A program that a shell started in the background ignores interrupts, and so do those that it starts.
    restore = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, preexec_fn=restore) as page:
        patience = Timer(60, page.kill)
        patience.start()
        assert page.stdout is not None
        lines = [page.stdout.readline().decode() for _ in range(2)]
        links = [re.fullmatch(r"Page for (\w+): (http://127\.0\.0\.1:\d+/)#\d{8}\n", line) for line in lines]
        assert [link and link[1] for link in links] == ["observer", "ben"]
        with urlopen(links[0][2]) as answer:
            assert b'id="enter"' in answer.read()
        page.send_signal(signal.SIGINT)
        _, error = page.communicate()
        patience.cancel()
    assert page.returncode == 0
    assert b"mcukd agree s" in error and b"Traceback" not in error
