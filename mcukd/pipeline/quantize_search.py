"""Search of widths for all students of a study, part of the quantize stage (`--bits auto`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mcukd.data.card import Card
from mcukd.data.windows import Windows
from mcukd.distillation.jobs import FoldJob
from mcukd.distillation.qat import SHIPPED
from mcukd.files import write_json
from mcukd.fixedpoint.config import QuantizeConfig
from mcukd.fixedpoint.mixed import PARETO, PARETO_FIGURE, Objective, Search, draw_pareto, search
from mcukd.inference.batch import classes_of
from mcukd.pipeline.quantize_request import QuantizeSource
from mcukd.progress import progress
from mcukd.study import Study


def search_widths(
    study: Study,
    source: QuantizeSource,
    final: FoldJob,
    objective: Objective,
    tried: Sequence[QuantizeConfig],
) -> tuple[dict[str, Search], list[Path]]:
    """Search widths for the shipped student and for each fold's; return them by student, and the files of it.

    Each student is searched for on its own training animals alone, the shipped one on those of `final`:
    labels that it was not to know are not used here either.
    """
    evaluation, hop = source.evaluation, source.card.operation_hop
    own = evaluation.take(np.isin(evaluation.animals, final.train_animals))
    shipped = (source.shipped, final.training_of(source.training), own)
    found = {}
    with progress("Trying widths", len(tried) * (1 + len(source.students))) as advance:
        found[SHIPPED] = search(*shipped, objective, tried, classes_of, hop, advance=advance)
        for student in source.students:
            index = np.setdiff1d(
                np.flatnonzero(np.isin(evaluation.animals, student.train_animals)), student.test_index
            )
            found[student.name] = search(
                student.weights,
                student.training_of(source.training),
                evaluation.take(index),
                objective,
                tried,
                classes_of,
                hop,
                best_effort=True,
                advance=advance,
            )
    return found, _write_searches(study, source.card, found, objective, own)


def _write_searches(
    study: Study, card: Card, searches: dict[str, Search], objective: Objective, evaluation: Windows
) -> list[Path]:
    """Write the Pareto front of the shipped student, and what was chosen for each fold; return the files.

    evaluation: the windows that the widths of the shipped student were scored on.
    """
    shipped = searches[SHIPPED]
    content = {
        "data": card.name,
        "simulated": card.simulated,
        "goal": objective.options(),
        "scored_on": "calibration animals: those the student was trained on; no held-out animal",
        "windows": len(evaluation),
        **shipped.facts(),
        "folds": {
            name: {"float_mcc": found.float_mcc, **found.chosen.facts()}
            for name, found in searches.items()
            if name != SHIPPED
        },
    }
    write_json(study.file(PARETO), content)
    draw_pareto(shipped, study.file(PARETO_FIGURE), card.name)
    return [study.file(PARETO), study.file(PARETO_FIGURE)]
