"""Simulation studies: what a test design will do, before a person sits it.

`study` runs one from Python; ``acquis simulate`` from the command line. Reading order: `plan` (what is
simulated, in fixed chunks), `run` (on threads or on a cluster), `summary` (what the sittings say),
`files`, `report`.
"""

from __future__ import annotations

from calibration.study.files import given_matrix, read_bank, read_design, write_study
from calibration.study.plan import CHUNK, Part, Plan
from calibration.study.run import Study, study
from calibration.study.summary import shadow_tests, summarise

__all__ = [
    "CHUNK",
    "Part",
    "Plan",
    "Study",
    "given_matrix",
    "read_bank",
    "read_design",
    "shadow_tests",
    "study",
    "summarise",
    "write_study",
]
