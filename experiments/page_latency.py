"""Time from a tag's result leaving its source to its being shown on the observer's page, in a real browser.

    python experiments/page_latency.py [--results 120] [--record] [--picture]

SIMULATED: the source is a list of results at random times, and browser and server are on one computer, so
that no radio is in between. Real: the session with its journal on disk, the server, the connection, Chromium
of a phone's size and the page. The time ends when the page's text has changed; drawing it on the screen comes
on top. `--record` writes docs/results/page-latency.json, `--picture` docs/img/observe-page.png.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

import numpy as np

from mcukd.files import write_json
from mcukd.observation.clocks.session_clock import NS, HostClock
from mcukd.observation.folder import facts_of
from mcukd.observation.moments import ClockReading, Connected, Moment, Result
from mcukd.observation.script import StepClock
from mcukd.observation.session import Session
from mcukd.observation.web.server import PageServer

ROOT = Path(__file__).resolve().parents[1]
CLASSES = ("grazing", "walking", "ruminating", "resting", "drinking")
PHONE = {"width": 390, "height": 844}
TICKS = 1 << 15
#: Notes each change of the tag's line with its time, ms since 1970.
NOTE = """() => {
  window.noted = [];
  new MutationObserver(() => {
    const told = document.getElementById("tag").dataset.behaviour;
    const now = performance.timeOrigin + performance.now();
    if (told !== window.noted.at(-1)?.[0]) window.noted.push([told, now]);
  }).observe(document.getElementById("tag"), { attributes: true, childList: true });
}"""


class TimedTag:
    """A source that notes when each result leaves it."""

    name = "a list"

    def __init__(self) -> None:
        self.left: list[tuple[str, float]] = []
        self.queue: Queue[Moment] = Queue()

    def moments(self, stop: Event) -> Iterator[Moment]:
        """Yield what is put in."""
        while not stop.is_set():
            try:
                moment = self.queue.get(timeout=0.5)
            except Empty:
                continue
            if isinstance(moment, Result) and moment.behaviour is not None:
                self.left.append((CLASSES[moment.behaviour], time.time()))
            yield moment


def connected(now: int) -> Connected:
    """Return a tag that answers."""
    return Connected(now, "5117", 1, 1, "collar", "00" * 32, "ab" * 32, len(CLASSES), 256, 64, 50.0, True)


def result(number: int, at_ns: int, behaviour: int) -> Result:
    """Return a result that a tag, whose clock shows Unix time, made and told at a time."""
    ticks = at_ns // NS * TICKS + at_ns % NS * TICKS // NS
    return Result(at_ns, number, ticks, behaviour, behaviour, (0,) * len(CLASSES))


def facts(began_ns: int) -> Any:
    """Return what the session is."""
    return facts_of(
        id="5e" * 16,
        name="north meadow",
        began_ns=began_ns,
        zone="Europe/London",
        animals=("cow-07", "cow-12"),
        tagged="cow-07",
        classes=CLASSES,
        simulated=True,
        emulated=True,
    )


def phone(browser: Any, server: PageServer) -> Any:
    """Return the page on a phone, connected."""
    page = browser.new_page(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    page.goto(server.link(server.access.codes[0]))
    page.wait_for_selector('#link[data-state="connected"]')
    return page


def latencies(browser: Any, results: int) -> list[float]:
    """Return the times in ms from leaving the source to the page's change."""
    rng = np.random.default_rng(19)
    clock, tag = HostClock(), TimedTag()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "session"
        with Session.begin(folder, facts(clock.now_ns()), clock) as session:
            session.join("anna")
            session.watch(tag)
            session.keep_time()
            with PageServer(session, ["anna"], port=0, say=lambda line: None) as server:
                page = phone(browser, server)
                page.evaluate(NOTE)
                tag.queue.put(connected(clock.now_ns()))
                behaviour = 0
                for number in range(results):
                    behaviour = (behaviour + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)
                    tag.queue.put(result(number, clock.now_ns(), behaviour))
                    page.wait_for_timeout(float(rng.uniform(150, 450)))
                page.wait_for_timeout(1000)
                noted = [each for each in page.evaluate("window.noted") if each[0]]
                page.close()
    if [name for name, _ in noted] != [name for name, _ in tag.left]:
        raise SystemExit(f"the page showed {len(noted)} changes of {len(tag.left)}")
    return [shown - 1000 * left for (_, shown), (_, left) in zip(noted, tag.left)]


def picture(browser: Any, path: Path) -> None:
    """Take a picture of the page in the middle of a made-up session."""
    rng = np.random.default_rng(7)
    began = 1_780_300_000 * NS
    clock = StepClock(began)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "session"
        with Session.begin(folder, facts(began), clock) as session:
            recorder = session.join("anna")
            session.take(connected(began))
            session.take(ClockReading(began // NS * TICKS, began, NS // 1000))
            seconds, number, behaviour = 5.0, 0, 0
            while seconds < 560:
                lasts = float(rng.uniform(30, 110))
                clock.advance_to(began + round(seconds * NS))
                recorder.press("cow-07", CLASSES[behaviour])
                for at in np.arange(seconds, seconds + lasts, 1.28):
                    # It stands for the time before it, half a window and half a hop.
                    made = began + round((float(at) + 3.2) * NS)
                    clock.advance_to(made)
                    said = behaviour if rng.random() < 0.93 else int(rng.integers(len(CLASSES)))
                    session.take(result(number, made, said))
                    number += 1
                seconds += lasts
                behaviour = (behaviour + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)
            session.snapshot(fresh=True)
            with PageServer(session, ["anna"], port=0, say=lambda line: None) as server:
                page = phone(browser, server)
                page.wait_for_selector("#agreement:not(:empty)")
                page.wait_for_timeout(700)
                page.screenshot(path=path)
                page.close()


def main() -> None:
    """Measure, print, and record where asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=int, default=120)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--picture", action="store_true")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if options.picture:
            picture(browser, ROOT / "docs" / "img" / "observe-page.png")
        took = latencies(browser, options.results) if options.results else []
        version = browser.version
        browser.close()
    if not took:
        return
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {
        "simulated": "the source of the results; session, server, connection, browser and page are real",
        "command": f"python experiments/page_latency.py --results {options.results} --record",
        "commit": commit.stdout.strip(),
        "python": sys.version.split()[0],
        "chromium": version,
        "seed": 19,
        "processors": os.cpu_count(),
        "load_of_the_computer": round(os.getloadavg()[0], 1),
        "results": len(took),
        "median_ms": round(float(np.median(took)), 1),
        "ninety_five_percent_ms": round(float(np.quantile(took, 0.95)), 1),
        "largest_ms": round(float(max(took)), 1),
    }
    for name, value in found.items():
        print(f"{name}: {value}")
    if options.record:
        write_json(ROOT / "docs" / "results" / "page-latency.json", found)


if __name__ == "__main__":
    main()
