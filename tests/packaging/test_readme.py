"""The README's code, compiled as a reader would copy it, and compared with the integer reference."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from builders.cnn import cnn_model
from builders.compile import STRICT
from builders.filter_mlp import filter_model
from builders.packages import call, installed, need
from builders.students import random_model, refusing_model, streamed_model

from mcukd.fixedpoint.model import IntegerModel
from mcukd.fixedpoint.reference import run

ONCE = """#include <stdio.h>
{include}
static const int16_t sample[{steps}][{channels}] = {{ {numbers} }};
int main(void)
{{
{body}
    printf("%d %s\\n", (int)behaviour, name);
    return 0;
}}
"""
OVERLAPPING = """#include <stdio.h>
#include "cow_model.h"
static void use(uint8_t behaviour) {{ printf("%d\\n", (int)behaviour); }}
void take(const int16_t sample[{channels}]);
{body}
static const int16_t samples[{steps}][{channels}] = {{ {numbers} }};
int main(void)
{{
    for (int t = 0; t < {steps}; t++) {{
        take(samples[t]);
    }}
    return 0;
}}
"""


def blocks(model: IntegerModel, folder: Path) -> list[str]:
    """Install a package and return the blocks of C in its README."""
    _, there = installed("cmake", "cow", model, folder)
    return re.findall(r"^```c\n(.*?)^```$", (there / "README.md").read_text(), re.M | re.S)


def printed(folder: Path, program: str) -> list[str]:
    need("gcc")
    (folder / "main.c").write_text(program)
    sources = sorted((folder / "cow_model/src").glob("*.[cS]"))
    call(["gcc", *STRICT, "-I", folder / "cow_model/src", folder / "main.c", *sources, "-o", "main"], folder)
    return call([folder / "main"]).splitlines()


def numbers(counts: np.ndarray) -> str:
    return ", ".join(f"{{ {', '.join(str(value) for value in sample)} }}" for sample in counts)


@pytest.mark.parametrize("kind", ["gru", "filter", "cnn", "refusing", "carried"])
def test_its_code_gives_the_class_of_a_window(tmp_path: Path, kind: str) -> None:
    model = {
        "gru": random_model, "filter": lambda: filter_model(0), "cnn": lambda: cnn_model(0),
        "refusing": refusing_model, "carried": lambda: streamed_model("carried"),
    }[kind]()  # fmt: skip
    (code,) = blocks(model, tmp_path)
    include, _, body = code.partition("\n")
    for n, window in enumerate(model.arrays["known_windows"]):
        program = ONCE.format(
            include=include, body=body, steps=model.window, channels=model.channels, numbers=numbers(window)
        )
        expected = int(run(model, model.arrays["known_windows"]).classes[n])
        assert printed(tmp_path, program) == [f"{expected} {model.outcomes[expected]}"]


def test_its_code_for_windows_that_overlap_gives_each_of_them(tmp_path: Path) -> None:
    """Windows of 8 samples, one every 3."""
    model = streamed_model("staggered")
    samples = np.random.default_rng(0).integers(-9000, 9000, (50, model.channels)).astype(np.int16)
    _, code = blocks(model, tmp_path)
    program = OVERLAPPING.format(
        body=code, steps=len(samples), channels=model.channels, numbers=numbers(samples)
    )
    starts = range(0, len(samples) - model.window + 1, model.hop)
    windows = np.stack([samples[start : start + model.window] for start in starts])
    found = [int(line) for line in printed(tmp_path, program)]
    assert found == run(model, windows).classes.tolist() and len(set(found)) > 1


@pytest.mark.parametrize("kind", ["gru", "refusing", "margins"])
def test_its_bytes_of_thresholds_and_known_answers_are_those_of_the_object(tmp_path: Path, kind: str) -> None:
    need("gcc", "nm")
    model = {
        "gru": random_model, "refusing": refusing_model, "margins": lambda: refusing_model(distance=False),
    }[kind]()  # fmt: skip
    installed("cmake", "cow", model, tmp_path)
    readme = (tmp_path / "cow_model/README.md").read_text()
    stated = {
        "known": sum(map(int, re.findall(r"^\| known answers.* \| (\d+) \|$", readme, re.M))),
        "rule": sum(map(int, re.findall(r"^\| thresholds of unknown.* \| (\d+) \|$", readme, re.M))),
    }
    sources = [tmp_path / f"cow_model/src/cow_{name}.c" for name in ("model", "known_answer")]
    call(["gcc", "-std=c99", "-O0", "-c", *sources], tmp_path)
    listing = call(["nm", "-S", "cow_model.o", "cow_known_answer.o"], tmp_path)
    sizes = {name: int(size, 16) for size, name in re.findall(r"^\S+ (\S+) \w (\w+)$", listing, re.M)}
    rule = ("cow_model_margins", "cow_model_limits", "cow_model_whitening", "cow_model_means")
    assert stated == {
        "known": sum(size for name, size in sizes.items() if name.startswith("cow_known_")),
        "rule": sum(sizes.get(name, 0) for name in rule),
    }
    assert (stated["rule"] > 0) == model.may_refuse


def test_it_says_what_unknown_means_and_that_it_has_no_name(tmp_path: Path) -> None:
    for model, said in (
        (refusing_model(), "or the window was unlike those of its class"),
        (refusing_model(distance=False), "two behaviours were too close to call."),
    ):
        installed("cmake", "cow", model, tmp_path)
        readme = (tmp_path / "cow_model/README.md").read_text()
        assert "`COW_MODEL_UNKNOWN` (4) is no class and has no name" in readme and said in readme
