"""Everything of a study that the report and the console show, read from its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.data.card import Card, load_card
from mcukd.errors import UserError
from mcukd.evaluation.model_names import in_order
from mcukd.fixedpoint.model import ARRAYS_FILE, FACTS_FILE, IntegerModel, load_model
from mcukd.fixedpoint.quantize import TFLITE_METRIC, metrics_name
from mcukd.fold_results import DEPLOYABLE, DISTILLED, STUDENT, TEACHER
from mcukd.harness.reached import REAL_IMAGE, on_hardware, where_briefly
from mcukd.harness.record import read_proof
from mcukd.metrics.metrics_file import load_metrics
from mcukd.models.student import TFLITE, family_of_study, has_integers
from mcukd.models.tflite_widths import TFLITE_WIDTHS
from mcukd.report.stale import require_current
from mcukd.robustness.record import ROBUSTNESS
from mcukd.study import METRICS, REFUSAL_FILE, Study

#: The float models that stand for what is deployed until it is scored itself.
_DEPLOYED = (DEPLOYABLE, DISTILLED, STUDENT, TEACHER)
ENERGY_KEYS = ("basis", "work", "contributors", "total_mah", "settings", "inputs", "remarks")
SIZE_KEYS = ("flash_bytes", "flash_limit", "ram_bytes", "ram_limit", "flash", "ram")


@dataclass(frozen=True)
class Evidence:
    """Everything a report shows.

    card: None where its file is no longer there (then `card_problem` says so). builds: size reports by
    firmware (`firmware/<name>/size.json`). proofs: validations by board (`validation/<name>.json`); the proof
    of a board in emulation goes with the build of its twin. energies: what a day takes, by board
    (`energy/<name>.json`). robustness: scores on perturbed windows. files: names of the study's files that
    were read. refusal: facts of the model's refusal rule (`unknown.json`), None without one.
    """

    study: Study
    card: Card | None
    card_problem: str
    metrics: dict[str, Any] | None
    model: IntegerModel | None
    builds: dict[str, dict[str, Any]]
    proofs: dict[str, dict[str, Any]]
    energies: dict[str, dict[str, Any]]
    robustness: dict[str, Any] | None
    files: list[str]
    refusal: dict[str, Any] | None = None

    @property
    def family(self) -> str:
        """The family of the student."""
        return family_of_study(self.study)

    @property
    def tflite_only(self) -> bool:
        """Whether the student has no integer model of mcukd's own: boards run it through a TFLite runtime."""
        return not has_integers(self.study)

    @property
    def tflite_bytes(self) -> int | None:
        """Size of the TFLite file of a student without integer model; None before it is quantized."""
        return self.study.file(TFLITE).stat().st_size if self.tflite_only and TFLITE in self.files else None

    @property
    def deployed(self) -> str | None:
        """The model of `metrics.json` whose held-out figures stand for what runs on the device."""
        models = self.metrics["models"] if self.metrics else {}
        if self.model:
            name = metrics_name({"bits": self.model.bits, **self.study.options("quantize")})
            if name in models:
                return name
        if self.tflite_only and TFLITE_METRIC in models:
            return TFLITE_METRIC
        ordered = [name for name in in_order(models) if name in _DEPLOYED]
        return ordered[-1] if ordered else None

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated, as far as card or integer model tell."""
        return bool((self.card and self.card.simulated) or (self.model and self.model.simulated))

    @property
    def emulated(self) -> list[str]:
        """Boards whose proof is not known, from the host's side, to have run on their hardware."""
        return [name for name, proof in self.proofs.items() if not on_hardware(proof)]

    @property
    def board_banner(self) -> str:
        """Title of the banner over proofs that are not known to have run on hardware."""
        kinds = {where_briefly(self.proofs[name]) for name in self.emulated}
        if kinds == {REAL_IMAGE}:
            return REAL_IMAGE.upper()
        return "EMULATED BOARD" if kinds & {"emulated", REAL_IMAGE} else "BOARD NOT KNOWN"

    def build_of(self, board: str) -> dict[str, Any] | None:
        """Return the size report of the firmware that `board`'s proof ran, if it is there."""
        return self.builds.get(self.proofs[board]["ran_on"])


def gather(study: Study) -> Evidence:
    """Read a study; stages not finished yet are None. Raises UserError for a stale stage or damaged file."""
    require_current(study)
    card, problem = None, ""
    try:
        card = load_card(study.card)
    except UserError as error:
        problem = str(error)
    files = []
    metrics = None
    if study.file(METRICS).exists():
        metrics = load_metrics(study.file(METRICS))
        files.append(METRICS)
    model = None
    if study.file(FACTS_FILE).exists():
        model = load_model(study.path)
        files += [ARRAYS_FILE, FACTS_FILE]
    written = study.manifest["stages"].get("quantize", {}).get("outputs", {})
    files += [one.file for one in TFLITE_WIDTHS.values() if one.file in written]
    builds, proofs = {}, {}
    for file in sorted(study.path.glob("firmware/*/size.json")):
        builds[file.parent.name] = _read(file, SIZE_KEYS)
        files.append(file.relative_to(study.path).as_posix())
    for file in sorted(study.path.glob("validation/*.json")):
        proofs[file.stem] = read_proof(file)
        files.append(file.relative_to(study.path).as_posix())
    energies = {}
    for file in sorted(study.path.glob("energy/*.json")):
        energies[file.stem] = _read(file, ENERGY_KEYS)
        files.append(file.relative_to(study.path).as_posix())
    robustness = None
    if "robustness" in study.manifest["stages"]:
        robustness = _read(study.file(ROBUSTNESS), ("undisturbed", "disturbances"))
        files.append(ROBUSTNESS)
    refusal = None
    if model is not None and model.may_refuse:
        refusal = _read(study.file(REFUSAL_FILE), ("coverage", "wrong", "wrong_answered"))
        files.append(REFUSAL_FILE)
    return Evidence(
        study, card, problem, metrics, model, builds, proofs, energies, robustness, files, refusal
    )


def _read(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    remedy = "run the command that writes it again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); {remedy}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, expected a JSON object; {remedy}.")
    missing = [key for key in keys if key not in content]
    if missing:
        raise UserError(f"{path}: key '{missing[0]}' is missing; {remedy}.")
    return content
