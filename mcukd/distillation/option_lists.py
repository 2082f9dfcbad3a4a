"""Options of the distill stage that are lists in one text: seeds, and perturbations to train against."""

from __future__ import annotations

from mcukd.errors import UserError
from mcukd.text import did_you_mean

#: What `--augment` can train against, in the order in which it is recorded.
AUGMENTS = ("rotation", "flip", "scale", "rate", "noise", "drop", "clip")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read `--seeds`: one number N means the seeds 0 … N−1, a list with commas means exactly those.

    "3" → (0, 1, 2); "7," → (7,); "3,5" → (3, 5). Raises UserError for anything else.
    """
    try:
        if "," in text:
            return tuple(int(part) for part in text.split(",") if part.strip())
        count = int(text)
    except ValueError:
        raise UserError(f"--seeds is '{text}', expected a number of seeds or a list such as 0,1,2.") from None
    if not 1 <= count <= 1000:
        raise UserError(f"--seeds is {count}, expected 1 to 1000 seeds, or a list such as 5,6.")
    return tuple(range(count))


def augments(text: str) -> str:
    """Return the names in `--augment` once each, in the order of `AUGMENTS`, so that equal sets are equal."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    if names == {"all"}:
        return ",".join(AUGMENTS)
    for name in sorted(names - {*AUGMENTS} - ({"none"} if len(names) == 1 else set())):
        raise UserError(
            f"--augment names '{name}'{did_you_mean(name, AUGMENTS)}, expected one or more of "
            f'{",".join(AUGMENTS)}, or alone "all" or "none".'
        )
    return ",".join(name for name in AUGMENTS if name in names)
