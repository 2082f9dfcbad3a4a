"""A study: one run's directory, its manifest, and which of its artefacts still belong together.

Every stage records the SHA-256 of what it read and of what it wrote. Whether a stage is current is
never stored: it is derived by comparing those records with the files that are there now, so that an
artefact edited, restored or copied in from elsewhere is noticed.
"""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcukd import __version__
from mcukd.errors import UserError
from mcukd.files import folder_beside, require_writable, sha256_file, write_json
from mcukd.tensorflow_setup import settings

RUNS = Path("runs")
LATEST = "latest"
MANIFEST = "study.json"

#: Files of a study that several stages read. Those of single folds are in `mcukd.fold_results`.
METRICS = "metrics.json"
#: Facts of a refusal rule, where the integer model has one.
REFUSAL_FILE = "unknown.json"
TEACHER_FILE, STUDENT_FILE, SOFT_LABELS_FILE = "teacher.keras", "student.keras", "soft_labels.npz"


@dataclass
class Study:
    """One study directory and its manifest (`study.json`).

    Stages are named `distill`, `evaluate` (the baselines), `quantize`, `generate:<board>`,
    `build:<board>`, `validate:<board>`, `energy:<board>` and `report`. Paths inside the manifest are relative
    to the study, so that it can be moved.
    """

    path: Path
    manifest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, card: str, seed: int) -> Study:
        """Open the study at `path`, or start it there, and point `runs/latest` at it; see `prepare`."""
        study = cls.prepare(path, card, seed)
        study.begin()
        return study

    @classmethod
    def prepare(cls, path: Path, card: str, seed: int) -> Study:
        """Return the study at `path`, or a new one, without writing anything.

        `begin`, or the first stage that finishes, writes it and makes it the latest: a run that is refused
        or fails before it made anything leaves no trace. Raises UserError where `path` holds a study of
        another card: its artefacts would be lost; OSError where the folder cannot be written.
        """
        require_writable(path)
        if (path / MANIFEST).exists():
            study = cls.open(path)
            if study.manifest["card"] != card:
                raise UserError(
                    f"{path / MANIFEST}: this study was made from card '{study.manifest['card']}', "
                    f"not '{card}'; choose another directory with --run."
                )
            study.manifest["seed"] = seed
        else:
            study = cls(
                path,
                {
                    "schema": 1,
                    "card": card,
                    "seed": seed,
                    "versions": _versions(),
                    "settings": settings(),
                    "stages": {},
                },
            )
        return study

    def begin(self) -> None:
        """Write the manifest, and point `runs/latest` at this study."""
        self._save()
        _point_latest_at(self.path)

    @classmethod
    def open(cls, path: Path | None = None) -> Study:
        """Open an existing study; without a path, the newest one (`runs/latest`)."""
        path = path or RUNS / LATEST
        file = path / MANIFEST
        if not file.exists():
            raise UserError(
                f"{path}: no study there (no {MANIFEST}); run 'mcukd distill' or name one with --run."
            )
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            manifest["stages"], manifest["card"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{file}: not a study manifest ({error}); restore it or start a new study."
            ) from error
        return cls(path.resolve() if path.name == LATEST else path, manifest)

    def file(self, *parts: str) -> Path:
        """Return a path inside the study."""
        return self.path.joinpath(*parts)

    @property
    def card(self) -> str:
        """Name or path of the dataset card the study was made from."""
        return str(self.manifest["card"])

    def data_root(self, given: Path | None) -> Path | None:
        """Return the folder of the data sets: the one given, else the one the study was made with.

        A given folder is remembered (as an absolute path), so that later stages find the same samples.
        """
        if given is not None:
            self.manifest["data_root"] = str(given.resolve())
            if self.file(MANIFEST).exists():
                self._save()
        remembered = self.manifest.get("data_root")
        return Path(remembered) if remembered else None

    def remember(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep facts that are no stage's output in the manifest."""
        self.manifest[name] = json.loads(json.dumps(dict(facts)))
        self._save()

    def options(self, stage: str) -> dict[str, Any]:
        """Return the options a finished stage ran with."""
        return dict(self.manifest["stages"].get(stage, {}).get("options", {}))

    def is_current(self, stage: str, inputs: Mapping[str, str], options: Mapping[str, Any]) -> bool:
        """Tell whether running `stage` with these inputs (name → SHA-256) and options changes nothing."""
        record = self.manifest["stages"].get(stage)
        return (
            record is not None
            and record["inputs"] == dict(inputs)
            and record["options"] == json.loads(json.dumps(dict(options)))
            and not self._changed(record["outputs"])
        )

    def finish(
        self,
        stage: str,
        *,
        inputs: Mapping[str, str],
        options: Mapping[str, Any],
        outputs: Iterable[Path],
        command: Sequence[str] = (),
    ) -> None:
        """Record a finished stage: what it read, how it ran, and the SHA-256 of each file it wrote.

        command: what to give its command besides --run to do the same again (`mcukd.pipeline.repeating`).
        """
        self.manifest["versions"], self.manifest["settings"] = _versions(), settings()
        self.manifest["stages"][stage] = {
            "inputs": dict(inputs),
            "options": dict(options),
            "outputs": {
                path.relative_to(self.path).as_posix(): sha256_file(path) for path in sorted(outputs)
            },
            **({"command": list(command)} if command else {}),
        }
        if self.file(MANIFEST).exists():
            self._save()
        else:
            self.begin()

    def forget(self, stage: str) -> None:
        """Drop the record of a stage whose outputs are not wanted any more; no file is touched."""
        if self.manifest["stages"].pop(stage, None) is not None:
            self._save()

    def inputs(self, *names: str) -> dict[str, str]:
        """Return the SHA-256 of files of this study, by name, for use as a stage's inputs."""
        return {name: sha256_file(self.file(name)) for name in names}

    def require(self, stage: str) -> None:
        """Raise UserError unless `stage` has run, its outputs are untouched, and its inputs still current."""
        record = self.manifest["stages"].get(stage)
        if record is None:
            raise UserError(f"{self.path}: '{stage}' has not run yet; run '{self.refresh(stage)}'.")
        changed = self._changed(record["outputs"])
        if changed:
            raise UserError(
                f"{self.path / changed[0]}: missing or changed since '{stage}' wrote it; "
                f"run '{self.refresh(stage)}' to make it anew."
            )
        for name, digest in record["inputs"].items():
            maker = self._maker_of(name)
            if maker is None:
                continue
            self.require(maker)
            if self.manifest["stages"][maker]["outputs"][name] != digest:
                raise UserError(
                    f"{self.path}: '{stage}' is stale, because {name} was made anew after it; "
                    f"run '{self.refresh(stage)}'."
                )

    def refresh(self, stage: str, name: str | None = None) -> str:
        """Return the command that runs `stage` again with the options it ran with, as far as they are known.

        name: of the command, where it is not the stage's.
        """
        own, _, board = stage.partition(":")
        stages = self.manifest["stages"]
        options = stages.get(stage, {}).get("command")
        if not (isinstance(options, list) and all(isinstance(one, str) for one in options)):
            options = ["--board", board] if board else []
        if own == "distill" and own in stages and "evaluate" not in stages:
            options = [*options, "--no-baselines"]  # which would be trained beside it
        return shlex.join(["mcukd", name or own, "--run", str(self.path), *options])

    def _maker_of(self, name: str) -> str | None:
        for stage, record in self.manifest["stages"].items():
            if name in record["outputs"]:
                return str(stage)
        return None

    def _changed(self, outputs: Mapping[str, str]) -> list[str]:
        return [
            name
            for name, digest in outputs.items()
            if not self.file(name).is_file() or sha256_file(self.file(name)) != digest
        ]

    def _save(self) -> None:
        write_json(self.file(MANIFEST), self.manifest)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"mcukd": __version__, "python": platform.python_version()}
    for package in ("tensorflow", "keras", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _point_latest_at(path: Path) -> None:
    """Point `latest` beside the study at it; where links are not allowed, the user names runs instead."""
    link = path.resolve().parent / LATEST
    if path.name == LATEST or (link.exists() and not link.is_symlink()):
        return
    with suppress(OSError), folder_beside(link) as folder:
        temporary = folder / LATEST
        temporary.symlink_to(path.resolve().name, target_is_directory=True)
        temporary.replace(link)
