"""`mcukd quantize`."""

from __future__ import annotations

from typing import Annotated

import typer

from mcukd.cli.common import DataRootOption, JsonOption, RunOption, print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(quantize)


def quantize(
    bits: Annotated[int, typer.Option(envvar="MCUKD_BITS", help="Width of the weights, 4 to 16.")] = 8,
    activation_bits: Annotated[int, typer.Option(help="Width of state and dense output, 8 to 16.")] = 16,
    tflite: Annotated[bool, typer.Option(help="Also export and score the TFLite int8 one-step cell.")] = True,
    run: RunOption = None,
    data_root: DataRootOption = None,
    json: JsonOption = False,
) -> None:
    """Turn the distilled student into integers, proven not to overflow.

    Example: [bold]mcukd quantize --bits 8[/bold]
    """
    from mcukd.fixedpoint.quantize import QuantizeConfig
    from mcukd.fixedpoint.stage import quantize_study
    from mcukd.study import Study

    config = QuantizeConfig(bits, activation_bits)
    study = Study.open(run)
    facts = quantize_study(study, config, data_root, tflite)
    model = facts.model
    if json:
        print_json(
            {
                "run": str(study.path),
                "ran": facts.ran,
                "model_sha256": model.sha256,
                "bits": model.bits,
                "activation_bits": model.activation_bits,
                "weight_bytes": model.weight_bytes,
                "formats": {name: str(fmt.q) for name, fmt in model.formats.items()},
                "bounds": model.bounds,
                "metrics": {
                    name: {"mcc": m["mcc"], "accuracy": m["accuracy"]} for name, m in facts.metrics.items()
                },
                "remarks": facts.remarks,
            }
        )
        return
    if not facts.ran:
        typer.echo(f"{study.path}: already quantized so; nothing to do.")
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
    for name, values in facts.metrics.items():
        typer.echo(f"{name}: MCC {values['mcc']:.3f}, accuracy {values['accuracy']:.3f} on animals held out")
    for remark in facts.remarks:
        typer.echo(remark)
