"""The package stage: a study's model as packages for toolchains, zips that install as they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.archive.container import Broken, measured, read_archive, write_archive
from mcukd.data.folds import natural_order, split_meaning
from mcukd.errors import UserError
from mcukd.evaluation.model_names import model_title
from mcukd.files import folder_beside, make_folder, sha256_file
from mcukd.metrics.registry import METRICS
from mcukd.models.student import require_integers
from mcukd.packaging.description import DataFacts, Description, ScoreFacts
from mcukd.packaging.files import Package, make_package
from mcukd.packaging.manifest import Choices
from mcukd.packaging.targets.registry import TARGETS
from mcukd.report.conclusion import proof_sentence, verdict
from mcukd.report.evidence import Evidence, gather
from mcukd.study import Study
from mcukd.text import figure, listed, with_spread

FOLDER = "packages"
#: What the console calls the part of a firmware's flash that is the model's instructions.
_CODE = "model code"
#: More files than these that differ are counted in a message.
_MOST_NAMES = 5


@dataclass(frozen=True)
class Packed:
    """A package on disk: the zip, its SHA-256, and the unpacked folder or None.

    ran: whether anything was written. replaced: whether that was in the place of another package.
    """

    package: Package
    zip: Path
    sha256: str
    folder: Path | None
    ran: bool
    replaced: bool


def package_study(
    study: Study,
    targets: Sequence[str],
    choices: Choices,
    out: Path | None = None,
    *,
    unpacked: bool = False,
    replace: bool = False,
    optimize: str = "speed",
) -> list[Packed]:
    """Write a study's model as a package for each target, into `packages` of the study or `out`.

    targets: names of `TARGETS`. unpacked: also write each as a folder beside its zip. replace: write over
    zips and folders that are there and differ. Nothing is written unless all packages can be.
    Raises UserError for an unknown target, a missing or stale integer model, stale figures, choices that a
    package cannot state, and a zip or folder of the same name that differs.
    """
    chosen = [TARGETS.find(name, "--target") for name in dict.fromkeys(targets)]
    require_integers(study, "a package")
    study.require("quantize")
    description = describe(gather(study))
    packages = [make_package(target, description, choices, optimize) for target in chosen]
    place = out if out is not None else study.file(FOLDER)
    if place.exists() and not place.is_dir():
        raise UserError(f"{place}: is a file, but the folder of packages is expected; move it away.")
    for package in packages:
        _require_place(place, package, unpacked, replace)
    return [_write(package, place, unpacked) for package in packages]


def describe(evidence: Evidence) -> Description:
    """Return what packages say of a study's integer model."""
    assert evidence.model is not None
    card, model = evidence.card, evidence.model
    data = None
    if card is not None:
        axes = tuple((axis.name, axis.meaning) for axis in card.signal.axes)
        data = DataFacts(card.title, card.licence, card.citation, axes, card.signal.range_g)
    code = [
        (name, int(size["flash"][_CODE])) for name, size in evidence.builds.items() if _CODE in size["flash"]
    ]
    return Description(model, data, _scores(evidence), proof_sentence(evidence), tuple(code))


def _scores(evidence: Evidence) -> ScoreFacts | None:
    trust = verdict(evidence)
    if trust is None or evidence.metrics is None:
        return None
    scores: dict[str, Any] = evidence.metrics["models"][trust.model]
    overall = [
        (metric.title, with_spread(scores[metric.name], scores.get(f"{metric.name}_sd"), metric.digits))
        for metric in METRICS.values()
        if isinstance(scores.get(metric.name), (int, float))
    ]
    behaviours = [
        (name, figure(one["recall"]), figure(one["precision"]), f"{round(one['support']):,}")
        for name, one in scores["per_class"].items()
    ]
    points = [f"{one.standing}: {one.sentence}" for one in trust.behaviours]
    remarks = (trust.minutes, trust.animals, *trust.caveats)
    split = str(evidence.metrics["split"])
    animals: list[str] = sorted(scores.get("per_animal") or {}, key=natural_order)
    return ScoreFacts(
        model_title(trust.model),
        tuple(overall),
        f"{split} ({split_meaning(split)})",
        listed(scores.get("seeds") or evidence.metrics["seeds"]),
        listed(animals),
        trust.headline,
        tuple(points),
        remarks,
        tuple(behaviours),
    )


def _folder(place: Path, package: Package) -> Path:
    return place / package.manifest.archive.removesuffix(".zip")


def _require_place(place: Path, package: Package, unpacked: bool, replace: bool) -> None:
    """Raise UserError where what is there is not the package, or could not be replaced."""
    file = place / package.manifest.archive
    if file.is_dir():
        raise UserError(f"{file}: is a folder, but the package's zip is expected; move it away.")
    places = [(file, _differences(file, package))]
    if unpacked:
        folder = _folder(place, package)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder}: is a file, but the package's folder is expected; move it away.")
        places.append((folder, _differing(package.files, _contents(folder)) if folder.exists() else []))
    for path, names in places:
        if names and not replace:
            raise UserError(
                f"{path}: is there, and differs from what would be written ({listed(names)}); take another "
                "--package-version, move it away, or give --replace."
            )


def _differences(file: Path, package: Package) -> list[str]:
    """Return what of a zip differs from a package, in words; nothing where there is no zip, or the same."""
    if not file.exists():
        return []
    try:
        there = read_archive(file).members
    except (Broken, UserError):
        return ["it is no package as mcukd writes them"]
    wanted = {name: measured(name, content).sha256 for name, content in package.files.items()}
    return _differing(wanted, {name: member.sha256 for name, member in there.items()})


def _differing(wanted: Mapping[str, object], there: Mapping[str, object]) -> list[str]:
    """Return the names of files that are in one only, or another in each; of many the first ones."""
    names = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
    more = len(names) - _MOST_NAMES
    return names if more <= 0 else [*names[:_MOST_NAMES], f"{more} more"]


def _contents(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _write(package: Package, place: Path, unpacked: bool) -> Packed:
    make_folder(place)
    file, folder = place / package.manifest.archive, _folder(place, package)
    stale = [file] if not file.exists() or _differences(file, package) else []
    if unpacked and _contents(folder) != package.files:
        stale.append(folder)
    replaced = any(path.exists() for path in stale)
    if file in stale:
        write_archive(file, package.files, {name: measured(name, one) for name, one in package.files.items()})
    if folder in stale:
        _unpack(package, folder)
    unzipped = folder / package.manifest.name if unpacked else None
    return Packed(package, file, sha256_file(file), unzipped, bool(stale), replaced)


def _unpack(package: Package, folder: Path) -> None:
    """Write a package's files as a folder in one step."""
    with folder_beside(folder) as temporary:
        for name, content in package.files.items():
            path = temporary / "new" / name
            make_folder(path.parent)
            path.write_bytes(content)
        if folder.exists():
            folder.rename(temporary / "old")
        shutil.move(temporary / "new", folder)
