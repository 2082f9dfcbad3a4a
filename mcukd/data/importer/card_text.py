"""Text of a card (TOML) with comments that say where each value is from."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence

from mcukd.config_files import toml_string
from mcukd.data.card import FEATURES
from mcukd.data.importer.infer import InferredCard
from mcukd.data.importer.options import Options


def card_name(text: str) -> str:
    """Return a name a card may have, from a folder's or file's."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._") or "imported"


def signal_card(
    name: str,
    inferred: InferredCard,
    source: Mapping[str, str],
    columns: Mapping[str, str],
    options: Options,
    notes: Sequence[str],
    description: str,
) -> str:
    """Return the TOML of a card of recordings.

    source, columns: key → value as TOML; notes: why things are as they are, kept above the card.
    """
    axes = "\n".join(
        f"  {{ name = {toml_string(axis)}, meaning = {toml_string(meaning)} }},"
        for axis, meaning in zip("xyz", inferred.meanings)
    )
    lines = [
        *head(name, description, options, notes),
        "",
        "[source]",
        *(f"{key} = {value}" for key, value in source.items()),
        *(["", "[columns]", *(f"{key} = {value}" for key, value in columns.items())] if columns else []),
        "",
        "[signal]",
        f'units = "{inferred.units}"',
        *(
            [f"recorded_counts_per_g = {inferred.recorded_counts_per_g:.10g}   # of the files"]
            if inferred.recorded_counts_per_g is not None
            else []
        ),
        f"rate_hz = {inferred.rate_hz:.10g}",
        *(
            [f"resample_hz = {options.resample_hz:.10g}   # of windows and tag"]
            if options.resample_hz
            else []
        ),
        f"range_g = {inferred.range_g:g}          # of the tag's sensor",
        f"counts_per_g = {inferred.counts_per_g:g}   # of the tag's sensor: {inferred.sensor_origin}",
        '# How alike the sensor sits on every animal: "aligned", "turned" or "any". A guess by gravity:',
        "# 'mcukd data check CARD --mounting' compares what each costs; write \"compared\" then.",
        f'mounting = "{inferred.mounting}"',
        'mounting_from = "guess"',
        f"axes = [\n{axes}\n]",
        "",
        *class_lines(inferred.classes, inferred.merge, inferred.ignore, inferred.ignored_because),
        "",
        "[windows]",
        f"length = {inferred.window}",
        f"hop = {inferred.hop}",
        *(
            [f"train_hop = {inferred.train_hop}   # training windows overlap"]
            if inferred.train_hop != inferred.hop
            else []
        ),
    ]
    return "\n".join(lines) + "\n"


def feature_card(
    name: str,
    source: Mapping[str, str],
    columns: Mapping[str, str],
    classes: Sequence[str],
    merge: Mapping[str, Sequence[str]],
    ignore: Sequence[str],
    options: Options,
    notes: Sequence[str],
    description: str,
) -> str:
    """Return the TOML of a card of a table of features."""
    lines = [
        *head(name, description, options, notes, FEATURES),
        "",
        "[source]",
        *(f"{key} = {value}" for key, value in source.items()),
        "",
        "[columns]",
        *(f"{key} = {value}" for key, value in columns.items()),
        "",
        *class_lines(classes, merge, ignore, {}),
    ]
    return "\n".join(lines) + "\n"


def class_lines(
    classes: Sequence[str],
    merge: Mapping[str, Sequence[str]],
    ignore: Sequence[str],
    because: Mapping[str, str],
) -> list[str]:
    """Return the sections [classes] and [classes.merge]."""
    lines = ["[classes]", f"names = {array(classes)}"]
    if ignore:
        lines += ["ignore = ["]
        lines += [
            f"  {toml_string(label)}," + (f"   # {because[label]}" if label in because else "")
            for label in ignore
        ]
        lines += ["]"]
    if merge:
        lines += [
            "",
            "[classes.merge]",
            *(f"{_key(name)} = {array(labels)}" for name, labels in merge.items()),
        ]
    return lines


def array(texts: Sequence[str]) -> str:
    """Return a TOML array of strings."""
    return f"[{', '.join(toml_string(text) for text in texts)}]"


def literal(text: str) -> str:
    """Return a TOML literal string, in which backslashes stand for themselves."""
    return f"'{text}'" if "'" not in text else toml_string(text)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_string(name)


def head(
    name: str, description: str, options: Options, notes: Sequence[str], kind: str | None = None
) -> list[str]:
    """Return the lines above the sections: what was found and why, and the keys every card has."""
    comments = ["Written by 'mcukd data import'; read it, correct it, and fill in licence and citation.", ""]
    comments += ["What was found, and why:"]
    wrapped = [
        line
        for note in notes
        for line in textwrap.wrap(note, 105, initial_indent="- ", subsequent_indent="  ")
    ]
    return [
        *(f"# {line}".rstrip() for line in [*comments, *wrapped]),
        "",
        *([] if kind is None else [f"kind = {toml_string(kind)}"]),
        f"name = {toml_string(name)}",
        f"title = {toml_string(name)}",
        f"description = {toml_string(description)}",
        'licence = "not stated"',
        'citation = "not stated"',
        f"simulated = {str(bool(options.simulated)).lower()}",
        f'position = "{options.position or "other"}"   # "collar", "eartag" or "other"',
    ]
