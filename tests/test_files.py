"""Digests of files: computed once, and again after a change."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

from mcukd.files import file_state, sha256_file


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "samples.csv"
    path.write_bytes(b"1,2,3")
    opened = []
    real = Path.open

    def counting(self: Path, *args: Any, **options: Any) -> Any:
        opened.append(self)
        return real(self, *args, **options)

    assert file_state(path) is None  # written just now: it may change again without another time
    time.sleep(0.2)
    monkeypatch.setattr(Path, "open", counting)
    digests = {sha256_file(path) for _ in range(3)}
    assert digests == {hashlib.sha256(b"1,2,3").hexdigest()} and len(opened) == 1
    monkeypatch.setattr(Path, "open", real)
    path.write_bytes(b"3,2,1")
    assert sha256_file(path) == hashlib.sha256(b"3,2,1").hexdigest()


def test_files_of_one_state_have_digests_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcukd.files.file_state", lambda path: (1, 0, 5, 2, 2))
    for content in (b"1,2,3", b"3,2,1"):
        path = tmp_path / f"{content[0]}.csv"
        path.write_bytes(content)
        assert sha256_file(path) == hashlib.sha256(content).hexdigest()
