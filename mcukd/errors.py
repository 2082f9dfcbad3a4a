"""`UserError`, the one error that a user is meant to see."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right.

    The message is one sentence that names the file, line or field, what was found, what was
    expected and what to do. The CLI prints it and exits with code 2; libraries let it pass.
    """
