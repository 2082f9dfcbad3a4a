"""Combinations of options of `mcukd distill` that cannot work, each refused with its reason.

What one option allows by itself is in `declared_options`. No TensorFlow here.
"""

from __future__ import annotations

from mcukd.distillation.declared_options import REST, DistillOptions, distill_options
from mcukd.distillation.methods import METHODS
from mcukd.distillation.options import flag
from mcukd.errors import UserError
from mcukd.models.families import FAMILIES
from mcukd.text import did_you_mean, listed


def check_combinations(options: DistillOptions) -> None:
    """Raise UserError where options exclude each other, or one has no effect without another."""
    _check_method(options)
    if options.correct_teacher and not METHODS[options.method].reads_labels:
        raise UserError(
            "--correct-teacher compares the teacher with the labels, and "
            f"--method {options.method} trains on windows without a label; leave one out."
        )
    if options.outliers and options.teacher_name is not None:
        raise UserError(
            f"--outliers {options.outliers:g} adds a class that no teacher answers for, and --method "
            f"{options.method} has one; give --method none, or leave --outliers out."
        )
    for method in METHODS.values():
        method.check(options.settings_of(method))
    _check_labelled(options)
    if options.unlabelled:
        _check_unlabelled(options)
    else:
        _check_no_unlabelled(options)
    if options.stream:
        _check_stream(options)
    if options.search:
        _check_search(options)


def _check_method(options: DistillOptions) -> None:
    method = METHODS[options.method]
    students = tuple(FAMILIES) if method.students is None else method.students
    asked = {"student": (options.student, students), "teacher": (options.teacher, method.teachers)}
    for name, (choice, known) in asked.items():
        if choice is not None and choice not in known:
            raise UserError(
                f"{flag(name)} is '{choice}'{did_you_mean(choice, known)}, and --method {options.method} "
                f"works with {listed(known) if known else f'no {name}'}."
            )
    for part in options.ablated:
        if part not in method.parts:
            expected = f"expected some of {listed(method.parts)}" if method.parts else "it has no parts"
            raise UserError(
                f"--ablate names '{part}'{did_you_mean(part, method.parts)}, but of --method "
                f"{options.method} {expected}."
            )


def _check_labelled(options: DistillOptions) -> None:
    if options.labelled and options.split == "random":
        raise UserError(
            "--labelled keeps the labels of some animals, and --split random has every animal on both "
            "sides; give a split by animal."
        )


def _check_no_unlabelled(options: DistillOptions) -> None:
    known = distill_options()
    for name in ("transductive", "unlabelled_ratio", "unlabelled_choice", "rounds"):
        if options.option(name) != known[name].default:
            raise UserError(
                f"{flag(name)} says how recordings without labels are used, and --unlabelled names "
                "none; give --unlabelled, or leave it out."
            )


def _check_unlabelled(options: DistillOptions) -> None:
    if not options.unlabelled_sources:
        raise UserError(
            f"--unlabelled is '{options.unlabelled}', which names nothing; give {REST}, or cards."
        )
    if options.teacher_name is None:
        raise UserError(
            f"--unlabelled needs a teacher that answers for missing labels, and --method {options.method} "
            "has none; leave one out."
        )
    if options.split == "random":
        raise UserError(
            "--unlabelled learns from other animals than those held out, and --split random has every "
            "animal on both sides; give a split by animal."
        )
    if REST in options.unlabelled_sources and not options.labelled and not options.transductive:
        raise UserError(
            f"--unlabelled {REST} are the training animals whose labels are not used, and the labels of "
            "all are used; say with --labelled whose are, or name cards of recordings."
        )
    if options.rounds > 1 and _compares_layers(options):
        raise UserError(
            f"--rounds {options.rounds} makes the student one of the teachers, and --method {options.method} "
            "reads layers that only its own teacher has; give --rounds 1 or another method."
        )


def _check_stream(options: DistillOptions) -> None:
    from mcukd.distillation.architectures import STUDENTS

    able = [name for name, architecture in STUDENTS.items() if architecture.carried]
    if options.student not in able:
        raise UserError(
            f"--stream carries a student's state from window to window, which {listed(able)} students "
            f"have, and --student is {options.student}; leave one out."
        )
    if METHODS[options.method].needs_features or _compares_layers(options):
        raise UserError(
            f"--stream compares answers of teacher and student, and --method {options.method} compares "
            "layers within a window, before which the student's state has a past; leave one out."
        )
    refused = {
        "search": "a search tries classifiers on states of windows that start from zero",
        "choose_epochs": "inner students are scored on windows that start from zero",
        "unlabelled": "recordings without labels are drawn as windows, without what came before",
        "outliers": "synthetic windows have nothing before them",
    }
    for name, reason in refused.items():
        if options.option(name):
            raise UserError(f"--stream goes without {flag(name)}: {reason}; leave one out.")
    if options.split == "random":
        raise UserError(
            "--stream runs through whole recordings, and --split random has windows of each on both "
            "sides; give a split by animal."
        )
    if "rate" in options.augments:
        raise UserError(
            "--augment rate stretches a window about its middle, and with --stream what came before it "
            "would no longer end where it begins; leave rate out."
        )


def _check_search(options: DistillOptions) -> None:
    from mcukd.distillation.architectures import STUDENTS

    able = [name for name, architecture in STUDENTS.items() if architecture.head_search]
    if options.student not in able:
        raise UserError(
            f"--search works with {listed(able)} students, and --student is {options.student}; leave one out."
        )
    if options.split == "random":
        raise UserError(
            "--search chooses on animals that are new to the students, and --split random has every "
            "animal on both sides; give a split by animal."
        )


def _compares_layers(options: DistillOptions) -> bool:
    """Return whether the method's losses read more of the teacher than its logits."""
    phases = METHODS[options.method].phases(options.method_settings)
    return any(set(phase.teacher_outputs) - {"logits"} for phase in phases)
