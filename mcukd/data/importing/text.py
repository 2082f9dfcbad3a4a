"""Tables of text: which encoding, delimiter and decimal mark they use, read block by block."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from mcukd.errors import UserError
from mcukd.wording import listed

HEAD_BYTES = 1 << 18
HEAD_ROWS = 400
#: Values that stand for "nothing was measured".
MISSING = ("", "NA", "N/A", "na", "NaN", "nan", "NAN", "NULL", "null", "None", "#N/A", "-")
_DELIMITERS = (",", ";", "\t", "|")
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class TextForm:
    """How a table is written. above: lines before the header. rows: the first ones, as text."""

    encoding: str
    gzip: bool
    delimiter: str
    decimal: str
    header: tuple[str, ...]
    above: int
    newline: bytes
    rows: tuple[tuple[str, ...], ...]

    @property
    def is_plain(self) -> bool:
        """Whether the readers of a card can read such a file as it is."""
        return (
            self.encoding in ("utf-8", "utf-8-sig")
            and not self.gzip
            and self.decimal == "."
            and self.above == 0
            and self.newline == b"\n"
        )

    @property
    def description(self) -> str:
        """Tell the form in a few words."""
        delimiter = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[self.delimiter]
        words = [f"{self.encoding} text with {delimiter}"]
        words += ["decimal commas"] if self.decimal == "," else []
        words += ["gzip inside"] if self.gzip else []
        words += [f"{self.above} lines above the header"] if self.above else []
        return ", ".join(words)

    def column(self, name: str) -> list[str]:
        """Return the first values of a column, stripped."""
        place = self.header.index(name)
        return [row[place].strip() for row in self.rows]


@dataclass(frozen=True)
class Block:
    """Whole lines of a file as UTF-8. start, stop: offsets in the decoded stream; line: of the first row."""

    content: bytes
    start: int
    stop: int
    line: int


def sniff(path: Path) -> TextForm:
    """Find out how a table is written.

    Raises UserError for an empty file, one without rows or a header, one that is no text, and one whose rows
    do not agree on a delimiter.
    """
    head, compressed, encoding = _head(path)
    text = _decode(path, head, encoding)
    if not text.strip():
        raise UserError(f"{path} is empty; remove it, or export it again with a header line and samples")
    lines = re.split(r"\r\n|\n|\r", text)
    # The last line of what was read may be cut short.
    lines = lines[:-1] if len(head) >= HEAD_BYTES or not lines[-1].strip() else lines
    delimiter, width = _delimiter(path, lines)
    above = next(number for number, line in enumerate(lines) if _width(line, delimiter) == width)
    table = list(csv.reader(lines[above : above + HEAD_ROWS + 1], delimiter=delimiter))
    header = tuple(name.strip() for name in table[0])
    _check_header(path, header)
    rows = tuple(tuple(row) for row in table[1:] if len(row) == width)
    if not rows:
        raise UserError(f"{path} has a header but no samples; remove it, or export it again")
    cells = [cell.strip() for row in rows for cell in row]
    decimal = "," if delimiter != "," and any(_COMMA_NUMBER.fullmatch(cell) for cell in cells) else "."
    newline = b"\n" if "\n" in text else b"\r"
    return TextForm(encoding, compressed, delimiter, decimal, header, above, newline, rows)


def is_number(text: str, decimal: str = ".") -> bool:
    """Tell whether a cell is a number (nothing about missing ones)."""
    text = text.strip()
    if decimal != ".":
        text = "" if "." in text else text.replace(decimal, ".")
    return bool(_NUMBER.fullmatch(text))


def read_blocks(
    path: Path, form: TextForm, start: int = 0, line: int = 0, size: int = 1 << 24
) -> Iterator[Block]:
    """Yield the rows of a table in blocks of about `size` bytes that end where a line ends.

    start, line: `stop` of the last block that was dealt with and the number of the line after it, to go on
    from there. Raises UserError where the file cannot be read or decoded.
    """
    try:
        with _decoded(path, form) as stream:
            if start:
                _skip(stream, start)
                line_number, offset = line, start
            else:
                above = b"".join(_read_line(stream, form.newline) for _ in range(form.above + 1))
                line_number, offset = form.above + 2, len(above)
            held = b""
            while chunk := stream.read(size):
                held += chunk
                cut = held.rfind(form.newline) + 1
                if cut:
                    yield Block(_unix(held[:cut]), offset, offset + cut, line_number)
                    line_number += held.count(form.newline, 0, cut)
                    offset += cut
                    held = held[cut:]
            if held.strip():
                yield Block(_unix(held) + b"\n", offset, offset + len(held), line_number)
    except (OSError, EOFError, UnicodeError) as error:
        raise UserError(f"{path} cannot be read to its end ({error}); copy or export it again") from None


def parse(
    path: Path, form: TextForm, block: Block, numbers: Sequence[str], texts: Sequence[str]
) -> dict[str, Any]:
    """Return column → (n,) float64, NaN where missing, for `numbers`, and object array of str for `texts`.

    Raises UserError that names file and line for a row of another length and for text among numbers.
    """
    from pyarrow import ArrowException, BufferReader, float64, string
    from pyarrow import csv as arrow_csv

    types = {**dict.fromkeys(texts, string()), **dict.fromkeys(numbers, float64())}
    try:
        table = arrow_csv.read_csv(
            BufferReader(block.content),
            read_options=arrow_csv.ReadOptions(column_names=list(form.header), use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=form.delimiter),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                null_values=list(MISSING),
                strings_can_be_null=False,
                decimal_point=form.decimal,
            ),
        )
    except (ArrowException, UnicodeDecodeError) as error:
        raise _explain(path, form, block, numbers, str(error)) from None
    return {name: table.column(name).to_numpy() for name in types}


def _head(path: Path) -> tuple[bytes, bool, str]:
    """Return the first bytes, whether they were compressed, and the encoding they seem to have."""
    try:
        with path.open("rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as stream:  # type: IO[bytes]
            head = stream.read(HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}); check its permissions, or copy it again") from None
    if head.startswith(codecs.BOM_UTF8):
        return head, compressed, "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head, compressed, "utf-16"
    if b"\0" in head[:4096]:
        zeros = Counter(place % 2 for place, byte in enumerate(head[:4096]) if byte == 0)
        if min(zeros[0], zeros[1]) == 0:
            return head, compressed, "utf-16-be" if zeros[0] else "utf-16-le"
        raise _no_text(path)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head, compressed, "cp1252"
    return head, compressed, "utf-8"


def _decode(path: Path, head: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-16"):
            raise _no_text(path) from None
        raise UserError(f"{path} is neither UTF-8 nor Windows text ({error}); save it as UTF-8") from None


def _no_text(path: Path) -> UserError:
    return UserError(
        f"{path} is not text; expected CSV, TSV, Parquet, CWA or GT3X: export it as one of those"
    )


def _width(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _delimiter(path: Path, lines: Sequence[str]) -> tuple[str, int]:
    """Choose the delimiter on which most lines agree, the header's line among them."""
    filled = [line for line in lines if line.strip()][:HEAD_ROWS]
    best: Optional[tuple[float, int, str]] = None
    for delimiter in _DELIMITERS:
        widths = Counter(_width(line, delimiter) for line in filled)
        width, agreeing = max(widths.items(), key=lambda item: (item[1], item[0]))
        if width < 2:
            continue
        # Decimal commas split rows alike but not the header, which then has another width.
        first = next(line for line in filled if _width(line, delimiter) == width)
        if len(filled) > 1 and _all_numbers(first, delimiter) and first != filled[0]:
            continue
        score = (agreeing / len(filled), width, delimiter)
        if best is None or score[:2] > best[:2]:
            best = score
    if best is None or (best[0] < 0.5 and len(filled) > 2):
        raise UserError(
            f"{path} is no table that can be read: no delimiter among commas, semicolons, tabs and bars "
            "gives its "
            f"lines the same number of columns; export it as CSV with one header line"
        )
    return best[2], best[1]


