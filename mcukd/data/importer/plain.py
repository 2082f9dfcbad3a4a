"""Cards that point at the original files: when they may, and with which section [source]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mcukd.config_files import toml_string
from mcukd.data.card import Card
from mcukd.data.importer import card_text
from mcukd.data.importer.infer import InferredCard
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.paths import path_tokens
from mcukd.data.importer.reading_plan import ReadingPlan

#: Larger files are converted, so that they are parsed once and not at every run.
PLAIN_BYTES = 64_000_000


def plain_source(plan: ReadingPlan, options: Options, dialog: Dialog) -> dict[str, str] | None:
    """Return the [source] of a card that points at the files as they are, None where they need conversion."""
    why = _needs_conversion(plan, options)
    source: dict[str, str] | None = None
    if why is None:
        folder = str(plan.root.resolve())
        if plan.animal and plan.label:
            source = {
                "reader": '"long-csv"',
                "folder": toml_string(folder),
                "file": toml_string(plan.files[0].relative),
            }
        else:
            pattern = _pattern(plan)
            if pattern is None:
                why = "no pattern tells label and animal from the paths"
            else:
                source = {
                    "reader": '"segments"',
                    "folder": toml_string(folder),
                    "pattern": card_text.literal(pattern),
                }
    if why is not None:
        dialog.note(f"conversion: to Parquet, for {why}")
    return source


def _needs_conversion(plan: ReadingPlan, options: Options) -> str | None:
    from_paths = plan.tokens is not None and set(plan.tokens) == {"animal", "label"}
    tests = (
        (plan.layout == "device", "these are loggers' own files"),
        (plan.layout != "rows", "samples are not a row each"),
        (options.labels_table is not None, "labels come from a table apart"),
        (options.sort, "rows have to be sorted"),
        (plan.sensor is not None, "rows of other sensors have to be set aside"),
        (plan.clock_column is not None, "date and clock are apart"),
        (plan.parts is not None, "the stamps are apart in several columns"),
        (plan.counter is not None, "a counter tells gaps"),
        (
            any(f.time is not None and not f.time.is_plain for f in plan.files),
            "stamps are not in seconds or ISO 8601",
        ),
        (any(f.form is None or not f.form.is_plain for f in plan.files), "the text is not plain UTF-8 CSV"),
        (len({f.form.delimiter for f in plan.files if f.form}) > 1, "files use different delimiters"),
        (any(not f.relative.endswith(".csv") for f in plan.files), "not all names end in .csv"),
        (
            sum(f.path.stat().st_size for f in plan.files) > PLAIN_BYTES,
            "parsing so much text at every run is slow",
        ),
        (not from_paths and not (plan.animal and plan.label), "label and animal are not told in one way"),
        (not from_paths and len(plan.files) > 1, "several files make up the table"),
    )
    return next((why for found, why in tests if found), None)


def _pattern(plan: ReadingPlan) -> str | None:
    """Write the regular expression that takes label and animal from a path; None where it would not do so."""
    assert plan.tokens is not None
    roles = {token: role for role, token in plan.tokens.items()}
    tables = [path_tokens(file.relative) for file in plan.files]
    folders = [key for key in tables[0] if key.startswith("folder")]
    if not all(re.fullmatch(r"(folder|file) \d+", key) for key in roles):
        return None
    last = max((int(key.split()[1]) for key in roles if key.startswith("file")), default=0)
    text = "".join(f"(?P<{roles[key]}>[^/]+)/" if key in roles else "[^/]+/" for key in folders)
    parts = []
    for number in range(1, last + 1):
        key = f"file {number}"
        parts.append(f"(?P<{roles[key]}>[^/_\\s]+?)" if key in roles else "[^/_\\s]*?")
    separator = r"(?:[_\s]+|-(?!\d))"
    text += separator.join(parts) + (rf"(?:{separator}[^/]*)?" if last else "[^/]*") + r"\.csv"
    compiled = re.compile(text)
    for file in plan.files:
        match = compiled.fullmatch(file.relative)
        if match is None or (match["label"], match["animal"]) != (file.label, file.animal):
            return None
    every = {one.relative_to(plan.root).as_posix() for one in plan.root.rglob("*.csv")}
    return text if every <= {file.relative for file in plan.files} else None


def toml_columns(plan: ReadingPlan) -> dict[str, str]:
    """Return the [columns] of a card as TOML."""
    form = plan.files[0].form
    assert form is not None
    columns = {"acceleration": card_text.array(plan.acceleration)}
    for key, name in (
        ("time", plan.time),
        ("animal", plan.animal),
        ("label", plan.label),
        ("segment", plan.segment),
    ):
        if name and not (plan.tokens and key in ("animal", "label", "segment")):
            columns[key] = toml_string(name)
    if form.delimiter != ",":
        columns["delimiter"] = toml_string(form.delimiter)
    return columns


def provisional(name: str, source: dict[str, str], columns: dict[str, str], options: Options) -> Card:
    """A card good enough to read the runs with: nothing of it but source and columns is used."""
    from mcukd.config_files import tomllib

    blank = InferredCard("g", None, 1.0, 2.0, 1.0, "any", ("", "", ""), ("a", "b"), {}, [], 2, 2, 2)
    card: Card = Card.model_validate(
        tomllib.loads(
            card_text.signal_card(name, blank, source, columns, replace(options, resample_hz=None), [], "")
        )
    )
    return card


def toml_paths(relatives: Sequence[str]) -> str:
    """Return paths as a TOML array of shell patterns that match just them."""
    # Brackets are shell patterns in exclude_files.
    escaped = [re.sub(r"([\[*?])", r"[\1]", one) for one in relatives]
    return "[\n" + "".join(f"  {toml_string(one)},\n" for one in escaped) + "]"
