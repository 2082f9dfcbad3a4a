"""Schedule of a sweep: jobs run once, after those they require; a failure skips those that require it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mcukd.errors import UserError
from mcukd.sweep.schedule import missing, run_jobs


@dataclass(frozen=True)
class Chore:
    """A job that writes a line to a log, and fails where `fails` is set."""

    folder: Path
    name: str
    needs: tuple[Chore, ...] = ()
    fails: bool = False

    @property
    def key(self) -> str:
        return self.name

    @property
    def requires(self) -> tuple[Chore, ...]:
        return self.needs

    def is_done(self) -> bool:
        return (self.folder / self.name).exists()

    def run(self) -> None:
        with (self.folder / "log").open("a") as log:
            log.write(f"{self.name}\n")
        if self.fails:
            raise UserError(f"{self.name} cannot be done.")
        assert all(one.is_done() for one in self.needs), "done before what it requires"
        (self.folder / self.name).touch()


def _said(folder: Path) -> list[str]:
    return (folder / "log").read_text().split()


def test_all_runs_of_a_point_follow_each_other(tmp_path: Path) -> None:
    """A worker keeps the compiled models of a few points only."""
    teachers = [Chore(tmp_path, f"teacher{n}") for n in range(2)]
    runs = [Chore(tmp_path, f"{point}{n}", (teachers[n],)) for point in "ab" for n in range(2)]
    assert run_jobs(missing(runs), workers=1) == {}
    assert _said(tmp_path) == ["teacher0", "a0", "teacher1", "a1", "b0", "b1"]


def test_jobs_come_after_what_they_require_and_once(tmp_path: Path) -> None:
    teacher = Chore(tmp_path, "teacher")
    students = [Chore(tmp_path, f"student{n}", (teacher,)) for n in range(3)]
    runs = [Chore(tmp_path, f"{student.name}-run{n}", (student,)) for student in students for n in range(2)]
    todo = missing(runs)
    assert len(todo) == 1 + 3 + 6
    assert run_jobs(todo, workers=2) == {}
    assert sorted(_said(tmp_path)) == sorted(one.name for one in todo)
    assert missing(runs) == []
    # A lost row needs its student again only where that is gone, and never the teacher.
    (tmp_path / runs[0].name).unlink()
    (tmp_path / "teacher").unlink()
    assert missing(runs) == [runs[0]]
    (tmp_path / students[0].name).unlink()
    assert missing(runs) == [teacher, students[0], runs[0]]


def test_a_failure_takes_along_what_requires_it_and_nothing_else(tmp_path: Path) -> None:
    bad, good = Chore(tmp_path, "bad", fails=True), Chore(tmp_path, "good")
    runs = [
        Chore(tmp_path, "bad-run", (bad,)),
        Chore(tmp_path, "good-run", (good,)),
        Chore(tmp_path, "both", (good, bad)),
    ]
    failed = run_jobs(missing(runs), workers=2)
    assert list(failed) == ["bad"] and str(failed["bad"]) == "bad cannot be done."
    assert sorted(_said(tmp_path)) == ["bad", "good", "good-run"]
