"""Records of `mcukd validate` (`validation/<board>.json`), read and checked for reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mcukd.errors import UserError


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Passed(_Part):
    passed: bool


class _SelfTest(_Passed):
    answers: int = Field(ge=0)
    wrong_logits: list[int] = []
    wrong_states: list[int] = []


class _Reached(_Part):
    kind: str
    through: str


class _Scale(_Part):
    sentence: str
    windows: int = Field(ge=0)
    classes_changed: int = Field(ge=0)


class _Proof(_Part):
    """The keys that reports read; those with a default are missing in proofs of earlier versions."""

    board: str
    ran_on: str
    emulated: bool
    model_sha256: str
    firmware_sha256: str
    windows: int = Field(ge=1)
    windows_sha256: str | None = None
    mismatches: int = Field(ge=0)
    first_mismatch: dict[str, Any] | None
    instructions_per_window: int | None = Field(ge=0)
    cycles_per_window: int | None = Field(ge=0)
    flash_bytes: int | None = Field(ge=0)
    ram_bytes: int | None = Field(ge=0)
    stack_high_water_bytes: int | None = Field(ge=0)
    bytes_sent: int = Field(ge=0)
    bytes_received: int = Field(ge=0)
    retries: int = Field(ge=0)
    reached: _Reached | None = None
    counter_problem: str | None = None
    scale: _Scale | None = None
    selftest: _SelfTest | None = None
    streaming: _Passed | None = None

    @model_validator(mode="after")
    def _no_more_than_all(self) -> _Proof:
        if self.mismatches > self.windows:
            raise ValueError(
                f"mismatches is {self.mismatches}, but at most all {self.windows} windows differ"
            )
        return self


def read_proof(path: Path) -> dict[str, Any]:
    """Return the content of a `validation/<board>.json`.

    Raises UserError, which names file and key, for one that is damaged or of another version.
    """
    remedy = f"run 'mcukd validate --board {path.stem}' again, which writes it anew"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise UserError(f"{path}: is no record of a proof, because no JSON object is in it; {remedy}.")
        board = _Proof.model_validate(content).board
    except ValidationError as error:
        raise UserError(f"{path}: {_problem(error)}; {remedy}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); {remedy}.") from error
    if board != path.stem:
        raise UserError(
            f"{path}: is a proof of board {board!r}, and not of the board it is named after; {remedy}."
        )
    return content


def windows_wrong(proof: Mapping[str, Any]) -> int:
    """Return how many windows a device computed otherwise than the model.

    Compared windows, those with known answers, and the one that was streamed.
    """
    selftest, streaming = proof.get("selftest") or {}, proof.get("streaming") or {}
    known = 0
    if not selftest.get("passed", True):
        known = len({*selftest.get("wrong_logits", ()), *selftest.get("wrong_states", ())}) or 1
    return int(proof["mismatches"]) + known + (not streaming.get("passed", True))


def failures(proof: Mapping[str, Any]) -> list[str]:
    """Return what of a proof failed beside the compared windows, each to be read after "but"."""
    failed = []
    if not (proof.get("selftest") or {}).get("passed", True):
        failed.append("its own known-answer test failed")
    if not (proof.get("streaming") or {}).get("passed", True):
        failed.append("samples streamed as in operation gave another class or other logits than their window")
    return failed


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"the key {key} is missing"
    message = first["msg"].replace("Value error, ", "")
    if not key:
        return message
    wanted = re.sub(r"^a valid dictionary.*", "a JSON object", message.replace("Input should be ", ""))
    wanted = re.sub(r"^greater", "a number greater", wanted)
    return f"{key} is {first['input']!r}, but {wanted} is expected"
