"""Points of a grid: the models that are trained and scored on every fold with every seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mcukd.data.card import Card
from mcukd.distillation.architectures import STUDENTS
from mcukd.distillation.config import DistillConfig
from mcukd.distillation.options import stored, stored_name
from mcukd.distillation.qat import LARGEST_QAT_BITS, check_qat
from mcukd.errors import UserError
from mcukd.evaluation.baselines.filter_mlp import NAME as FILTER_MLP
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.families import IntegerForm, integer_form
from mcukd.fold_results import STUDENT, TEACHER
from mcukd.models.families import DEFAULT_FAMILY, FAMILIES
from mcukd.pipeline.distill import for_card
from mcukd.pipeline.evaluate import usual_baselines
from mcukd.sweep.grid import FLOAT, OPTIONS, Grid
from mcukd.sweep.options import PLAIN, plain_config, reduced, sizes_text, student_sizes, unused_options


@dataclass(frozen=True)
class Point:
    """A model with its options, in float or in integers.

    model: "student", "teacher" or a baseline. config: the options that affect it, others at their defaults.
    integers: widths and gate table, None for float. qat: whether quantization-aware training comes before.
    """

    model: str
    config: DistillConfig
    integers: QuantizeConfig | None = None
    qat: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether this is a student without a teacher."""
        return self.model == STUDENT and self.config.method == PLAIN

    def columns(self) -> dict[str, Any]:
        """Return the table's columns: model, options, widths; None for what does not apply."""
        unused, bits = unused_options(self.model, self.config), self.integers
        has_table = bits is not None and integer_form(self.config.student).gate_tables
        return {
            "model": self.model,
            **stored({name: None if name in unused else self.config.option(name) for name in OPTIONS}),
            "bits": None if bits is None else bits.bits,
            "gates": bits.gates if bits is not None and has_table else None,
            "activation_bits": None if bits is None else bits.activation_bits,
            "qat": None if bits is None else self.qat,
        }

    def series(self, crossed: tuple[str, ...] = ()) -> str:
        """Return what points of all sizes and widths have in common, such as "soft-labels, temperature 2.0".

        crossed: the grid's axes; other options are the same for all points and are left out.
        """
        own = self.columns()
        name = f"teacher {self.config.teacher_name}" if self.model == TEACHER else self.model
        if self.model == STUDENT:
            name = "plain" if self.is_plain else self.config.method
            name += "" if self.config.student == DEFAULT_FAMILY else f" {self.config.student}"
        said = {"method", "student", *student_sizes(), *(["teacher"] * (self.model == TEACHER))}
        others = [
            f"{option} {self.config.option(option)}"
            for option in crossed
            if option not in said and own[stored_name(option)] not in (None, "")
        ]
        gates = [str(own["gates"])] if own["gates"] not in (None, QuantizeConfig.gates) else []
        state = own["activation_bits"]
        narrow = [f"state {state}"] if state not in (None, QuantizeConfig.activation_bits) else []
        return ", ".join([name, *others, *(["qat"] if self.qat else []), *gates, *narrow])

    def name(self, crossed: tuple[str, ...] = ()) -> str:
        """Return the point as a user reads it, such as "plain · 16/16 · 8 bits"."""
        sizes = sizes_text(self.columns())
        parts = [self.series(crossed), *([sizes] if sizes else [])]
        if self.integers is not None:
            parts.append(f"{self.integers.bits} bits")
        return " · ".join(parts)


def points(grid: Grid, card: Card) -> dict[Point, DistillConfig]:
    """Return the points of a grid, each once, with the options of a training that makes it.

    The training of a distilled student makes a plain one as well, which is not trained again.
    Raises UserError where the grid has no point, and for networks that its windows are too short for.
    """
    configs = list(dict.fromkeys(reduced(STUDENT, for_card(config, card)) for config in grid.configs()))
    short = [one.student for one in configs if STUDENTS[one.student].least_steps > card.window]
    if FILTER_MLP in grid.axes.beside and FILTER_MLP not in usual_baselines(card):
        short.append(FILTER_MLP.replace("_", "-"))
    if short:
        raise UserError(
            f"card {card.name}: its windows of {card.window} samples are too short for {short[0]}; "
            "leave it out."
        )
    made_beside: dict[DistillConfig, DistillConfig] = {}
    for config in configs:
        # With a teacher of more sensors windows are drawn and rotated otherwise.
        if config.method != PLAIN and not config.uses_extra_channels:
            made_beside.setdefault(plain_config(config), config)
    found: dict[Point, DistillConfig] = {}
    for config in configs:
        for model in grid.axes.beside:
            if model != TEACHER or config.method != PLAIN:
                own = reduced(model, config)
                found.setdefault(Point(model, own), own)
        for point in _students(grid, config):
            found.setdefault(point, made_beside.get(config, config))
    if not found:
        raise UserError(
            "the grid has no run in it: without bits there must be something beside, a teacher comes with "
            f"methods that have one, students without integer form are in float, and qat is for "
            f"{DEFAULT_FAMILY} students at {LARGEST_QAT_BITS} bits or fewer."
        )
    return found


def _students(grid: Grid, config: DistillConfig) -> Iterator[Point]:
    """Yield a student's points: in float, and as integers where its family has an integer form."""
    axes, form = grid.axes, _form_of(config)
    for bits in axes.bits:
        if bits == FLOAT:
            if False in axes.qat:
                yield Point(STUDENT, config)
            continue
        for qat in axes.qat:
            if form is None or (qat and not (form.qat and _qat_possible(config, bits))):
                continue
            for gates in axes.gates if form.gate_tables else (QuantizeConfig.gates,):
                for activation_bits in axes.activation_bits:
                    yield Point(STUDENT, config, QuantizeConfig(bits, activation_bits, gates), qat)


def _form_of(config: DistillConfig) -> IntegerForm | None:
    """Return the integer form of the student's family, or None."""
    return integer_form(config.student) if FAMILIES[config.student].integers else None


def _qat_possible(config: DistillConfig, bits: int) -> bool:
    """Tell whether `mcukd quantize --qat` works for such a student at this width."""
    try:
        check_qat(QuantizeConfig(bits), None, config)
    except UserError:
        return False
    return True
