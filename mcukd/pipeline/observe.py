"""The observe stage: opens a field session with its tag, as the options say."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mcukd import __version__
from mcukd.errors import UserError
from mcukd.observation.clocks.local_time import zone_named
from mcukd.observation.clocks.session_clock import FastClock, HostClock
from mcukd.observation.folder import (
    FACTS,
    SessionFacts,
    facts_of,
    last_alive,
    observer_path,
    observers_of,
    read_events,
    read_facts,
    require_observer,
)
from mcukd.observation.moment_entries import time_of
from mcukd.observation.moments import Connected, Moment, SessionClock, TagSource
from mcukd.observation.session import Session
from mcukd.study import Study
from mcukd.text import listed

if TYPE_CHECKING:
    from mcukd.fixedpoint.model import IntegerModel

SESSIONS = Path("sessions")
#: Seconds for which the animal of an emulated tag is simulated before it begins anew.
_ANIMAL_S = 7200


@dataclass(frozen=True)
class Wanted:
    """What a field session is asked to be.

    folder: of the session, named by time and animal without one; with `resume` the newest in `sessions`. run:
    study of the tag's model, runs/latest without one; classes: names in its place. also: further behaviours.
    tagged: who wears the tag, needed with several animals. Of port, emulate (a board), replay (a file) and
    no_tag one is given. samples: whether the tag tells its samples too, in which taps are found. speed,
    smoothing: of a replay: how much faster it passes, and results in the majority of the tag of a log.
    """

    observer: str
    animals: tuple[str, ...] = ()
    folder: Path | None = None
    resume: bool = False
    run: Path | None = None
    classes: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    tagged: str | None = None
    precision: float = 0.1
    blind: bool = False
    zone: str | None = None
    port: str | None = None
    baud: int = 115_200
    emulate: str | None = None
    replay: Path | None = None
    no_tag: bool = False
    samples: bool = False
    speed: float = 1.0
    smoothing: int = 1


@contextmanager
def observing(wanted: Wanted) -> Iterator[Session]:
    """Open the session that is wanted, have its tag watched and time kept, and close it at the end.

    Raises UserError, before anything is written, where the options do not fit together.
    """
    _require_one_source(wanted)
    require_observer(wanted.observer)
    if wanted.resume and (wanted.emulate or wanted.replay):
        raise UserError(
            "--resume: an emulated or replayed tag begins anew, and so does its clock; begin another "
            "session, or go on with --no-tag."
        )
    if wanted.emulate is not None:
        from mcukd.observation.sources.emulated import board_to_emulate

        study_and_model(wanted.run)
        board_to_emulate(wanted.emulate, Study.open(wanted.run))
    with ExitStack() as stack:
        if wanted.resume:
            folder = wanted.folder or _newest()
            session = Session(folder, HostClock(not_before_ns=last_known(folder)))
            kept = []
            _require_the_same(wanted, session.facts)
        else:
            folder = wanted.folder or _new_folder(wanted)
            kept = _kept(wanted)
            clock = FastClock(wanted.speed, time_of(kept[0])) if kept else HostClock()
            facts = _facts(wanted, folder, clock.now_ns(), kept)
            session = Session.begin(folder, facts, clock)
        stack.enter_context(session)
        session.join(wanted.observer)
        if not wanted.no_tag:
            session.watch(stack.enter_context(_source(wanted, session, kept)))
        session.keep_time()
        yield session


def last_known(folder: Path) -> int:
    """Return the last time that a session's folder knows, in ns since 1970."""
    facts = read_facts(folder)
    times = [facts.began_ns]
    for name in observers_of(folder):
        times.append(last_alive(folder, name, read_events(observer_path(folder, name), facts)))
    return max(times)


def local_zone() -> str:
    """Return the name of this computer's time zone. Raises UserError where it has none that is known."""
    named = os.environ.get("TZ", "").lstrip(":")
    link = Path("/etc/localtime")
    if not named and link.is_symlink():
        named = str(link.resolve()).partition("zoneinfo/")[2]
    if not named and datetime.now().astimezone().utcoffset() == UTC.utcoffset(None):
        named = "UTC"
    try:
        zone_named(named)
    except UserError:
        raise UserError(
            "this computer does not tell its time zone's name; give it: --zone Europe/London."
        ) from None
    return named


def _require_one_source(wanted: Wanted) -> None:
    given = {
        "--port": wanted.port,
        "--emulate": wanted.emulate,
        "--replay": wanted.replay,
        "--no-tag": wanted.no_tag,
    }
    named = [name for name, value in given.items() if value]
    if len(named) != 1:
        raise UserError(
            f"{'no tag is named' if not named else listed(named) + ' are given'}; give one of "
            "--port, --emulate, --replay, or --no-tag for a session without one."
        )


