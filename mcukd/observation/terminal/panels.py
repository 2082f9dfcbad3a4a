"""Panels of the terminal screen: texts made from a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from rich.style import Style
from rich.table import Table
from rich.text import Text

from mcukd.observation.events import Event
from mcukd.observation.terminal.ethogram import strip, style_of
from mcukd.text import figure, visible

#: Seconds of a column of the ethogram.
STEP_S = 4.0
_EVENTS = 20
#: Letters of a behaviour's name on its label.
_NAME = 16
#: Columns that a table with all figures needs.
_NARROW = 60
_BOLD = Style(bold=True)


def clock(seconds: float | None, zone: tzinfo) -> str:
    """Return local wall time of seconds since 1970; a dash without one."""
    if seconds is None:
        return "–"
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime("%H:%M:%S")


def passed(seconds: float) -> str:
    """Return a duration as minutes and seconds, or with hours."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def head(shown: Mapping[str, Any], observer: str, zone: tzinfo) -> Text:
    """Return the first line: what the session is, what is not real in it, and the time."""
    session = shown["session"]
    text = Text()
    text.append(f" {session['name']} ", "bold reverse")
    text.append(f"  observer {observer}  ")
    if session["simulated"]:
        text.append(" SIMULATED ANIMAL ", "bold black on yellow")
        text.append(" ")
    if shown["tag"] and shown["tag"]["emulated"]:
        text.append(" EMULATED TAG ", "bold black on yellow")
        text.append(" ")
    text.append(f"  {clock(shown['now'], zone)}  ", "bold")
    text.append(f"since {passed(shown['now'] - session['began'])}", "dim")
    return text


def animals(shown: Mapping[str, Any], observer: str, current: str) -> Text:
    """Return the animals with what each does; the one that keys are for stands out."""
    text = Text()
    mine = shown["observers"][observer]
    for name, one in mine["animals"].items():
        does = one["behaviour"] or ("out of sight" if one["out_of_sight"] else "?")
        since = "" if one["since"] is None else f" {passed(shown['now'] - one['since'])}"
        chosen = name == current
        text.append(" ▶ " if chosen else "   ", "bold")
        text.append(f"{name}: {does}{since}", "bold reverse" if chosen else "")
        text.append("  ")
    return text


def keys_panel(keys: Mapping[str, str], current: str | None, said: str | None, large: bool) -> Text:
    """Return a label for each behaviour: its key, its name, whether it goes on, what the tag says.

    keys: key → behaviour. current: what the observer said last. said: what the tag says. large: two lines
    for each.
    """
    text = Text()
    for number, (key, name) in enumerate(keys.items()):
        style = style_of(number) + _BOLD
        if large:
            text.append("     ", style)
            text.append("\n")
        text.append(f"  {key}  ", style)
        mark = "◀ you" if name == current else ""
        mark += (" ◀ tag" if mark else "◀ tag") if name == said else ""
        text.append(f" {name[:_NAME]:<{_NAME}}", "bold" if name == current else "")
        text.append(f" {mark}\n", "bold")
    return text


def tag_line(shown: Mapping[str, Any], zone: tzinfo) -> Text:
    """Return the tag's state in a line."""
    tag = shown["tag"]
    if tag is None:
        return Text("No tag.", "dim")
    text = Text("Tag: ", "bold")
    words = {
        "waiting": ("waiting for it", "yellow"),
        "connected": ("connected", "green"),
        "lost": ("LOST – it is looked for", "bold red"),
        "ended": ("ended", "yellow"),
    }
    text.append(*words[tag["state"]])
    if shown["session"]["blind"]:
        text.append("; not shown (blind session)", "dim")
    elif tag["time"] is not None:
        text.append(f"; {tag['behaviour'] or 'unknown'}", "bold")
        text.append(f" at {clock(tag['time'], zone)}", "dim")
    if tag["gaps"]:
        text.append(f"; {tag['gaps']} gaps", "yellow")
    if tag["clock"]:
        text.append(f"; clock ± {tag['clock']['tolerance_s']:.2f} s", "dim")
    for trouble in (tag["reason"], tag["problem"]):
        if trouble:
            text.append(f"\n{trouble}", "bold red")
    return text


def ethograms(shown: Mapping[str, Any], animal: str, keys: Mapping[str, str], width: int) -> Text:
    """Return the rows of all sources of an animal, the newest at the right. keys: key → behaviour."""
    by_name = {name: key for key, name in keys.items()}
    text = Text()
    for one in shown["ethograms"].get(animal, []):
        label = one["source"].replace("observer ", "")[:10]
        text.append(f"{label:<10} ", "bold")
        text.append_text(strip(one["bouts"], shown["now"], width - 12, STEP_S, by_name))
        text.append("\n")
    text.append(f"{'':<11}{STEP_S:g} s a column, now at the right; · not known", "dim")
    return text


