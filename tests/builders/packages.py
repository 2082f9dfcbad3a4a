"""Packages on disk as users get them, and what their self-tests have to print."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders.filter_mlp import filter_model
from builders.students import random_model

from mcukd.archive.container import measured, write_archive
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.packaging.description import Description
from mcukd.packaging.files import Package, make_package
from mcukd.packaging.manifest import Choices
from mcukd.packaging.targets.registry import TARGETS

AUTHORS = ("Ada Lovelace <ada@example.org>", "Charles Babbage")


def two_models() -> dict[str, IntegerModel]:
    """Two models of different families and lengths by prefix, for packages in one program."""
    return {"cow": random_model(0, hidden=8), "Filter": filter_model(0, steps=24)}


def described(model: IntegerModel) -> Description:
    return Description(model, None, None, "Proven on no board yet.")


def package_of(target: str, prefix: str, model: IntegerModel, **choices: object) -> Package:
    return make_package(TARGETS[target], described(model), Choices(prefix, authors=AUTHORS, **choices))  # type: ignore[arg-type]


def installed(target: str, prefix: str, model: IntegerModel, folder: Path) -> tuple[Package, Path]:
    """Pack a model and unzip it into `folder` by Python's own zip reader; return it and its folder there."""
    package = package_of(target, prefix, model)
    file = folder / package.manifest.archive
    write_archive(file, package.files, {name: measured(name, one) for name, one in package.files.items()})
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return package, folder / package.manifest.name


def assert_answers(printed: str, packages: Sequence[Package], models: Sequence[IntegerModel]) -> None:
    """Compare what self-tests printed with the integer reference, value by value, and nothing but that."""
    print(printed)  # for `pytest -rP`
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    for package, model in zip(packages, models):
        windows = model.arrays["known_windows"]
        outcome = run(model, windows)
        named, *told = lines[: len(windows) + 2]
        del lines[: len(windows) + 2]
        manifest = package.manifest
        assert named.lower() == f"{manifest.name} {manifest.version}, model {manifest.model_sha256}".lower()
        for n, (line, logits) in enumerate(zip(told, outcome.logits)):
            name = model.outcomes[int(outcome.classes[n])]
            assert line == f"window {n}: logits {' '.join(str(v) for v in logits)}, {name}"
        assert told[-1] == "PASS"
    assert lines == []


def joined_programs(sources: Sequence[str], prefixes: Sequence[str], entry: str, calls: str) -> str:
    """Return one program that does what several examples do, one after another.

    entry: of each, as in `int main(void)`. calls: begin of the new one, with `{calls}` in it.
    """
    kind, name = re.fullmatch(r"(\w+) (\w+)\(.*\)", entry).groups()  # type: ignore[union-attr]
    told = []
    for prefix, source in zip(prefixes, sources):
        assert source.count(entry) == 1
        told.append(source.replace(entry, f"static {kind} {prefix}_{name}(void)"))
    called = " ".join(f"{prefix}_{name}();" for prefix in prefixes)
    return "\n".join(told) + calls.replace("{calls}", called)


def need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}, which is not on the PATH")


def call(
    command: Sequence[object], folder: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Run a command and return what it printed on standard output."""
    result = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout
