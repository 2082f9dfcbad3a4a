"""Import of tables of features: a card each, for training a classifier head."""

from __future__ import annotations

from pathlib import Path

from mcukd.config_files import toml_string
from mcukd.data.features import load_feature_card, load_features
from mcukd.data.importer import card_text
from mcukd.data.importer.columns import looks_like_features, number_columns, text_role
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.plan import find_files
from mcukd.data.importer.text import TextForm, parse, read_blocks, sniff
from mcukd.errors import UserError
from mcukd.files import write_text
from mcukd.text import did_you_mean, listed


def import_tables(
    path: Path, name: str, out: Path, options: Options, dialog: Dialog
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write a card for every table at a path and return the cards and what was found.

    One table: `out`/card.toml; several: `out`/<table>.toml. Raises UserError for what is no such table.
    """
    files = [file for file in find_files(path) if file.suffix.lower() in (".csv", ".tsv")]
    if not files:
        raise UserError(f"there is no table (.csv, .tsv) at {path}; --features takes tables of text")
    texts: dict[Path, str] = {}
    for file in files:
        own = name if len(files) == 1 else card_text.card_name(file.stem)
        target = out / ("card.toml" if len(files) == 1 else f"{own}.toml")
        if target.exists():
            raise UserError(
                f"{target} is there already; edit it, remove it, or name another folder with --out"
            )
        texts[target] = _card(file, own, options, dialog)
    for target, text in texts.items():
        write_text(target, text)
        load_features(load_feature_card(str(target)))
    return tuple(texts), tuple(dialog.notes)


def _card(file: Path, name: str, options: Options, dialog: Dialog) -> str:
    form = sniff(file)
    if not form.is_plain:
        raise UserError(
            f"{file} is {form.description}; a table of features has to be plain UTF-8 CSV: save it so"
        )
    animal = _column(form, "animal", options.animal_column, [], dialog, file)
    label = _column(form, "label", options.label_column, [animal], dialog, file)
    found = [column for column in looks_like_features(form) if column not in (animal, label)]
    numbers = [column for column in number_columns(form) if column not in (animal, label)]
    features = found or numbers
    rest = [column for column in form.header if column not in (*features, animal, label)]
    if not features:
        raise UserError(f"{file} has no column of numbers beside {animal} and {label}; expected features")
    labels: dict[str, int] = {}
    for block in read_blocks(file, form):
        for value in parse(file, form, block, [], [label])[label]:
            labels[str(value).strip()] = labels.get(str(value).strip(), 0) + 1
    for old in options.mapping:
        if old not in labels:
            raise UserError(
                f"--map names the label {old!r}{did_you_mean(old, labels)}; the labels are "
                f"{listed(sorted(labels))}"
            )
    merge: dict[str, list[str]] = {}
    for one in sorted(labels):
        merge.setdefault(options.mapping.get(one, one), []).append(one)
    classes = options.classes or tuple(merge)
    if len(classes) < 2:
        raise UserError(
            f"{file} has {len(classes)} class ({listed(classes)}), and a classifier needs two; add rows"
        )
    ignore = [one for name_, members in merge.items() if name_ not in classes for one in members]
    dialog.note(
        f"{file.name}: {sum(labels.values())} rows of {len(features)} features ({listed(features)}); "
        f"animal: {animal}; "
        f"label: {label}; other columns, not taken: {listed(rest)}"
    )
    dialog.note(
        f"{file.name}: a table for a classifier head; no signal can be made from it, so no board can "
        "run it alone"
    )
    return card_text.feature_card(
        name,
        {"folder": toml_string(str(file.parent.resolve())), "file": toml_string(file.name)},
        {
            "features": card_text.array(features),
            "animal": toml_string(animal),
            "label": toml_string(label),
            **({} if form.delimiter == "," else {"delimiter": toml_string(form.delimiter)}),
        },
        classes,
        {
            one: [label for label in members if label != one]
            for one, members in merge.items()
            if one in classes and members != [one]
        },
        ignore,
        options,
        dialog.notes[-2:],
        f"Features imported from {file.name}.",
    )


def _column(
    form: TextForm, role: str, stated: str | None, taken: list[str], dialog: Dialog, file: Path
) -> str:
    if stated is not None:
        if stated not in form.header:
            raise UserError(
                f"--{role}-column names {stated!r}{did_you_mean(stated, form.header)}, which is no "
                f"column of {file}; "
                f"the columns are {listed(form.header)}"
            )
        return stated
    guess, _ = text_role(form, role, taken)
    if guess is None:
        guess = dialog.choose(
            f"no column of {file.name} is named like the {role}", f"--{role}-column", form.header
        )
    return guess
