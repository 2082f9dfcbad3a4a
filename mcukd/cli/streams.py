"""Standard output and error that survive narrow encodings, full disks and readers that have ended."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HANDLER = "mcukd-plain"
_ASCII = "mcukd-ascii"
#: What stands for a character that an encoding lacks; others become a question mark.
_PLAIN = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "...", "·": "*", "•": "*", "×": "x", "÷": "/",
    "±": "+-", "→": "->", "←": "<-", "▸": ">", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "°": " deg",
    "µ": "u", "μ": "u", "²": "2", "³": "3", "½": "1/2", "‘": "'", "’": "'", "“": '"', "”": '"', "«": '"',
    "»": '"', "√": "sqrt", "σ": "sigma", "Δ": "delta", "∞": "inf", "│": "|", "─": "-", "\u00a0": " ",
    "\u202f": " ", "\u2009": " ",
}  # fmt: skip


class _Output(io.TextIOWrapper):
    """Stream whose errors name it, so that a full disk behind it is distinguished from one with files."""

    def __init__(self, stream: io.TextIOWrapper, name: str) -> None:
        # Typer considers ASCII a wrong encoding and would write UTF-8 past this stream.
        ascii_only = codecs.lookup(stream.encoding).name == "ascii"
        encoding, buffering = _ASCII if ascii_only else stream.encoding, stream.line_buffering
        super().__init__(stream.buffer, encoding, _HANDLER, line_buffering=buffering)
        # Keeps the earlier stream alive: when it is deleted it closes the buffer both write to.
        self._mcukd = name, stream

    def write(self, text: str) -> int:
        with self._named():
            return super().write(text)

    def flush(self) -> None:
        with self._named():
            super().flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._mcukd[0]) from None


def make_writable() -> None:
    """Make standard output and error replace characters that their encoding lacks.

    So a table with a minus sign U+2212 is no error on a terminal of cp437, and a file name that is not
    text in this encoding is shown byte for byte.
    """
    codecs.register_error(_HANDLER, _replace)
    codecs.register(_find)
    # None where a program without a console starts us; another class where a test catches output.
    if type(sys.stdout) is io.TextIOWrapper:
        sys.stdout = _Output(sys.stdout, "standard output")
    if type(sys.stderr) is io.TextIOWrapper:
        sys.stderr = _Output(_apart(sys.stderr), "standard error")


def _apart(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return the stream on a descriptor of its own; output of native code to a shared one may be dropped."""
    try:
        below = os.fdopen(os.dup(stream.fileno()), "wb")
    except (OSError, ValueError):
        return stream
    return io.TextIOWrapper(below, stream.encoding, line_buffering=stream.line_buffering)


def output_error() -> OSError | None:
    """Return the error of writing to standard output, or None where that works."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError as error:
        return error
    return None


def redirect_broken() -> None:
    """Redirect broken standard output and error, so that the interpreter does not flush them at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
            continue
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    if all("\udc80" <= letter <= "\udcff" for letter in text):
        # Bytes of a file name, which Python keeps as lone surrogates.
        return text.encode("ascii", "surrogateescape"), error.end
    return "".join(_PLAIN.get(letter, "?") for letter in text), error.end


def _find(name: str) -> codecs.CodecInfo | None:
    """Return ASCII under a name of its own."""
    if name.replace("_", "-") != _ASCII:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        plain.encode,
        plain.decode,
        plain.streamreader,
        plain.streamwriter,
        plain.incrementalencoder,
        plain.incrementaldecoder,
        name=_ASCII,
    )
