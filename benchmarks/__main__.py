"""Run benchmarks: ``python -m benchmarks`` runs all, ``python -m benchmarks scoring`` one.

Every module of this package that has a function ``run(report)`` is one; load and the studies of recovery and
error rates are commands of their own (`make help`).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
from pathlib import Path

import benchmarks
from benchmarks.harness import Report


def available() -> list[str]:
    """Names of the benchmarks."""
    modules = (importlib.import_module(f"benchmarks.{name}") for name in _modules())
    return [module.__name__.removeprefix("benchmarks.") for module in modules if hasattr(module, "run")]


def _modules() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name != "__main__")


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = available()
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"among {', '.join(names)}")
    parser.add_argument("--json", metavar="FILE", help="write the figures (seconds) too")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="exposure: only the rules whose names contain this"
    )
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in names]
    if unknown:
        print(f"there is no benchmark '{unknown[0]}'; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"Python {platform.python_version()}, {platform.machine()}, {cores} processors; medians of repeats")
    report = Report(args.only)
    for name in args.names or names:
        importlib.import_module(f"benchmarks.{name}").run(report)
    if args.json:
        Path(args.json).write_text(json.dumps(report.figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
