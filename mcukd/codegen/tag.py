"""Parameters of what follows the classifier, as `tag_config.h` has them, from a board and a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcukd.errors import UserError
from mcukd.fixedpoint.model import IntegerModel
from mcukd.tag.operation import TagConfig
from mcukd.tag.provision import PAGES
from mcukd.tag.records import PAYLOAD_MAX

if TYPE_CHECKING:
    from mcukd.boards.model import Board

#: A period's record holds three words, a counter of each class and one of unknown results.
CLASSES_MAX = PAYLOAD_MAX - 4


@dataclass(frozen=True)
class TagSetup(TagConfig):
    """`TagConfig` of a firmware. log_origin: address of the log's first page. board: its name.

    provision_pages: behind the log's. console_s: as in the board's [tag].
    """

    log_origin: int = 0
    provision_pages: int = PAGES
    board: str = ""
    console_s: int = 0


def tag_setup(board: Board, model: IntegerModel) -> TagSetup | None:
    """Return what `tag_config.h` of a board's firmware holds; None where the board has no [tag].

    The margin is in the format of the model's logits, rounded up; it is at most 65,535, the largest
    difference. Raises UserError for a model with too many classes or too long a hop.
    """
    region = board.log_region
    if board.tag is None or region is None:
        return None
    classes = len(model.classes)
    if classes > CLASSES_MAX:
        raise UserError(
            f"board {board.name}: [tag] counts at most {CLASSES_MAX} classes, but the model has {classes}; "
            "train it with fewer, or remove [tag]."
        )
    result_us = round(model.hop / model.rate_hz * 1e6)
    if result_us >= 1 << 32:
        raise UserError(
            f"board {board.name}: [tag] takes at most 4294 s from one result to the next, but a hop of "
            f"{model.hop} samples at {model.rate_hz:g} Hz is {result_us / 1e6:.0f} s; train with a shorter "
            "hop."
        )
    margin = math.ceil(math.ldexp(board.tag.unknown_margin, model.formats["output"].fractional_length))
    return TagSetup(
        classes=classes,
        log_pages=board.tag.log_pages,
        smoothing=board.tag.smoothing,
        unknown_margin=min(margin, 65535),
        result_us=result_us,
        period_s=board.tag.period_s,
        bout_results=board.tag.bout_results,
        page_words=region.length // board.tag.log_pages // 4,
        log_origin=region.origin,
        board=board.name,
        console_s=board.tag.console_s,
    )
