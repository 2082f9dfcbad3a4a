"""Agreement of float model, integer model and devices: on how many windows they give the same class."""

from __future__ import annotations

from typing import Any

import numpy as np

from mcukd.data.windows import Windows
from mcukd.errors import UserError
from mcukd.fixedpoint.model import FACTS_FILE, load_model
from mcukd.fixedpoint.refusal import with_rule
from mcukd.harness.reached import on_hardware, where_briefly
from mcukd.harness.record import read_proof
from mcukd.inference.carried import evaluated_classes
from mcukd.metrics.metrics_file import CARRIED
from mcukd.models.carried import carried_logits
from mcukd.models.student import load_any_student, weights_of
from mcukd.study import STUDENT_FILE, Study

_CHUNK = 4096


def agreement(study: Study, evaluation: Windows) -> dict[str, Any] | None:
    """Return how often the final float student, its integer form and the devices give the same class.

    Float and integer are compared on all `evaluation` windows; the devices' shares are of the windows they
    were proven on (`validation/<board>.json`: class, logits and state equal to the integer reference, bit for
    bit). These models were trained on all animals, so the shares measure arithmetic, not accuracy. None where
    the study has no integer model; only `problem`, a sentence, where that is stale or damaged. Classes are
    those of the largest logit, also where the model's refusal rule makes a result unknown. Where the integer
    model carries its state, both do, for which the windows need their past, and `state` says so.
    """
    if not study.file(FACTS_FILE).is_file():
        return None
    try:
        study.require("quantize")
        model = load_model(study.path)
        weights = weights_of(load_any_student(study.file(STUDENT_FILE)))
    except UserError as error:
        return {"problem": str(error)}
    counts = evaluation.counts
    if model.stream:
        logits = carried_logits(weights, evaluation)
    else:
        logits = np.concatenate(
            [weights.logits(counts[i : i + _CHUNK]) for i in range(0, len(counts), _CHUNK)]
        )
    integers = evaluated_classes(with_rule(model, {}), evaluation)
    devices = {}
    for file in sorted(study.path.glob("validation/*.json")):
        proof = read_proof(file)
        if proof["model_sha256"] == model.sha256:
            devices[file.stem] = {
                "emulated": not on_hardware(proof),
                "where": where_briefly(proof),
                "windows": proof["windows"],
                "equal": proof["windows"] - proof["mismatches"],
            }
    return {
        "windows": len(counts),
        "float_equals_integer": int(np.sum(np.argmax(logits, axis=1) == integers)),
        "devices_equal_integer": devices,
        **({"state": CARRIED} if model.stream else {}),
    }
