"""Card of a study: one that is not here, and one with a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcukd.data.of_study import study_card
from mcukd.errors import UserError
from mcukd.study import Study


def test_a_card_that_is_not_here_is_told_apart_from_one_with_a_mistake(tmp_path: Path) -> None:
    card = tmp_path / "herd.toml"
    study = Study.create(tmp_path / "runs" / "a", str(card), 0)
    with pytest.raises(UserError, match=r"reads the recordings .*herd\.toml: no such file.* where they are"):
        study_card(study)
    card.write_text("name = ")
    with pytest.raises(UserError, match=r"herd\.toml") as refused:
        study_card(study)
    assert "where they are" not in str(refused.value)
    assert study_card(Study.create(tmp_path / "runs" / "b", "herd-sim", 0)).simulated
