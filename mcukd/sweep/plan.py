"""Plan of a sweep: all runs of a grid, the trainings they require, and what of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcukd.data.card import load_card
from mcukd.data.folds import Fold, make_folds
from mcukd.data.label_budget import with_label_budget
from mcukd.data.load import load_windows
from mcukd.distillation.declared_options import REST
from mcukd.errors import UserError
from mcukd.sweep.grid import Grid, read_grid
from mcukd.sweep.options import student_sizes
from mcukd.sweep.points import Point, points
from mcukd.sweep.runs import CostJob, RunJob
from mcukd.sweep.schedule import Job, missing
from mcukd.sweep.work import Source, Work
from mcukd.text import did_you_mean, listed


@dataclass(frozen=True)
class Plan:
    """All runs of a grid in the order of the table, and the measurement of each point that has one."""

    grid: Grid
    runs: tuple[RunJob, ...]
    costs: dict[Point, CostJob]
    data: str
    classes: tuple[str, ...]
    simulated: bool

    @property
    def jobs(self) -> list[Job]:
        """All runs and measurements, which name the trainings they require themselves."""
        return [*self.runs, *self.costs.values()]

    @property
    def folds(self) -> int:
        """How many folds each point is run on."""
        return len({run.work.fold.name for run in self.runs})


def make_plan(path: Path, out: Path, data_root: Path | None = None) -> Plan:
    """Read a grid and return its runs; nothing is done. UserError for a faulty grid or missing data."""
    grid = read_grid(path)
    card = load_card(grid.data)
    root = None if data_root is None else data_root.absolute()
    trained_as = points(grid, card)
    for config in trained_as.values():
        if config.unlabelled_cards:
            raise UserError(
                f"{path}: unlabelled names {config.unlabelled_cards[0]}, and a sweep learns from the data "
                f"set's own animals only (\"{REST}\"); give cards to 'mcukd distill --unlabelled'."
            )
    sources = {
        extra: Source.of(card.reference, root, grid.seed, extra)
        for extra in {config.uses_extra_channels for config in trained_as.values()}
    }
    windows = load_windows(card, root, seed=grid.seed)
    folds = _folds(path, grid, make_folds(windows, grid.split))
    crossed = tuple(grid.crossed())
    runs = [
        RunJob(
            Work(out.absolute(), sources[config.uses_extra_channels], config, fold, seed),
            point,
            point.name(crossed),
        )
        for point, config in trained_as.items()
        for seed in grid.axes.seeds
        for fold in with_label_budget(folds, windows, config.labelled)
    ]
    return Plan(grid, tuple(runs), _costs(grid, runs), card.name, card.classes, card.simulated)


def _folds(path: Path, grid: Grid, folds: Sequence[Fold]) -> list[Fold]:
    wanted, known = grid.axes.folds, [fold.name for fold in folds]
    for name in wanted or ():
        if name not in known:
            raise UserError(
                f"{path}: grid.folds names {name!r}{did_you_mean(name, known)}, but the folds of split "
                f"{grid.split!r} are {listed(known)}."
            )
    return [fold for fold in folds if wanted is None or fold.name in wanted]


def _costs(grid: Grid, runs: Sequence[RunJob]) -> dict[Point, CostJob]:
    """Return the measurement of each integer point; students of one architecture, size and width share it."""
    if grid.measure is None:
        return {}
    _check_tools()
    by_shape: dict[tuple[Any, ...], CostJob] = {}
    found: dict[Point, CostJob] = {}
    # Quantization-aware training does not change the number of instructions.
    for run in sorted(runs, key=lambda run: run.point.qat):
        if run.point.integers is None or run.point in found:
            continue
        own = run.point.columns()
        names = ("student", *student_sizes(), "bits", "gates", "activation_bits")
        shape = tuple(own[name] for name in names)
        found[run.point] = by_shape.setdefault(shape, CostJob(run, grid.measure))
    return found


def _check_tools() -> None:
    from mcukd.boards.tools import require_tool
    from mcukd.profiling.study import TOOLS

    for tool in TOOLS:
        require_tool(tool, "measure models; leave [measure] out otherwise")


def overview(plan: Plan) -> dict[str, Any]:
    """Return what a plan would do, for `--dry-run`."""
    todo = missing(plan.jobs)
    left = {job.key for job in todo}
    return {
        "points": list(dict.fromkeys(run.title for run in plan.runs)),
        "folds": plan.folds,
        "seeds": list(plan.grid.axes.seeds),
        "runs": len(plan.runs),
        "runs_done": sum(run.key not in left for run in plan.runs),
        "jobs_left": len(todo),
    }
