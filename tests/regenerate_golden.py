"""Script that rewrites the golden files (`make golden`)."""

import tempfile
from pathlib import Path

from builders.places import GOLDEN
from builders.students import KINDS, headed_model, random_model

from mcukd.codegen.firmware import generate_model

generate_model(random_model(0, hidden=4, dense=4, steps=8), GOLDEN)
for kind in KINDS:
    # Only what a kind of head changes.
    (GOLDEN / kind).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for file in generate_model(headed_model(kind, hidden=4, steps=8), Path(scratch) / "model"):
            if file.stem == "mcukd_model":
                (GOLDEN / kind / file.name).write_bytes(file.read_bytes())
