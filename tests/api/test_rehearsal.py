"""Nobody waits for a compiler: what a sitting needs is there before the first candidate comes."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from numba.core.dispatcher import Dispatcher
from api.catalogue import demonstration
from api.catalogue.document import to_bytes
from api.catalogue.live import live, rehearse
from cat_engine import session as engine

def compiled():
    return {
        f"{module.__name__}.{name}": len(kernel.signatures)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("cat_engine")
        for name, kernel in vars(module).items()
        if isinstance(kernel, Dispatcher)
    }

test = live("id", demonstration.CODE, 1, to_bytes(demonstration.document()[0]))
rehearse(test)
ready = compiled()
assert sum(ready.values()) > 10, "nothing was looked at"
state = engine.start(test.adaptive, seed=bytes(range(16)))
for place in range(12):
    step = engine.next_item(test.adaptive, state)
    state = engine.served(test.adaptive, state, step.item, step.assembled)
    state = engine.answered(test.adaptive, state, step.item, place % 2)
engine.conclude(test.adaptive, state, "abandoned")
late = [name for name, signatures in compiled().items() if signatures != ready.get(name)]
assert not late, f"compiled when a candidate answers: {late}"
"""


def test_a_rehearsed_test_compiles_nothing_when_a_candidate_answers() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
