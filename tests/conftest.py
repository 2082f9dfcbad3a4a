"""What holds for every test: the environment of whoever runs them does not reach into them."""

from __future__ import annotations

import os

import pytest

#: Set by the user for their own runs; MCUKD_CACHE only says where compiled libraries are kept.
KEPT = {"MCUKD_CACHE"}


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_user() -> None:
    for name in list(os.environ):
        if name.startswith("MCUKD_") and name not in KEPT:
            del os.environ[name]
