"""Request of a quantization: its options, checked against a study's students, and what it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mcukd.data.card import Card
from mcukd.data.windows import Windows
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.qat import EPOCHS, LEARNING_RATE, check_qat
from mcukd.distillation.qat import VERSION as QAT_VERSION
from mcukd.errors import UserError
from mcukd.evaluation.fold_students import FoldStudent
from mcukd.fixedpoint.config import VERSION, QuantizeConfig
from mcukd.fixedpoint.families import IntegerForm, integer_form
from mcukd.fixedpoint.gates import GATE_TABLES
from mcukd.fixedpoint.mixed import Objective, mixed_widths
from mcukd.fixedpoint.reference import check_stream
from mcukd.models.families import FAMILIES, Weights
from mcukd.models.student import family_of_study
from mcukd.models.tflite_widths import TFLITE_WIDTHS, TfliteWidths, recorded_tflite, tflite_value
from mcukd.pipeline.unknown import RefusalOptions
from mcukd.study import Study
from mcukd.text import listed
from mcukd.tflite.families import TfliteForm, tflite_form

#: Raise it when the same student gives another TFLite file of one step: studies with one are then stale,
#: those without stay current.
TFLITE_VERSION = 2


@dataclass(frozen=True)
class QuantizeRequest:
    """What is asked of `quantize_study`, of students with an integer form.

    family: of the students. stream: whether they carry their state. files: TFLite files that can be written.
    objective: to search widths for. gate_tables: kinds of gate table to try. remark: why a TFLite file that
    was asked for is not written, else empty.
    """

    config: QuantizeConfig
    family: str
    stream: bool
    files: tuple[TfliteWidths, ...]
    qat: bool
    objective: Objective | None
    gate_tables: tuple[str, ...]
    refusal: RefusalOptions | None
    remark: str

    @property
    def form(self) -> IntegerForm:
        """The integer form of the students' family."""
        return integer_form(self.family)

    @property
    def tflite(self) -> TfliteForm:
        """The TensorFlow Lite form of the students' family, where `files` has any."""
        form = tflite_form(self.family)
        assert form is not None
        return form

    def widths_to_try(self) -> Sequence[QuantizeConfig]:
        """Return the widths that a search tries; none without an objective."""
        if self.objective is None:
            return ()
        return mixed_widths(self.family).candidates(self.config, self.gate_tables)

    def recorded(self) -> dict[str, Any]:
        """Return the options that decide the results, as the manifest keeps them.

        Only what is asked for is recorded, so that studies made before there was a choice stay current.
        """
        names = [one.name for one in self.files]
        options = {**self.config.options(), "tflite": recorded_tflite(names), "version": VERSION}
        if self.files:
            options["tflite_version"] = TFLITE_VERSION
        if self.qat:
            options["qat"] = {"version": QAT_VERSION, "epochs": EPOCHS, "learning_rate": LEARNING_RATE}
        if self.stream:
            options["stream"] = True
        if self.refusal is not None:
            options["unknown"] = self.refusal.recorded()
        if self.objective is not None:
            options["goal"] = {**self.objective.options(), "gates": list(self.gate_tables)}
        return options


@dataclass(frozen=True)
class QuantizeSource:
    """What integer forms are made of and scored on.

    students: of the evaluation folds. shipped: weights of the student trained on all animals. training may
    have more windows than evaluation, such as ones that overlap.
    """

    card: Card
    students: list[FoldStudent]
    shipped: Weights
    training: Windows
    evaluation: Windows


def checked_request(
    study: Study,
    config: QuantizeConfig,
    tflite: Sequence[str],
    *,
    qat: bool,
    objective: Objective | None,
    gate_tables: Sequence[str] | None,
    refusal: RefusalOptions | None,
) -> QuantizeRequest:
    """Return what is asked of a study's students. Raises UserError for what they cannot become."""
    family = family_of_study(study)
    _check_form(family, qat, objective)
    stream = _is_stream(study, family, qat, objective)
    files, remark = _files(family, stream, tflite)
    if qat:
        trained_with = DistillConfig.of(study.options("distill"))
        if trained_with.search:
            raise UserError(
                f"{study.path}: --qat trains the head that a student was distilled with, and this study's "
                "students may have one that a search found; leave --qat out, or distil without --search."
            )
        check_qat(config, objective, trained_with)
    tables = tuple(gate_tables or GATE_TABLES)
    return QuantizeRequest(config, family, stream, files, qat, objective, tables, refusal, remark)


def _files(family: str, stream: bool, tflite: Sequence[str]) -> tuple[tuple[TfliteWidths, ...], str]:
    """Return the TFLite files that are asked for and can be written, and why there are none."""
    form = tflite_form(family)
    if not tflite:
        return (), ""
    if stream:
        return (), "No TFLite model: its windows start from the zero state, and these students carry theirs."
    if form is None:
        return (), f"No TFLite model: none is made of {family} students."
    files = tuple(TFLITE_WIDTHS[one] for one in tflite)
    if set(files) - set(form.widths):
        raise UserError(
            f"--tflite {tflite_value(tflite)}: of {family} students there is TFLite "
            f"{listed(one.name for one in form.widths)} alone; leave the option out."
        )
    return files, ""


def _families_with(part: str) -> str:
    """Return the families whose integer form has a part."""
    able = [one.name for one in FAMILIES.values() if one.integers and getattr(integer_form(one.name), part)]
    return listed(able)


def _check_form(family: str, qat: bool, objective: Objective | None) -> None:
    """Raise UserError for options that need what the family's integer form does not have."""
    for asked, part, option in ((qat, "qat", "--qat"), (objective is not None, "mixed", "--bits auto")):
        if asked and getattr(integer_form(family), part) is None:
            raise UserError(
                f"{option} is for {_families_with(part)} students, and this study's is a {family}; give "
                "--bits with a width of 4 to 16 alone."
            )


def _is_stream(study: Study, family: str, qat: bool, objective: Objective | None) -> bool:
    """Return whether the students were trained to carry their state. Raises UserError where they cannot."""
    stream = bool(study.options("distill").get("stream", False))
    if stream:
        check_stream(family)
    if stream and qat:
        raise UserError(
            f"{study.path}: --qat trains on windows that start from the zero state, and the students of this "
            "study were trained with --stream to carry theirs; leave --qat out."
        )
    if stream and objective is not None:
        raise UserError(
            f"{study.path}: --bits auto scores widths on windows that start from the zero state, and the "
            "students of this study were trained with --stream to carry theirs; give --bits with a width "
            "of 4 to 16 alone."
        )
    return stream
