"""TOML files of boards, cards and grids: checked against a model, with one sentence for what is wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mcukd.errors import UserError
from mcukd.resources import resource_dir
from mcukd.text import did_you_mean, listed

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class ConfigFileType:
    """A type of TOML file: what it is called, where bundled ones lie, and where its format is documented.

    sections: the model of each section by the names that lead to it, to know the keys that were possible.
    tagged: sections whose model is chosen by one of their own values, with the models by that value.
    """

    name: str
    folder: str
    document: str
    sections: Mapping[tuple[str, ...], type[BaseModel]] = field(default_factory=dict)
    tagged: Mapping[str, Callable[[], Mapping[str, type[BaseModel]]]] = field(default_factory=dict)

    def bundled(self) -> list[Path]:
        """Return the files that come with mcukd, in alphabetical order."""
        return sorted(resource_dir(self.folder).glob("*.toml"), key=lambda path: path.stem)

    def find(self, name_or_path: str) -> Path:
        """Return a bundled file by its name, or any by its path; UserError for an unknown name."""
        if name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path:
            return Path(name_or_path)
        known = {path.stem: path for path in self.bundled()}
        if name_or_path in known:
            return known[name_or_path]
        raise UserError(
            f"there is no {self.name} {name_or_path!r}{did_you_mean(name_or_path, known)}; the bundled ones "
            f"are {listed(known)}, and any other is named by the path of its .toml file."
        )

    def check(self, path: Path, model: type[Model]) -> Model:
        """Read a file as `model`; UserError where it is missing or not as expected."""
        from pydantic import ValidationError

        try:
            return model.model_validate(load_toml(path))
        except ValidationError as error:
            raise UserError(f"{path}: {self._problem(error)}.") from None

    def _problem(self, error: ValidationError) -> str:
        """Tell the first problem: key, found, expected."""
        problems = error.errors()
        # A misspelt key shows up twice, as a missing one and an unknown one; the latter knows what was meant.
        problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
        location, found = problem["loc"], problem["input"]
        key = self._dotted(location)
        if problem["type"] == "extra_forbidden":
            section = self._section(tuple(part for part in location[:-1] if isinstance(part, str)))
            known = [item.alias or name for name, item in section.model_fields.items()] if section else []
            return f"unknown key {key}{did_you_mean(str(location[-1]), known)}; expected {listed(known)}"
        if problem["type"] == "missing":
            return f"the key {key} is missing; add it ({self.document} shows a whole file)"
        if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
            return _tag_problem(key, found, problem["ctx"])
        if problem["type"] == "model_type":
            section = self._section(tuple(part for part in location if isinstance(part, str)))
            keys = f" with {listed(list(section.model_fields))}" if section else ""
            return f"{key} is {found!r}, but a table{keys} is expected ({self.document} shows one)"
        message = problem["msg"].replace("Value error, ", "")
        if not key:
            return message
        if isinstance(found, dict):
            return f"in [{key}], {message}"
        return f"{key} is {found!r}, but {message[0].lower() + message[1:]}"

    def _section(self, names: tuple[str, ...]) -> type[BaseModel] | None:
        """Return the model of the section that names lead to; pydantic puts the chosen value among them."""
        if len(names) == 2 and names[0] in self.tagged:
            return self.tagged[names[0]]().get(names[1])
        return self.sections.get(names)

    def _dotted(self, location: tuple[Any, ...]) -> str:
        parts = list(location)
        if len(parts) > 1 and parts[0] in self.tagged:
            del parts[1]  # pydantic inserts the value that chose the section's model
        text = ""
        for part in parts:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
        return text


def load_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content; UserError where it is missing, no text, or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the name.") from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); a TOML file that you may read is expected."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start:,} is no UTF-8 text; save the file as UTF-8, as TOML has to be."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML ({error}); correct that line.") from error


def toml_string(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)


def _tag_problem(section: str, found: Any, context: Mapping[str, Any]) -> str:
    tag = str(context["discriminator"]).strip("'")
    value = found.get(tag) if isinstance(found, dict) else found
    tags = [part.strip().strip("'") for part in str(context.get("expected_tags", "")).split(",")]
    text = "is missing" if value is None else f"is {value!r}{did_you_mean(str(value), tags)}"
    return f"{section}.{tag} {text}" + (f"; expected one of {listed(tags)}" if tags != [""] else "")
