"""Extras: the field's commands need none of the packages for data and training, others name the extra."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders.commands import mcukd
from builders.observed import CLASSES, tag_day
from builders.places import ROOT
from builders.studies import quantized_study, simulated_study
from builders.sweep import herd_card, write_grid

from mcukd.errors import UserError
from mcukd.extras import EXTRAS, install_line, is_installed, load, missing, require, sentence_about
from mcukd.sweep.schedule import Job

PAYLOAD = "15a1bcba21800602000001"
#: What `mcukd[field]` installs of the extra `data`.
IN_FIELD = {"matplotlib", "scipy"}
AWAY = {*EXTRAS["data"], *EXTRAS["train"], *EXTRAS["search"], *EXTRAS["cluster"]} - IN_FIELD


@pytest.fixture
def field_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no package be found that the extra `field` does not bring, loaded already or not."""
    for name in {*AWAY, *(one for one in sys.modules if one.partition(".")[0] in AWAY)}:
        monkeypatch.setitem(sys.modules, name, None)


def test_commands_without_a_device_work_on_a_field_laptop(
    field_laptop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantized_study(tmp_path / "run")
    tag_day(tmp_path / "tag.bin", "Bella")
    tag = ("--classes", ",".join(CLASSES), "--window", "5.12")
    for command in (
        ("--help",),
        ("doctor", "--json"),
        ("boards", "collar"),
        ("data", "list"),
        ("flash", "--run", "run", "--board", "native", "--dry-run"),
        ("generate", "--run", "run", "--board", "collar"),
        ("package", "--run", "run", "--target", "all"),
        ("package", "--run", "run", "--target", "arduino", "--out", "packages"),
        ("decode", PAYLOAD),
        ("payload", "--help"),
        ("log", "decode", "tag.bin"),
        ("export", "tag.bin", *tag, "--animal", "Bella", "--boris", "--out", "bella.boris"),
        ("agree", "bella.boris", "Bella=tag.bin", *tag),
        ("agree", "bella.boris", "Bella=tag.bin", *tag, "--out", "agreement.html"),
        ("classify", "--help"),
        ("observe", "--help"),
    ):
        ended = mcukd(*command, cwd=tmp_path)
        if command[0] == "flash":  # the native board is not flashed: that, and no missing package, is said
            assert ended.returncode == 2 and "package" not in ended.stderr
        else:
            assert ended.returncode == 0, (command, ended.stderr)


@pytest.mark.emulator
def test_images_are_flashed_and_validated_on_a_field_laptop(field_laptop: None, tmp_path: Path) -> None:
    simulated_study(tmp_path / "run", steps=64)
    tag = ("--emulate", "collar", "--run", "run")
    for command in (
        ("flash", "--run", "run", "--board", "collar", "--dry-run"),
        ("validate", "--run", "run", "--board", "collar", "--emulate", "--windows", "2"),
        ("provision", *tag, "--id", "cow-17"),
        ("tag", "status", *tag),
        ("fetch", *tag, "--out", "tag.log"),
    ):
        ended = mcukd(*command, cwd=tmp_path)
        assert ended.returncode == 0, (command, ended.stderr)


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (("distill", "--data", "herd-sim", "--split", "holdout"), "tensorflow", "train"),
        (("data", "check", "herd-sim"), "scikit-learn", "data"),
        (("classify", "week.parquet", "--run", "run", "--out", "out"), "pyarrow", "data"),
    ],
)
def test_other_commands_name_the_extra(
    field_laptop: None, tmp_path: Path, command: tuple[str, ...], package: str, extra: str
) -> None:
    quantized_study(tmp_path / "run")
    (tmp_path / "week.parquet").write_bytes(b"PAR1")
    ended = mcukd(*command, cwd=tmp_path)
    assert ended.returncode == 2
    said = (
        f"needs the package {package}, which is not installed; install it with: pip install 'mcukd[{extra}]'"
    )
    assert ended.stderr.startswith("mcukd: ") and said in ended.stderr and ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("package", "scipy.special", "field"),
        ("agree", "matplotlib.figure", "field"),
        ("package", "pandas", "data"),
        ("distill", "scipy", "train"),
        ("distill", "distributed", "cluster"),
        ("sweep", "pyarrow.parquet", "train"),
        ("robustness", "scipy", "data"),
    ],
)
def test_one_extra_brings_all_that_a_command_needs(command: str, module: str, extra: str) -> None:
    said = sentence_about(ModuleNotFoundError(name=module), command)
    assert said is not None and said.endswith(f"install it with: pip install 'mcukd[{extra}]'.")


