"""Command `mcukd tag watch`: what a tag finds, as it finds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import JsonOption, StudyOption, names_and_model, port_given
from mcukd.cli.tag_line import BaudOption, EmulateOption, PortOption

if TYPE_CHECKING:
    from mcukd.observation.moments import Moment, SessionClock, TagSource
    from mcukd.observation.sources.proof import StreamProof


def watch(
    context: typer.Context,
    port: PortOption = None,
    emulate: EmulateOption = None,
    baud: BaudOption = 115_200,
    run: StudyOption = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="Ask for samples too; with --run, prove each result on them.")
    ] = False,
    results: Annotated[
        int | None,
        typer.Option(
            "--results", min=1, help="End after so many results. Default: with Ctrl-C.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show each result as the tag makes it; the tag goes on sampling, also after you leave.

    With --samples and --run the integer reference runs again on the samples that the tag tells, and each
    result is said to be equal or not, bit for bit; exit status 1 where one is not. With --json each line is a
    moment in JSON. --emulate puts a modelled sensor on a simulated animal, where the study's data are so.

    Example: [bold]mcukd tag watch --port /dev/ttyACM0 --samples --run runs/cow[/bold]
    """
    from mcukd.errors import UserError
    from mcukd.observation.clocks.session_clock import HostClock
    from mcukd.observation.moments import Connected, Disconnected, Result
    from mcukd.observation.sources.proof import DIFFERENT
    from mcukd.study import Study

    port = port_given(context, port, emulate is not None)
    if (emulate is None) == (not port):
        raise UserError(
            "name one tag: --port with its serial port (or MCUKD_PORT), or --emulate with a board."
        )
    if emulate is not None and run is None:
        run = Study.open(None).path
    names, model = names_and_model(None, run)
    proof = _proof(run) if samples and run is not None else None
    clock, stop, found, made = HostClock(), Event(), False, 0
    with _source(port, emulate, baud, run, clock, samples, model) as source:
        try:
            for moment in source.moments(stop):
                if isinstance(moment, Disconnected) and not found:
                    raise UserError(moment.reason)
                found = found or isinstance(moment, Connected)
                verdict = None if proof is None else proof.take(moment)
                _print(moment, verdict, names, json)
                made += isinstance(moment, Result)
                if made == results:
                    stop.set()
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
    if proof is not None:
        said = ", ".join(f"{count:,} {verdict}" for verdict, count in proof.said.items())
        typer.echo(f"Results against the integer reference: {said}.", err=True)
        if proof.said[DIFFERENT]:
            raise typer.Exit(1)


@contextmanager
def _source(
    port: str | None,
    emulate: str | None,
    baud: int,
    run: Path | None,
    clock: SessionClock,
    samples: bool,
    model: str | None,
) -> Iterator[TagSource]:
    """Give the tag at a port, or a study's image on the model of a board's chip."""
    from mcukd.observation.sources.live import tag_at_port

    if emulate is None:
        assert port
        yield tag_at_port(port, clock, baud_rate=baud, samples=samples, model_sha256=model)
        return
    from mcukd.observation.sources.emulated import animal_of, board_to_emulate, emulated_tag
    from mcukd.pipeline.firmware import ensure_built
    from mcukd.study import Study

    study = Study.open(run)
    board, animal = board_to_emulate(emulate, study), animal_of(study)
    with emulated_tag(board, ensure_built(study, board).elf, animal, clock, samples=samples) as source:
        yield source


def _proof(run: Path) -> StreamProof:
    from mcukd.fixedpoint.model import load_model
    from mcukd.observation.sources.proof import StreamProof
    from mcukd.study import Study

    return StreamProof(load_model(Study.open(run).path))


def _print(moment: Moment, verdict: str | None, names: Sequence[str] | None, json: bool) -> None:
    """Print a moment on a line; what is not a result goes to standard error, unless in JSON."""
    from mcukd.observation.moment_entries import entry_of_moment
    from mcukd.observation.moments import Result
    from mcukd.observation.sources.words import words_of

    if json:
        import json as writer

        entry: dict[str, Any] = entry_of_moment(moment)
        typer.echo(writer.dumps(entry if verdict is None else {**entry, "reference": verdict}))
        return
    words = words_of(moment, names)
    if words is not None:
        typer.echo(words if verdict is None else f"{words}  {verdict}", err=not isinstance(moment, Result))