def _all_numbers(line: str, delimiter: str) -> bool:
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return all(is_number(cell) for cell in cells)


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    if all(is_number(name) or is_number(name, ",") for name in header if name):
        raise UserError(
            f"{path} has no header line: its first line is {', '.join(header[:6])}; "
            f"add a line with the columns' names above it"
        )
    twice = [name for name, times in Counter(header).items() if times > 1 and name]
    if twice:
        raise UserError(
            f"{path} has {header.count(twice[0])} columns named {twice[0]!r} (columns: {listed(header)}); "
            f"rename all but one"
        )


@contextmanager
def _decoded(path: Path, form: TextForm) -> Iterator[Any]:
    with gzip.open(path) if form.gzip else path.open("rb") as opened:
        raw: Any = opened
        yield raw if form.encoding in ("utf-8", "utf-8-sig") else _Utf8(raw, form.encoding)


class _Utf8:
    """A stream of bytes that turns another encoding into UTF-8."""

    def __init__(self, raw: IO[bytes], encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._held = b""

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            chunk = self._raw.read(1 << 16)
            self._held += self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        result, self._held = self._held[:size], self._held[size:]
        return result

    def readline(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return line


def _skip(stream: Any, offset: int) -> None:
    if isinstance(stream, io.BufferedReader):
        stream.seek(offset)
        return
    while offset > 0:
        chunk = stream.read(min(offset, 1 << 20))
        if not chunk:
            return
        offset -= len(chunk)


def _read_line(stream: Any, newline: bytes) -> bytes:
    if newline == b"\n":
        line: bytes = stream.readline()
        return line
    line = b""
    while not line.endswith(newline):
        byte = stream.read(1)
        if not byte:
            break
        line += byte
    return line


def _unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def _explain(path: Path, form: TextForm, block: Block, numbers: Sequence[str], otherwise: str) -> UserError:
    """Find the first bad line the slow way."""
    try:
        lines = block.content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        return UserError(
            f"{path}, near line {block.line}: not {form.encoding} text ({error.reason}); save as UTF-8"
        )
    places = [form.header.index(name) for name in numbers]
    for number, row in enumerate(csv.reader(lines, delimiter=form.delimiter), start=block.line):
        if row and len(row) != len(form.header):
            return UserError(
                f"{path}, line {number}: the row has {len(row)} fields where the header has "
                f"{len(form.header)}; "
                f"complete or remove it"
            )
        for place in places if row else ():
            cell = row[place].strip()
            if (
                cell not in MISSING
                and cell.lower().lstrip("+-") not in ("inf", "infinity")
                and not is_number(cell, form.decimal)
            ):
                mark = " with a decimal comma" if form.decimal == "," else ""
                return UserError(
                    f"{path}, line {number}: column {form.header[place]} is {row[place]!r} where a "
                    f"number{mark} "
                    f"is expected; correct it, or leave it empty"
                )
    return UserError(f"{path} cannot be read near line {block.line}: {otherwise}")
