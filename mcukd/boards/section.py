"""Base class of the tables of a board file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a board file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
