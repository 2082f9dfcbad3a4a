"""MCC against bits: students of finished studies, quantized after training and with QAT.

    mcukd distill --data cow-collar --split loao --run runs/cow-collar
    mcukd distill --data herd-sim --split holdout --seeds 3 --teacher-width 8 --epochs 24 --run runs/herd-sim
    python experiments/quantization_curve.py runs/cow-collar runs/herd-sim

Every fold's float student is quantized after training at 4 to 16 bits (PTQ), and at 4 to 8 bits after
quantization-aware training (QAT, `mcukd quantize --qat`); all are scored on the animals that their fold held
out. A third row keeps bits where they cost no flash: input kernels at 16, the head at 8. As a control, float
students get the same further training. Trainings are kept in the studies, so an interrupted run continues.
Writes `docs/results/quantization-NAME.json` and the figure `docs/img/mcc-bits.png`; `--figure` only draws
the existing results.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcukd.data.card import load_card
from mcukd.data.load import dataset_sha256, load_windows
from mcukd.data.windows import Windows
from mcukd.distillation.qat import EPOCHS, LARGEST_QAT_BITS, LEARNING_RATE, SHIPPED, QatResult
from mcukd.evaluation.fold_students import FoldStudent, evaluate_folds, fold_students
from mcukd.files import replacing, write_json
from mcukd.fixedpoint.gru.mixed import KERNEL_BITS
from mcukd.fixedpoint.quantize import BITS, QuantizeConfig, quantize
from mcukd.inference.batch import classes_of
from mcukd.pipeline.qat import train_qat_study
from mcukd.study import Study

RESULTS = Path("docs/results")
FIGURE = Path("docs/img/mcc-bits.png")
KINDS = {"ptq": "PTQ", "qat": "QAT", "free": "PTQ, kernels 16 and head 8 bits"}


def measure(study: Study, jobs: int) -> dict[str, Any]:
    """Return the MCC by kind and bits, each with its seeds, of a study's fold students."""
    card = load_card(study.card)
    root, seed = study.data_root(None), int(study.manifest["seed"])
    training = load_windows(card, root, training=True, seed=seed)
    evaluation = load_windows(card, root, seed=seed)
    students = fold_students(study)

    def scored(label: str, predict: Any) -> dict[str, Any]:
        found = evaluate_folds(students, training, evaluation, predict, label)
        print(f"{card.name}: {label}: MCC {found['mcc']:.4f} {found['mcc_by_seed']}", flush=True)
        return {"mcc": found["mcc"], "mcc_sd": found["mcc_sd"], "mcc_by_seed": found["mcc_by_seed"]}

    def as_integers(config: QuantizeConfig, made: Mapping[str, QatResult]) -> Any:
        def predict(student: FoldStudent, seen: Windows, test: Windows) -> NDArray[np.int64]:
            trained = made[student.name]
            model = quantize(trained.weights, seen, config, card.operation_hop, trained.lengths)
            return classes_of(model, test.counts)

        return predict

    def as_float(made: Mapping[str, QatResult]) -> Any:
        def predict(student: FoldStudent, seen: Windows, test: Windows) -> NDArray[np.int64]:
            return np.argmax(made[student.name].weights.logits(test.counts), axis=1)

        return predict

    def trained_on(config: QuantizeConfig) -> dict[str, QatResult]:
        made = train_qat_study(
            study, card, training, evaluation, dataset_sha256(card, root, seed),
            dict.fromkeys([SHIPPED, *untouched], config), jobs,
        )  # fmt: skip
        differences.extend(trained.teacher_difference or 0.0 for trained in made.values())
        return made

    untouched = {student.name: QatResult(student.weights, {}) for student in students}
    found: dict[str, Any] = {"float": scored("float", as_float(untouched)), **{kind: {} for kind in KINDS}}
    differences = [0.0]
    for bits in BITS:
        config = QuantizeConfig(bits)
        found["ptq"][str(bits)] = scored(f"PTQ {bits}", as_integers(config, untouched))
        if bits > LARGEST_QAT_BITS:
            continue
        free = QuantizeConfig(bits, kernel_bits=KERNEL_BITS, head_bits=LARGEST_QAT_BITS)
        found["free"][str(bits)] = scored(f"PTQ {bits}/16/8", as_integers(free, untouched))
        found["qat"][str(bits)] = scored(f"QAT {bits}", as_integers(config, trained_on(config)))
    # At 16 bits there is no fake quantizer: the same further training, of a student that stays float.
    control = trained_on(QuantizeConfig(max(BITS)))
    found["float_trained_on"] = scored("float, trained on", as_float(control))
    options = study.options("distill")
    return {
        "data": card.name,
        "simulated": card.simulated,
        "split": options["split"],
        "seeds": options["seeds"],
        "distill": options,
        "training": {
            "epochs": EPOCHS,
            "learning_rate": LEARNING_RATE,
            "teacher_difference": max(differences),
        },
        "windows": int(sum(len(s.test_index) for s in students if s.seed == students[0].seed)),
        "commit": _commit(),
        "command": "python experiments/quantization_curve.py <study>",
        **found,
    }


def draw(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one panel per data set: mean over seeds, each seed as a dot, the float student as a line."""
    from matplotlib.figure import Figure

    from mcukd.drawing import COLOURS, INK, LINE, MARKERS, MUTED

    figure = Figure(figsize=(4.6 * len(results), 3.8), dpi=150, layout="constrained")
    for panel, result in zip(figure.subplots(1, len(results), squeeze=False)[0], results):
        panel.grid(color=LINE, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.axhline(result["float"]["mcc"], color=MUTED, linewidth=1, linestyle="--", label="float")
        panel.axhline(
            result["float_trained_on"]["mcc"],
            color=MUTED,
            linewidth=1,
            linestyle=":",
            label="float, trained on",
        )
        for number, (kind, label) in enumerate(KINDS.items(), 1):
            bits = [int(b) for b in result[kind]]
            shift = 0.12 * (number - 2)
            panel.plot(
                [b + shift for b in bits], [one["mcc"] for one in result[kind].values()], label=label,
                color=COLOURS[number], marker=MARKERS[number], markersize=5, linewidth=1.2,
            )  # fmt: skip
            for b, one in zip(bits, result[kind].values()):
                panel.plot(
                    [b + shift] * len(one["mcc_by_seed"]), one["mcc_by_seed"], ".", color=COLOURS[number],
                    markersize=3, alpha=0.6,
                )  # fmt: skip
        note = f"{'simulated, ' if result['simulated'] else ''}{result['split']}"
        panel.set_title(
            f"{result['data']} ({note}, {len(result['seeds'])} seeds)", fontsize=9, loc="left",
            color=INK,
        )  # fmt: skip
        panel.set_xlabel("bits of the weights")
        panel.set_ylabel("pooled MCC on animals held out")
        panel.set_xticks(list(BITS))
    figure.axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure the studies named and draw all results that are there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="*", type=Path)
    parser.add_argument("--jobs", type=int, default=1, help="worker processes of the training")
    parser.add_argument("--figure", action="store_true", help="only draw the results that are there")
    arguments = parser.parse_args()
    if not arguments.figure and not arguments.studies:
        sys.exit("name finished studies, or --figure")
    for path in [] if arguments.figure else arguments.studies:
        result = measure(Study.open(path), arguments.jobs)
        write_json(RESULTS / f"quantization-{result['data']}.json", result)
    import json

    found = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("quantization-*.json"))]
    draw(found, FIGURE)


if __name__ == "__main__":
    main()
