"""A command starts quickly and leaves nothing hidden behind it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, sys
from api import command
assert "numba" not in sys.modules and "numpy" not in sys.modules, "the overview needs neither"
before = gc.get_threshold()
command._hurry("serve")
assert gc.get_threshold() == before, "a server keeps looking for garbage"
command._hurry("calibrate")
assert "numba" in sys.modules and gc.get_threshold() != before
hidden = [name for name in ("cffi", "coverage", "yaml") if name in sys.modules]
assert not hidden, f"numba needed {hidden} to start"
from numba.core.typing import cffi_utils
assert not cffi_utils.SUPPORTED
import cffi  # found again by whoever asks for it
"""


def test_a_calibration_starts_without_what_its_kernels_do_not_need() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
