"""Images that several modules of this folder run."""

from __future__ import annotations

import pytest
from builders.tag_image import TagImage, tag_image


@pytest.fixture(scope="session", params=["collar", "eartag"])
def told_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TagImage:
    """A board's image that samples by itself, with its console always on, for tests of provisioning."""
    tag = "log_pages = 2\nsmoothing = 3\nperiod_s = 100\nconsole_s = 0\nbout_results = 0\n"
    return tag_image(request.param, tmp_path_factory.mktemp("told"), tag, margin=200)
