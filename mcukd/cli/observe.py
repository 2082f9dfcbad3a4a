"""Command `mcukd observe`: a field session, on a terminal, a page, or by a script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcukd.cli.common import JsonOption, StudyOption, names_in, port_given
from mcukd.cli.tag_line import BaudOption, EmulateOption, PortOption

if TYPE_CHECKING:
    from mcukd.observation.events import Event
    from mcukd.observation.script import Command
    from mcukd.observation.session import Session


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(observe)


def observe(
    context: typer.Context,
    animal: Annotated[
        list[str] | None,
        typer.Option(
            "--animal", help="Name of an animal that is watched; again for each.", show_default=False
        ),
    ] = None,
    observer: Annotated[str, typer.Option(help="Who watches; part of a file's name.")] = "observer",
    port: PortOption = None,
    emulate: EmulateOption = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Instead of a tag: replay a stream or log of one.", show_default=False),
    ] = None,
    no_tag: Annotated[bool, typer.Option("--no-tag", help="Observe without a tag.")] = False,
    session: Annotated[
        Path | None,
        typer.Option(help="Folder of the session. Default: sessions/<time>-<animal>.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a session, or join it as another observer.")
    ] = False,
    run: StudyOption = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Behaviours, in place of a study's.", show_default=False),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Behaviours that the tag does not know.", show_default=False),
    ] = None,
    tagged: Annotated[
        str | None,
        typer.Option(help="The animal that wears the tag, where there are several.", show_default=False),
    ] = None,
    precision: Annotated[
        float, typer.Option(min=0.01, max=0.49, help="Wanted half width of a sensitivity's interval.")
    ] = 0.1,
    blind: Annotated[bool, typer.Option("--blind", help="Show nothing that the tag says.")] = False,
    zone: Annotated[
        str | None,
        typer.Option(help="Time zone, as Europe/London. Default: this computer's.", show_default=False),
    ] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Have the tag tell its samples too; taps are found in them.")
    ] = False,
    script: Annotated[
        Path | None,
        typer.Option(help="Timed commands instead of a screen; - for standard input.", show_default=False),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="A page for a browser, as a phone's, instead of the screen.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --web: address of this computer in the phone's network. Default: this computer alone.",
            show_default=False,
        ),
    ] = None,
    web_port: Annotated[
        int | None,
        typer.Option("--web-port", help="With --web: port of the page. Default: 8765.", show_default=False),
    ] = None,
    with_observer: Annotated[
        list[str] | None,
        typer.Option(
            "--with-observer",
            metavar="NAME",
            help="With --web: another observer, with a code of their own; again for each.",
            show_default=False,
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="An emulated tag on a simulated animal; a script presses the keys.")
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=60,
            help="With --demo (default 4) and --replay (1): how much faster time passes.",
            show_default=False,
        ),
    ] = None,
    smoothing: Annotated[
        int, typer.Option(min=1, help="With --replay of a log: results in the tag's majority vote.")
    ] = 1,
    baud: BaudOption = 115_200,
    json: JsonOption = False,
) -> None:
    """Watch animals, press a key for what they do, and compare with what their tag says, live.

    Every key is on disk before it is shown as taken; --resume goes on after whatever ended the program.
    'mcukd agree FOLDER' compares the two afterwards.

    Example: [bold]mcukd observe --port /dev/ttyACM0 --run runs/cow --animal cow-17 --observer anna[/bold]

    On a phone in this computer's network: [bold]mcukd observe … --web --host 192.168.43.10[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.pipeline.observe import Wanted, observing

    page = _page_wanted(web, host, web_port, with_observer, script)
    if demo:
        _demo(session, observer if _given(context, "observer") else None, run, speed or 4.0, script, page)
        return
    wanted = Wanted(
        observer=observer,
        animals=tuple(animal or ()),
        folder=session,
        resume=resume,
        run=run,
        classes=None if classes is None else names_in(classes),
        also=() if also is None else names_in(also),
        tagged=tagged,
        precision=precision,
        blind=blind,
        zone=zone,
        port=port_given(context, port, emulates=bool(emulate or replay or no_tag)),
        baud=baud,
        emulate=emulate,
        replay=replay,
        no_tag=no_tag,
        samples=samples,
        speed=speed or 1.0,
        smoothing=smoothing,
    )
    if speed is not None and replay is None:
        raise UserError("--speed is for --demo and --replay; a real animal has its own.")
    if script is None and page is None:
        _require_terminal("--script FILE")
    commands = None if script is None else _commands(script)
    with observing(wanted) as opened:
        if page is not None:
            _on_page(opened, observer, page)
        elif commands is None:
            _on_terminal(opened, observer)
        else:
            _by_script(opened, observer, commands, json)
    _say_where(opened, goes_on=not (emulate or replay))


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _demo(
    folder: Path | None,
    observer: str | None,
    run: Path | None,
    speed: float,
    script: Path | None,
    page: _Page | None,
) -> None:
    from mcukd.errors import UserError
    from mcukd.pipeline.observe_demo import SCRIPTED, demonstrating

    if script is not None:
        raise UserError("--demo has a script of its own; leave --script out.")
    if page is None:
        _require_terminal("--web")
    with demonstrating(folder, run, speed, lambda text: typer.secho(f"→ {text}", err=True)) as opened:
        if page is None:
            _on_terminal(opened, observer or SCRIPTED)
        else:
            _on_page(opened, observer or SCRIPTED, page)
    _say_where(opened, goes_on=False)