def figures(shown: Mapping[str, Any], observer: str, animal: str, width: int) -> Table:
    """Return minutes by behaviour of each source, and what is known of the tag's agreement so far.

    width: columns of the terminal that there are; with few, intervals and the numbers of bouts are left out.
    """
    narrow = width < _NARROW
    minutes = shown["minutes"].get(animal, {})
    agreement = shown["agreement"].get(observer) if animal == shown["session"]["tagged"] else None
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("behaviour", no_wrap=True)
    for source in minutes:
        label = source.replace("observer ", "")
        label = f"{label[:6]}\nmin" if narrow else f"{label[:8]} min"
        table.add_column(label, justify="right", no_wrap=True)
    if agreement:
        for label in ("found", "needed") if narrow else ("found", "95 %", "bouts", "needed"):
            table.add_column(label, justify="right", no_wrap=True)
    for name in (*shown["session"]["classes"], *shown["session"]["also"]):
        row: list[str | Text] = [Text(name), *(f"{of.get(name, 0.0):.1f}" for of in minutes.values())]
        if agreement and name in agreement["behaviours"]:
            one = agreement["behaviours"][name]
            sensitivity = one["sensitivity"]
            low_high = sensitivity["interval"]
            between = "–" if low_high is None else f"{low_high[0]:.2f}–{low_high[1]:.2f}"
            row += [
                figure(sensitivity["value"], 2),
                *([] if narrow else [between, str(sensitivity["bouts"])]),
                "enough" if not one["still_needed"] else f"{one['still_needed']} more",
            ]
        table.add_row(*row)
    return table


def agreement_line(shown: Mapping[str, Any], observer: str) -> Text:
    """Return the agreement so far in a line or two: with the tag, and between observers."""
    text = Text()
    if shown["session"]["blind"]:
        return Text("Agreement is not shown in a blind session; the report has it.", "dim")
    lines = [("with the tag", shown["agreement"].get(observer))]
    lines += [(f"{names}", one) for names, one in shown["between_observers"].items()]
    for names, one in lines:
        if one is None or not one["both_know_min"]:
            continue
        kappa = {name: figure(each["value"], 2) for name, each in one["kappa"].items()}
        text.append(f"Agreement {names}: ", "bold")
        text.append(
            f"{one['same_share']:.0%} of {one['both_know_min']:.1f} min; kappa over time {kappa['time']}, "
            f"with ± {one['tolerance_s']:.1f} s {kappa['time_tolerant']}, over bouts {kappa['event']}\n"
        )
    return text


def events_panel(shown: Mapping[str, Any], observer: str, zone: tzinfo) -> Text:
    """Return the newest events, newest first, with their numbers."""
    text = Text()
    for one in reversed(shown["observers"][observer]["events"][-_EVENTS:]):
        words = " ".join(str(one[part]) for part in ("animal", "behaviour", "text") if one[part])
        of = f" {one['of']}" if one["of"] else ""
        line = f"{one['number']:>4} {clock(one['time'], zone)} {one['event']}{of} {visible(words)}"
        text.append(line, "strike dim" if one["undone"] else "")
        text.append(" (undone)\n" if one["undone"] else " (corrected)\n" if one["corrected"] else "\n", "dim")
    return text


def taken(event: Event, zone: tzinfo) -> Text:
    """Return that an event was taken."""
    words = [event.what.kind]
    words += [str(getattr(event.what, name, "") or "") for name in ("animal", "behaviour", "of", "text")]
    line = visible(" ".join(word for word in words if word))
    return Text(f"✓ {event.number} {line} {clock(event.utc_ns / 1e9, zone)} – on disk", "bold green")


def refused(sentence: str) -> Text:
    """Return that a key was not taken, and why."""
    return Text(f"✗ NOT TAKEN: {visible(sentence)}", "bold white on red")


def state_line(shown: Mapping[str, Any], observer: str) -> Text:
    """Return what the observer must not overlook: a pause, a scan that is due, a problem of the disk."""
    mine, text = shown["observers"][observer], Text()
    problem = mine["problem"] or shown["disk"]["problem"]
    if problem:
        text.append(f" NOT TAKEN: {problem} Press again. ", "bold white on red")
    if mine["ended"]:
        text.append(" ENDED ", "bold reverse")
    elif mine["paused"]:
        text.append(" PAUSED – p resumes ", "bold black on yellow")
    if mine["next_scan"] is not None:
        due = mine["next_scan"] - shown["now"]
        text.append(f" scan sampling each {mine['interval_s']} s: next in {passed(due)} ", "bold reverse")
    if mine["unseen_s"]:
        text.append(f" {passed(mine['unseen_s'])} were not watched (program away) ", "yellow")
    for sentence in shown["steps"][-1:]:
        text.append(f" {sentence} ", "yellow")
    free = shown["disk"]["free_bytes"]
    if free is not None and free < 100_000_000:
        text.append(f" disk: {free / 1e6:.0f} MB left ", "bold black on yellow")
    return text