def test_the_command_that_was_typed_decides_the_extra(tmp_path: Path) -> None:
    """In a new process, in which nothing that takes scipy was imported before."""
    quantized_study(tmp_path / "run")
    line = ["package", "--run", "run", "--target", "cmake"]
    program = (
        f"import sys; sys.modules['scipy'] = None; sys.argv[1:] = {line}; from mcukd.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert ended.stderr.endswith("pip install 'mcukd[field]'.\n"), ended.stderr


@pytest.mark.parametrize(
    ("beside", "refused"),
    [(None, True), (["teacher"], True), (["majority", "random_forest"], False)],
)
def test_a_sweep_without_tensorflow_begins_no_training(
    beside: list[str] | None, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {*EXTRAS["train"], *(one for one in sys.modules if one.partition(".")[0] in EXTRAS["train"])}:
        monkeypatch.setitem(sys.modules, name, None)
    begun: list[str] = []

    def begin(jobs: Sequence[Job], *_: object) -> dict[str, UserError]:
        begun.extend(job.name for job in jobs)
        raise UserError("begun")

    monkeypatch.setattr("mcukd.sweep.sweep.run_jobs", begin)
    bits = "" if beside is None else f"bits = []\nbeside = {json.dumps(beside)}\n"
    grid = write_grid(tmp_path, herd_card(tmp_path), 'data = "{card}"\n[grid]\n{bits}', bits=bits)
    ended = mcukd("sweep", str(grid), "--out", "out", cwd=tmp_path)
    assert ended.returncode == 2 and bool(begun) != refused
    assert (install_line("tensorflow") in ended.stderr) == refused, ended.stderr
    assert (tmp_path / "out").exists() != refused


def test_a_notebook_is_told_as_well(field_laptop: None) -> None:
    with pytest.raises(UserError, match=r"pip install 'mcukd\[train\]'"):
        from mcukd.tensorflow_setup import keras  # noqa: F401


def test_the_table_is_that_of_the_package() -> None:
    """Each package of an extra is in the table of modules, and nothing else is."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    modules = {"scikit-learn": "sklearn", "ai-edge-litert": "ai_edge_litert"}
    # What a package brings that is imported by itself.
    brought = {"train": {"keras"}, "cluster": {"dask"}}

    def packages(extra: str) -> set[str]:
        names = {re.match(r"[\w-]+", one).group() for one in declared[extra]}  # type: ignore[union-attr]
        return {modules.get(name, name) for name in names - {"mcukd"}}

    for extra, names in EXTRAS.items():
        assert {*names} == packages(extra) | brought.get(extra, set()), extra
    assert packages("field") == IN_FIELD


def test_a_module_is_loaded_or_its_extra_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("scipy.special", "this").__name__ == "scipy.special"
    require("numpy", "this")
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert not is_installed("optuna")
    with pytest.raises(UserError, match=r"^the search needs the package optuna, .*\[search\]', or wait\.$"):
        require("optuna", "the search", "or wait")
    assert install_line("sklearn.svm") == "pip install 'mcukd[data]'"
    assert "scikit-learn" in str(missing("sklearn", "this"))


def test_a_package_that_lacks_one_of_its_own_is_no_missing_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "actfast.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "actfast", raising=False)
    with pytest.raises(ModuleNotFoundError) as raised:
        load("actfast", "this")
    assert sentence_about(raised.value) is None and sentence_about(ValueError()) is None
