"""Command `mcukd quantize`: a study's student as an integer model, and as TFLite files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table
from mcukd.cli.help import Command
from mcukd.errors import UserError

if TYPE_CHECKING:
    from mcukd.fixedpoint.mixed import Objective
    from mcukd.fixedpoint.model import IntegerModel
    from mcukd.pipeline.quantize import QuantizeFacts
    from mcukd.study import Study

AUTO = "auto"
TFLITE_OPTION, TFLITE_DEFAULT = "--tflite", "int8"


class _Command(Command):
    """A command whose `--tflite` may stand alone, as the switch did that it was before it took a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--tflite` its usual value where none follows."""
        following = [*args[1:], "--"]
        alone = [one == TFLITE_OPTION and then.startswith("-") for one, then in zip(args, following)]
        args = [f"{one}={TFLITE_DEFAULT}" if bare else one for one, bare in zip(args, alone)]
        return list(super().parse_args(ctx, args))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=_Command)(quantize)


def quantize(
    bits: Annotated[
        str,
        typer.Option(
            envvar="MCUKD_BITS",
            help="Width of the weights, 4 to 16, or [bold]auto[/bold]: search widths for an objective.",
        ),
    ] = "8",
    activation_bits: Annotated[int, typer.Option(help="Width of state and dense output, 8 to 16.")] = 16,
    gates: Annotated[
        str | None,
        typer.Option(
            help="Gate table: [bold]interpolated[/bold] (1024 bytes, finer) or [bold]direct[/bold] (2048 "
            "bytes, fewer instructions). Default: interpolated; with --bits auto, both are tried.",
            show_default=False,
        ),
    ] = None,
    qat: Annotated[
        bool,
        typer.Option("--qat", help="Train the student on with the device's weights first; 4 to 8 bits."),
    ] = False,
    budget_flash: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="With --bits auto: the best MCC whose weights and gate table fit, such as 3KB.",
            show_default=False,
        ),
    ] = None,
    max_mcc_drop: Annotated[
        float | None,
        typer.Option(
            metavar="MCC",
            help="With --bits auto: the least flash that loses no more MCC than this. Default: 0.005 where "
            "no budget is given.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Worker processes of --qat. Default: one per core.", show_default=False),
    ] = None,
    tflite: Annotated[
        str,
        typer.Option(
            TFLITE_OPTION,
            metavar="[int8|int16x8|both]",
            help="Also write and score the student as a TFLite file: [bold]int8[/bold], [bold]int16x8[/bold] "
            "(16-bit activations and state) or [bold]both[/bold].",
        ),
    ] = TFLITE_DEFAULT,
    no_tflite: Annotated[bool, typer.Option("--no-tflite", help="Write no TFLite file.")] = False,
    unknown: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Let the tag answer [bold]unknown[/bold] where its two best classes are too close: for this "
            "share of results on held-out animals, such as 0.10, or as many as leave risk=0.05 wrong.",
            show_default=False,
        ),
    ] = None,
    unlike: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Also answer unknown where a window is unlike those of its class in training, for this "
            "share of results on held-out animals, such as 0.05: for behaviours that nobody taught it.",
            show_default=False,
        ),
    ] = None,
    run: RunOption = None,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Turn the distilled student into integers, proven not to overflow.

    Example: [bold]mcukd quantize --bits 8[/bold]

    Example: [bold]mcukd quantize --bits 4 --qat[/bold]

    Example: [bold]mcukd quantize --bits auto --budget-flash 3KB[/bold]

    Example: [bold]mcukd quantize --tflite both[/bold]

    Example: [bold]mcukd quantize --unknown 0.10 --unlike 0.05[/bold]
    """
    from mcukd.fixedpoint.quantize import QuantizeConfig
    from mcukd.models.tflite_widths import parse_tflite
    from mcukd.pipeline.quantize import quantize_study
    from mcukd.pipeline.unknown import parse_refusal
    from mcukd.study import Study

    refusal = parse_refusal(unknown, unlike)
    objective = _objective(bits, budget_flash, max_mcc_drop)
    # Of a search the width is one of the results.
    config = QuantizeConfig(8 if objective else _width(bits), activation_bits, gates or "interpolated")
    if jobs is not None and not 1 <= jobs <= 1024:
        raise UserError(f"--jobs is {jobs}, expected 1 to 1024 worker processes.")
    study = Study.open(run)
    facts = quantize_study(
        study,
        config,
        data_root,
        () if no_tflite else parse_tflite(tflite),
        qat=qat,
        objective=objective,
        gate_tables=[gates] if gates else None,
        jobs=jobs,
        refusal=refusal,
    )
    if json:
        print_json(_facts(study, facts))
    else:
        _print(study, facts, objective)


def _width(bits: str) -> int:
    try:
        return int(bits)
    except ValueError:
        raise UserError(f"--bits is '{bits}', expected 4 to 16, or {AUTO}.") from None


def _objective(bits: str, budget_flash: str | None, max_mcc_drop: float | None) -> Objective | None:
    from mcukd.fixedpoint.mixed import Objective, parse_bytes

    if bits.strip().lower() == AUTO:
        return Objective(None if budget_flash is None else parse_bytes(budget_flash), max_mcc_drop)
    for option, value in (("--budget-flash", budget_flash), ("--max-mcc-drop", max_mcc_drop)):
        if value is not None:
            raise UserError(f"{option} goes with --bits {AUTO}, found --bits {bits}; leave one of them out.")
    return None


def _facts(study: Study, facts: QuantizeFacts) -> dict[str, Any]:
    return {
        "run": str(study.path),
        "ran": facts.ran,
        **({"tflite": facts.tflite} if facts.model is None else _integers(facts.model)),
        "metrics": {name: {"mcc": m["mcc"], "accuracy": m["accuracy"]} for name, m in facts.metrics.items()},
        "remarks": facts.remarks,
    }


def _integers(model: IntegerModel) -> dict[str, Any]:
    return {
        "model_sha256": model.sha256,
        "bits": model.bits,
        "head_bits": model.head_bits,
        "activation_bits": model.activation_bits,
        "gates": model.gate_table,
        "weight_bytes": model.weight_bytes,
        "table_bytes": model.table_bytes,
        "formats": {name: str(fmt.q) for name, fmt in model.formats.items()},
        "bounds": model.bounds,
    }


def _print(study: Study, facts: QuantizeFacts, objective: Objective | None) -> None:
    if not facts.ran:
        typer.echo(f"{study.path}: already quantized so; nothing to do.")
    if facts.model is not None:
        _print_formats(facts.model)
    elif facts.tflite is not None:
        _print_tflite(facts.tflite)
    if objective is not None:
        _print_search(study)
    for name, values in facts.metrics.items():
        typer.echo(f"{name}: MCC {values['mcc']:.3f}, accuracy {values['accuracy']:.3f} on animals held out")
    for remark in facts.remarks:
        typer.echo(remark)


def _print_formats(model: IntegerModel) -> None:
    rows = [
        [
            name,
            str(f.q),
            f"{f.observed_min:.4g} … {f.observed_max:.4g}",
            "{:.4g} … {:.4g}".format(*f.q.range),
            str(f.saturations),
        ]
        for name, f in model.observed_formats.items()
    ]
    print_table(
        f"Integer model {model.sha256[:12]}: {model.bits}-bit weights, {model.weight_bytes} bytes",
        ["tensor", "format", "observed", "representable", "saturated"],
        rows,
    )


def _print_tflite(facts: dict[str, Any]) -> None:
    ends = (
        f"{end['name']}: value = {end['scale']:.4g} · (mantissa − {end['zero_point']})".replace("− -", "+ ")
        for end in (facts["input"], facts["output"])
    )
    rows = [[name, str(number)] for name, number in facts["operations"].items()]
    title = f"TFLite int8 for windows of {facts['window']} samples: {facts['bytes']} bytes"
    print_table(title, ["operation", "times"], rows)
    typer.echo("; ".join(ends))


def _print_search(study: Study) -> None:
    from mcukd.fixedpoint.mixed import PARETO, PARETO_FIGURE, read_search

    found = read_search(study.file(PARETO))
    chosen = found["chosen"]
    rows = [
        [
            str(one["bits"]),
            str(one["head_bits"]),
            one["gates"],
            str(one["flash_bytes"]),
            f"{one['mcc']:.4f}",
            f"{one['mcc_drop']:.4f}",
            "chosen" if _is(one, chosen) else "front" if one["on_front"] else "",
        ]
        for one in found["candidates"]
    ]
    print_table(
        f"Widths tried on calibration animals (float: {found['float_mcc']:.4f}); {PARETO}, {PARETO_FIGURE}",
        ["bits", "head", "gates", "flash bytes", "MCC", "drop", ""],
        rows,
        left=0,
    )


def _is(one: dict[str, Any], chosen: dict[str, Any]) -> bool:
    return all(one[key] == value for key, value in chosen.items())
