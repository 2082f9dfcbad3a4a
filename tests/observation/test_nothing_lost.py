"""A process that is killed while it presses keys loses none that it was told is taken."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "nothing_lost.py"


def test_kill_9_loses_no_key_and_the_session_goes_on_as_if_nothing_was():
    found = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "2", "--keys", "400", "--seed", "7", "--no-full-disk"],
        capture_output=True,
        text=True,
        check=True,
    )
    killed = json.loads(found.stdout)["killed"]
    assert killed["kills"] == 2 and killed["keys_lost"] == 0
    assert killed["keys_taken"] > 380  # an undo where there is nothing to undo is not taken
    assert killed["equals_an_unbroken_session"]
