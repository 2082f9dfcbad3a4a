"""The package stage: a study's model as packages for toolchains, zips that install as they are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.archive.container import measured, write_archive
from mcukd.errors import UserError
from mcukd.evaluation.model_names import model_title
from mcukd.files import folder_beside, sha256_file
from mcukd.metrics.registry import METRICS
from mcukd.models.student import require_integers
from mcukd.packaging.description import DataFacts, Description, ScoreFacts
from mcukd.packaging.files import Package, make_package
from mcukd.packaging.manifest import Choices
from mcukd.packaging.targets.registry import TARGETS
from mcukd.report.conclusion import proof_sentence, verdict
from mcukd.report.evidence import Evidence, gather
from mcukd.study import Study
from mcukd.text import figure, with_spread

FOLDER = "packages"
#: What the console calls the part of a firmware's flash that is the model's instructions.
_CODE = "model code"


@dataclass(frozen=True)
class Packed:
    """A package on disk: the zip, its SHA-256, the unpacked folder or None, and whether anything changed."""

    package: Package
    zip: Path
    sha256: str
    folder: Path | None
    ran: bool


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
    such a folder though something in it has changed. Nothing is written unless all packages can be made.
    Raises UserError for an unknown target, a missing or stale integer model, stale figures, choices that a
    package cannot state, and a folder with changes in it.
    """
    chosen = [TARGETS.find(name, "--target") for name in dict.fromkeys(targets)]
    require_integers(study, "a package")
    study.require("quantize")
    description = describe(gather(study))
    packages = [make_package(target, description, choices, optimize) for target in chosen]
    place = out if out is not None else study.file(FOLDER)
    if place.exists() and not place.is_dir():
        raise UserError(f"{place}: is a file, but the folder of packages is expected; move it away.")
    if unpacked and not replace:
        for package in packages:
            _require_untouched(_folder(place, package), package)
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
    return ScoreFacts(
        model_title(trust.model), tuple(overall), trust.headline, tuple(points), remarks, tuple(behaviours)
    )


def _folder(place: Path, package: Package) -> Path:
    return place / package.manifest.archive.removesuffix(".zip")


def _require_untouched(folder: Path, package: Package) -> None:
    """Raise UserError where a folder holds anything else than the package would write there."""
    if folder.exists() and _contents(folder) != package.files:
        raise UserError(
            f"{folder}: is there, and differs from what would be written; move it away, or give --replace."
        )


def _contents(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _write(package: Package, place: Path, unpacked: bool) -> Packed:
    place.mkdir(parents=True, exist_ok=True)
    file = place / package.manifest.archive
    before = sha256_file(file) if file.is_file() else None
    write_archive(file, package.files, {name: measured(name, one) for name, one in package.files.items()})
    digest = sha256_file(file)
    ran = digest != before
    folder = _folder(place, package) if unpacked else None
    if folder is not None and _contents(folder) != package.files:
        _unpack(package, folder)
        ran = True
    return Packed(package, file, digest, folder and folder / package.manifest.name, ran)


def _unpack(package: Package, folder: Path) -> None:
    """Write a package's files as a folder in one step."""
    with folder_beside(folder) as temporary:
        for name, content in package.files.items():
            path = temporary / "new" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.exists():
            folder.rename(temporary / "old")
        shutil.move(temporary / "new", folder)
