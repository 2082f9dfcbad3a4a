"""Access: who may see and write a session over the page: a code for one browser of one observer, used once.

A browser that shows the code gets a secret, kept as a cookie. The session's folder keeps the SHA-256 of that
secret alone, so that the browser goes on after the program was started again. Codes of eight digits can be
tried `TRIES` times in `PENALTY_S`, and are replaced after `REPLACED_AFTER` wrong tries.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import monotonic

from mcukd.errors import UserError
from mcukd.files import write_json

BROWSERS = "browsers.json"
DIGITS = 8
TRIES, PENALTY_S = 5, 60.0
REPLACED_AFTER = 20
#: Browsers that one observer may have at a time; the oldest one loses its access.
BROWSERS_MAX = 8


class TooManyTries(Exception):
    """Codes were tried too often; `wait_s` says how long to wait."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many tries; wait {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Code:
    """A code that lets one browser in for an observer."""

    observer: str
    digits: str

    @property
    def spaced(self) -> str:
        """The digits in two halves, for people."""
        return f"{self.digits[: DIGITS // 2]} {self.digits[DIGITS // 2 :]}"


class Access:
    """Codes and browsers of a session's observers.

    folder: of the session. observers: their names, fixed here; no browser can name another. new_code: called
    with each code that takes the place of a used or tried one, from any thread.
    """

    def __init__(
        self,
        folder: Path,
        observers: Sequence[str],
        new_code: Callable[[Code], None] = lambda code: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._path = folder / BROWSERS
        self._new_code, self._clock = new_code, clock
        self._lock = Lock()
        self._codes = {name: _drawn(name) for name in observers}
        self._browsers = _read(self._path)
        self._wrong: list[float] = []
        self._wrong_of_codes = 0

    @property
    def codes(self) -> list[Code]:
        """The codes that let a browser in now, one for each observer."""
        with self._lock:
            return list(self._codes.values())

    def enter(self, digits: str) -> tuple[str, str] | None:
        """Use a code up; return its observer and the browser's secret, None for a wrong code.

        Raises TooManyTries, and UserError or OSError where the browser cannot be remembered.
        """
        with self._lock:
            now = self._clock()
            self._wrong = [at for at in self._wrong if now - at < PENALTY_S]
            if len(self._wrong) >= TRIES:
                raise TooManyTries(PENALTY_S - (now - self._wrong[0]))
            tried = digits.replace(" ", "").encode("utf-8", "replace")
            found = None
            for code in self._codes.values():  # all of them, so that the time taken tells nothing
                if hmac.compare_digest(code.digits.encode(), tried):
                    found = code
            fresh = self._failed(now) if found is None else [found.observer]
            secret = secrets.token_urlsafe(32)
            if found is not None:
                browsers = [*self._browsers.get(found.observer, []), _digest(secret)][-BROWSERS_MAX:]
                kept = {**self._browsers, found.observer: browsers}
                write_json(self._path, kept)
                self._browsers = kept
            for name in fresh:
                self._codes[name] = _drawn(name)
            shown = [self._codes[name] for name in fresh]
        for code in shown:
            self._new_code(code)
        return None if found is None else (found.observer, secret)

    def observer_of(self, secret: str | None) -> str | None:
        """Return whose browser has a secret, None where it is nobody's of this session."""
        if not secret:
            return None
        tried = _digest(secret)
        found = None
        with self._lock:
            for name in self._codes:
                for kept in self._browsers.get(name, []):
                    if hmac.compare_digest(kept, tried):
                        found = name
        return found

    def _failed(self, now: float) -> list[str]:
        """Count a wrong try; return whose codes are to be replaced."""
        self._wrong.append(now)
        self._wrong_of_codes += 1
        if self._wrong_of_codes < REPLACED_AFTER:
            return []
        self._wrong_of_codes = 0
        return list(self._codes)


def _drawn(observer: str) -> Code:
    return Code(observer, f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}")


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict[str, list[str]]:
    """Return the SHA-256 of each observer's browsers' secrets. Raises UserError where the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not all(
            isinstance(each, list) and all(isinstance(one, str) and one.isascii() for one in each)
            for each in content.values()
        ):
            raise ValueError("no table of browsers")
        return content
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: {error}; remove the file, and each browser enters its code again."
        ) from None