def _newest() -> Path:
    found = sorted(SESSIONS.glob(f"*/{FACTS}"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise UserError(f"--resume: no session is in {SESSIONS}; name its folder with --session.")
    return found[-1].parent


def _new_folder(wanted: Wanted) -> Path:
    if not wanted.animals:
        raise UserError("no animal is named; give --animal with the name of each that is watched.")
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in wanted.animals[0])
    return SESSIONS / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}-{name}"


def _kept(wanted: Wanted) -> list[Moment]:
    """Return the moments that are replayed, none without a replay."""
    if wanted.replay is None:
        return []
    from mcukd.observation.sources.replay import kept_moments

    if wanted.classes is not None:
        raise UserError("--replay: the model of the tag is needed; name its study with --run, not --classes.")
    return kept_moments(wanted.replay, study_and_model(wanted.run)[1], wanted.smoothing)


def _of_simulation(wanted: Wanted) -> bool:
    """Return whether the animals of a session are simulated, as far as that is known."""
    if wanted.replay is not None and (wanted.replay.parent / FACTS).exists():
        return read_facts(wanted.replay.parent).simulated
    return wanted.emulate is not None


def _facts(wanted: Wanted, folder: Path, began_ns: int, kept: Sequence[Moment]) -> SessionFacts:
    if not wanted.animals:
        raise UserError("no animal is named; give --animal with the name of each that is watched.")
    tagged = wanted.tagged
    if tagged is None and not wanted.no_tag:
        if len(wanted.animals) > 1:
            raise UserError(f"--tagged is missing: say which of {listed(wanted.animals)} wears the tag.")
        tagged = wanted.animals[0]
    if wanted.classes is not None and (wanted.run is not None or wanted.emulate is not None):
        raise UserError("--classes and the study both name the classes; leave --classes out.")
    zone = wanted.zone or local_zone()
    zone_named(zone)
    study, model = ("", None) if wanted.classes is not None else study_and_model(wanted.run)
    return facts_of(
        id=secrets.token_hex(16),
        name=folder.name,
        began_ns=began_ns,
        zone=zone,
        animals=wanted.animals,
        tagged=tagged,
        classes=wanted.classes if model is None else model.classes,
        also=wanted.also,
        study=study,
        model_sha256="" if model is None else model.sha256,
        precision=wanted.precision,
        blind=wanted.blind,
        simulated=_of_simulation(wanted),
        emulated=wanted.emulate is not None
        or any(isinstance(each, Connected) and each.emulated for each in kept),
        versions={"mcukd": __version__, "python": platform.python_version()},
    )


def study_and_model(run: Path | None) -> tuple[str, IntegerModel]:
    """Return a study's name and its integer model. Raises UserError where it has none."""
    from mcukd.fixedpoint.model import load_model
    from mcukd.models.student import require_integers

    study = Study.open(run)
    require_integers(study, "the classes of a tag")
    study.require("quantize")
    return study.path.name, load_model(study.path)


def _require_the_same(wanted: Wanted, facts: SessionFacts) -> None:
    """Require that what is given anew is what the session has had from its begin on."""
    for name, given, fact in (
        ("--animal", wanted.animals, facts.animals),
        ("--tagged", wanted.tagged, facts.tagged),
        ("--classes", wanted.classes, facts.classes),
        ("--also", wanted.also, facts.also),
        ("--zone", wanted.zone, facts.zone),
    ):
        if given and given != fact:
            told = listed(fact) if isinstance(fact, tuple) else fact
            raise UserError(f"{name}: the session has {told} from its begin on; leave {name} out to go on.")


@contextmanager
def _source(wanted: Wanted, session: Session, kept: Sequence[Moment]) -> Iterator[TagSource]:
    from mcukd.harness.protocol import open_device
    from mcukd.observation.sources.live import LiveTag
    from mcukd.observation.sources.replay import Replay

    facts, known = session.facts, session.tag.recall()
    model = facts.model_sha256 or None
    if wanted.port is not None:
        port, baud = wanted.port, wanted.baud
        yield LiveTag(
            port,
            lambda: open_device(port, baud),
            session.clock,
            samples=wanted.samples,
            model_sha256=model,
            known=known,
        )
    elif wanted.emulate is not None:
        study = Study.open(wanted.run)
        with emulated(wanted.emulate, study, session.clock, 1.0, wanted.samples) as source:
            yield source
    else:
        yield Replay(str(wanted.replay), kept, session.clock)


@contextmanager
def emulated(
    name: str, study: Study, clock: SessionClock, speed: float, samples: bool = False
) -> Iterator[TagSource]:
    """Run a study's image on the model of a board's chip, on a simulated animal, and yield it as a source."""
    from mcukd.observation.sources.emulated import animal_of, board_to_emulate, emulated_tag
    from mcukd.pipeline.firmware import ensure_built

    board, animal = board_to_emulate(name, study), animal_of(study, _ANIMAL_S)
    elf = ensure_built(study, board).elf
    with emulated_tag(board, elf, animal, clock, speed=speed, samples=samples) as source:
        yield source
