"""The command line: declarations only; every command calls a plain function of another room and prints."""

from __future__ import annotations

import os
import sys

# TensorFlow reads these once, when it is first imported, and is talkative without them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def main() -> None:
    """Run the command line; a UserError becomes one sentence on standard error and exit code 2."""
    from mcukd.cli.app import app
    from mcukd.errors import UserError

    try:
        app()
    except UserError as error:
        print(f"mcukd: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mcukd: stopped; what was finished is kept.", file=sys.stderr)
        sys.exit(130)
