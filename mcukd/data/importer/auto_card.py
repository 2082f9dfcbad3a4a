"""A temporary card for data that has none yet; cards themselves are read as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcukd.data.card import CARDS, Card, load_card
from mcukd.data.importer.options import Dialog, Options
from mcukd.data.importer.run import import_data


@contextmanager
def card_of(name_or_path: str, data_root: Path | None) -> Iterator[Card]:
    """Yield the card of a name or .toml; of a file or folder of data, a card that lasts as long as the block.

    Raises UserError as `load_card` and `import_data` do.
    """
    path = Path(name_or_path)
    bundled = name_or_path in {one.stem for one in CARDS.bundled()}
    if bundled or name_or_path.endswith(".toml") or not path.exists():
        yield load_card(name_or_path)
        return
    own = path / "card.toml"
    if own.is_file():
        yield load_card(str(own))
        return
    with tempfile.TemporaryDirectory(prefix="mcukd-check-") as folder:
        dialog = Dialog(yes=True)
        made = import_data(path, Options(out=Path(folder) / "data", yes=True), dialog)
        yield load_card(str(made.cards[0]))