def _require_terminal(instead: str) -> None:
    import sys

    from mcukd import extras
    from mcukd.errors import UserError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(f"the screen needs a terminal; give {instead} where there is none.")
    extras.require("textual", "the screen")


def _on_terminal(opened: Session, observer: str) -> None:
    from mcukd.observation.terminal.app import ObserveApp

    ObserveApp(opened, observer).run()


@dataclass(frozen=True)
class _Page:
    """Where the page is served, and for whom besides the observer."""

    host: str
    port: int
    others: tuple[str, ...]


def _page_wanted(
    web: bool, host: str | None, port: int | None, others: list[str] | None, script: Path | None
) -> _Page | None:
    """Return where the page is to be served, None without --web."""
    from mcukd import extras
    from mcukd.errors import UserError

    given = {"--host": host, "--web-port": port, "--with-observer": others}
    if not web:
        alone = [name for name, value in given.items() if value]
        if alone:
            raise UserError(f"{alone[0]} is of the page; add --web.")
        return None
    if script is not None:
        raise UserError("--web and --script are both given; give one.")
    for name in extras.EXTRAS["observe"]:
        extras.require(name, "the page")
    from mcukd.observation.folder import require_observer
    from mcukd.observation.web.server import HERE, PORT, listening

    page = _Page(HERE if host is None else host, PORT if port is None else port, tuple(others or ()))
    for name in page.others:
        require_observer(name)
    # An address that cannot be used is said before a session begins.
    listening(page.host, page.port).close()
    return page


def _on_page(opened: Session, observer: str, page: _Page) -> None:
    """Serve the page until Ctrl-C; what was taken is on disk whatever ends the program."""
    from contextlib import suppress

    from mcukd.observation.web.server import serve

    typer.echo("Ctrl-C ends the session's page.", err=True)
    with suppress(KeyboardInterrupt):
        serve(
            opened,
            [observer, *page.others],
            page.host,
            page.port,
            lambda line: print(line, flush=True),
        )


def _commands(script: Path) -> Iterable[Command]:
    """Return the commands of a file, which is read as a whole, or of standard input, as they come."""
    import sys

    from mcukd.errors import UserError
    from mcukd.observation.script import parse

    if str(script) == "-":
        return parse(sys.stdin, "standard input")
    try:
        lines = script.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(
            f"--script {script}: {error.strerror}; name a file of timed commands, or - for standard input."
        ) from None
    except ValueError:
        raise UserError(f"--script {script}: it is no UTF-8 text; save it as UTF-8.") from None
    return list(parse(lines, str(script)))


def _by_script(opened: Session, observer: str, commands: Iterable[Command], json: bool) -> None:
    from threading import Event as Stop

    from mcukd.observation.script import run
    from mcukd.observation.waiting import waiter

    def say(event: Event) -> None:
        opened.did(event)
        print(_line(event, json), flush=True)

    run(opened.recorder(observer), commands, waiter(opened.clock, Stop()), say)


def _line(event: Event, json: bool) -> str:
    """Return the line that says that an event is on disk."""
    from json import dumps

    from mcukd.observation.events import entry_of
    from mcukd.text import visible

    fields = {"number": event.number, **entry_of(event)}
    if json:
        return dumps(fields, ensure_ascii=False)
    words = " ".join(
        str(value) for name, value in fields.items() if name in ("animal", "behaviour", "of", "text")
    )
    return visible(f"{event.number} {event.what.kind} {words}".rstrip())


def _say_where(opened: Session, goes_on: bool) -> None:
    typer.echo(f"Session: {opened.folder}", err=True)
    typer.echo(f"  compare: mcukd agree {opened.folder}", err=True)
    if goes_on:
        typer.echo(f"  go on:   mcukd observe --resume --session {opened.folder} …", err=True)
