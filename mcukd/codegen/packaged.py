"""Sources of a model for packages: one set of files that compiles for any core.

They are those of `generate_model` in another form: assembly steps of several cores beside portable C, each
compiled for its core only; constants that stay in flash on AVR; the known answers with a function that
compares them. What a compiler takes follows from `mcukd_target.h` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from mcukd.boards.cores import Core, cores_with
from mcukd.codegen.families import code_form
from mcukd.codegen.firmware import model_folders, templates_context
from mcukd.codegen.kernel import kernel_for
from mcukd.codegen.prefix import DEFAULT, check_prefix, with_own_names, with_prefix
from mcukd.codegen.templates import render_folders, render_template
from mcukd.fixedpoint.model import IntegerModel

#: Templates of the files that only packages have.
FOLDER = "model/package"
_KERNEL = "mcukd_kernel.S"


@dataclass(frozen=True)
class PackageForm:
    """What templates print of the form. kernels: cores with an assembly step. core: of the one printed."""

    kernels: tuple[Core, ...]
    core: str = ""


def packaged_sources(
    model: IntegerModel, prefix: str = DEFAULT, cores: Sequence[Core] = (), optimize: str = "speed"
) -> dict[str, str]:
    """Return the C, headers and assembly of a model for packages, by file name.

    cores: whose assembly steps are wanted; those that the model has none for are left out. prefix, optimize:
    as in `generate_model`. Raises UserError for a prefix that C names cannot start with.
    """
    steps = {core: kernel_for(model, core.option, optimize) for core in cores if core.condition}
    form = PackageForm(tuple(core for core, kernel in steps.items() if kernel is not None))
    context = {**templates_context(model), "package": form}
    folders = [*model_folders(model), FOLDER]
    texts = render_folders(folders, context, check_prefix(prefix))
    for name in [name for name in texts if PurePosixPath(name).stem == with_prefix("mcukd_trace", prefix)]:
        del texts[name]
    texts = {name: with_own_names(name, text) for name, text in texts.items()}
    template = f"{code_form(model.family).templates}/{_KERNEL}.j2"
    for core in form.kernels:
        one = {**context, "kernel": steps[core], "package": PackageForm(form.kernels, core.option)}
        file = with_prefix(_KERNEL, prefix).replace(".S", f"_{core.option}.S")
        texts[file] = render_template(template, one, prefix)
    return dict(sorted(texts.items()))


def packaged_cores() -> tuple[Core, ...]:
    """Return the cores whose assembly steps packages may hold."""
    return tuple(core for core in cores_with("kernels").values() if core.condition)
