"""Generated C on emulated cores, compared with the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcukd.codegen.firmware import generate_model
from mcukd.codegen.kernel import kernel_for
from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run
from mcukd.inference.batch import run_fast
from mcukd.profiling.emulate import run_image
from mcukd.profiling.image import build_image


def assert_device_equals_reference(
    model: IntegerModel, core: str, optimize: str, counts: np.ndarray, folder: Path
) -> None:
    generate_model(model, folder, core, optimize)
    assert (folder / "mcukd_kernel.S").exists() == (kernel_for(model, core, optimize) is not None)
    seen = run_image(build_image(folder, core, optimize), counts)
    expected = run(model, counts)
    assert np.array_equal(seen.state_crc, expected.state_crc)
    assert np.array_equal(seen.logits, expected.logits)
    on_host = run_fast(model, counts)
    assert np.array_equal(on_host.state_crc, expected.state_crc)
    assert np.array_equal(on_host.logits, expected.logits)
