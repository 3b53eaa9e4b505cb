"""Compile the numerical kernels ahead of use, so that the first request or fit is as fast as the next."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import time

__all__ = ["PARTS"]

PARTS = (
    "cat_engine.warm",
    "calibration.warm",
)
"""Modules with a function ``warm()``, which uses its kernels once and yields the name of each part done."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add no argument: there is nothing to choose."""


def run(args: argparse.Namespace) -> None:
    """Call every part's ``warm``, saying what is done when somebody watches."""
    watched = sys.stderr.isatty()
    start = time.perf_counter()
    for name in PARTS:
        if importlib.util.find_spec(name) is None:
            continue
        for part in importlib.import_module(name).warm():
            if watched:
                print(f"compiled {part}", file=sys.stderr)
    print(f"kernels ready ({time.perf_counter() - start:.1f} s)")
