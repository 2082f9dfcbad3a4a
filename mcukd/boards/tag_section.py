"""Section [tag] of a board file: what follows the classifier, and the pages of flash that keep its log."""

from __future__ import annotations

from pydantic import Field

from mcukd.boards.section import Section


class TagSection(Section):
    """Parameters of docs/tag.md.

    log_pages: pages of flash in the ring of the log. smoothing: results in a majority; 1 takes each as it is.
    unknown_margin: between the two largest logits, as the model's logits are before they become integers; a
    result of less is unknown; 0: none is. period_s: seconds of the counters' period. bout_results: results of
    the shortest bout that is logged; 0: no bout is. console_s: seconds for which the serial console of a tag
    that samples by itself is on after a start and after each message of a host; 0: always.
    payload: schema of docs/payload.md, a bundled one's name or a TOML file beside the board file; without it
    nothing is packed.
    """

    log_pages: int = Field(ge=2, le=1024)
    smoothing: int = Field(default=1, ge=1, le=63)
    unknown_margin: float = Field(default=0.0, ge=0, le=65535)
    period_s: int = Field(default=3600, ge=1, le=31_622_400)
    bout_results: int = Field(default=1, ge=0, le=65535)
    console_s: int = Field(default=60, ge=0, le=43_200)
    payload: str | None = Field(default=None, min_length=1)
