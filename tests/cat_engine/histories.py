"""Golden histories of the score of record, scored in a process of its own.

``python -m tests.cat_engine.histories [--count N] [--only MODEL] [--flush] [--libm] [--no-floor] [--loose]
[--twin]`` prints digests of every byte that the record is made of, and evidence that the settings of the
process are in force.

The bank and the histories come from SHAKE-256 alone, so that they are the same for ever.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import struct
from collections.abc import Iterator
from typing import Any

GRID = (-6.0, 6.0, 61)
CUTS = (-0.55, 0.4, 1.25)
BANK = 120


class Stream:
    """Whole numbers from SHAKE-256."""

    def __init__(self, name: str, size: int) -> None:
        self._bytes = hashlib.shake_256(name.encode()).digest(2 * size)
        self._at = 0

    def below(self, n: int) -> int:
        """A number in 0 .. n - 1 (nearly uniform: 16 bits)."""
        value = int.from_bytes(self._bytes[self._at : self._at + 2], "big")
        self._at += 2
        return value * n >> 16

    def hundredths(self, low: int, high: int) -> float:
        return (low + self.below(high - low + 1)) / 100.0


def bank(only: str | None = None) -> list[dict[str, Any]]:
    """A bank of every model, or its items of one, parameters of two decimals."""
    draw = Stream("acquis golden bank 1", 20 * BANK)
    rows = []
    codes = ("rasch", "2pl", "3pl", "4pl", "grm", "gpcm", "pcm", "nrm")
    for i in range(BANK):
        code = codes[i % len(codes)]
        steep = (1000, 6000) if i % 10 == 3 else (40, 250)  # posteriors that reach below every exponent
        a = 1.0 if code in ("rasch", "pcm") else draw.hundredths(*steep)
        row: dict[str, Any] = {"id": f"g{i:03d}", "model": code, "a": a}
        if code in ("rasch", "2pl", "3pl", "4pl"):
            row["b"] = draw.hundredths(-300, 300)
        if code in ("3pl", "4pl"):
            row["c"] = draw.hundredths(0, 35)
        if code == "4pl":
            row["d"] = draw.hundredths(85, 100)
        if code in ("grm", "gpcm", "pcm"):
            steps = [draw.hundredths(-250, 250) for _ in range(1 + draw.below(4))]
            row["b"] = [x + 0.25 * k for k, x in enumerate(sorted(steps))]
        if code == "nrm":
            del row["a"]
            size = 2 + draw.below(4)
            row["alpha"] = [draw.hundredths(-200, 200) for _ in range(size)]
            row["delta"] = [draw.hundredths(-200, 200) for _ in range(size)]
        rows.append(row)
    return [row for row in rows if only in (None, row["model"])]


def categories(row: dict[str, Any]) -> int:
    """Number of categories of a row."""
    if "alpha" in row:
        return len(row["alpha"])
    return len(row["b"]) + 1 if isinstance(row["b"], list) else 2


def histories(count: int, only: str | None = None) -> Iterator[tuple[list[int], list[int]]]:
    """Items in the order they were served, and answers; 0 to 30 of them, all patterns possible."""
    sizes = [categories(row) for row in bank(only)]
    for h in range(count):
        draw = Stream(f"acquis golden history {h}", 64)
        left = list(range(len(sizes)))
        length = min(draw.below(31), len(left))
        items = [left.pop(draw.below(len(left))) for _ in range(length)]
        lean = draw.below(3)  # at random, mostly lowest, mostly highest
        answers = []
        for i in items:
            k = draw.below(sizes[i])
            answers.append(k if lean == 0 else (0 if k else 1) if lean == 1 else sizes[i] - 1 - (k == 0))
        yield items, answers


class Digest:
    """SHA-256 of what the record consists of, part by part."""

    def __init__(self) -> None:
        self._parts = {name: hashlib.sha256() for name in ("theta", "se", "posterior", "levels", "integers")}

    def add(self, theta: float, se: float, posterior: Any, levels: Any, integers: tuple[int, int]) -> None:
        self._parts["theta"].update(struct.pack("<d", theta))
        self._parts["se"].update(struct.pack("<d", se))
        self._parts["posterior"].update(struct.pack(f"<{len(posterior)}d", *posterior))
        self._parts["levels"].update(struct.pack(f"<{len(levels)}d", *levels))
        self._parts["integers"].update(struct.pack("<2q", *integers))

    def said(self) -> dict[str, str]:
        return {name: part.hexdigest() for name, part in self._parts.items()}


def flush_denormals() -> None:
    """Set flush-to-zero and denormals-are-zero in the processor's control word, through glibc's fenv."""
    import ctypes

    libm = ctypes.CDLL("libm.so.6")
    environment = ctypes.create_string_buffer(32)
    assert libm.fegetenv(environment) == 0
    (word,) = struct.unpack_from("<I", environment, 28)
    struct.pack_into("<I", environment, 28, word | 0x8040)
    assert libm.fesetenv(environment) == 0


def with_the_machines_exp() -> None:
    """The control: put the platform's exp in place of ours."""
    import cat_engine.arithmetic as arithmetic

    def exp(x: float) -> float:
        return math.exp(min(x, 709.0)) if x >= arithmetic.EXP_FLOOR else 0.0

    arithmetic.exp = exp


def without_a_floor() -> None:
    """The control of denormals: let exp fall to the smallest normal numbers."""
    import cat_engine.arithmetic as arithmetic

    arithmetic.EXP_FLOOR = -708.3


def compile_loosely() -> None:
    """Let a kernel that may reorder and contract be the first to compile what the record stands on."""
    import numpy as np

    from cat_engine.arithmetic import exp
    from cat_engine.compile import jit
    from cat_engine.family import MODELS, logp
    from cat_engine.scoring.posterior import moments, weights
    from cat_engine.warm import smallest_pool

    @jit(fastmath=True, cache=False)
    def loose(items, theta, out):  # type: ignore[no-untyped-def]
        logp(items, 0, theta, out)
        weights(out)
        return moments(out, out)[0] + exp(theta)

    loose(smallest_pool(MODELS["grm"]).blocks[0].table, 0.3, np.empty(3))


def score(count: int, flush: bool, only: str | None) -> dict[str, Any]:
    """Score `count` histories by the record path; batch EAP by threads must agree on the way."""
    import numba
    import numpy as np

    from cat_engine.answers import Answers
    from cat_engine.grid import Grid, tabulate
    from cat_engine.information import information
    from cat_engine.pool import ItemPool
    from cat_engine.record import RECORD_VERSION, score_of_record
    from cat_engine.scoring.posterior import eap

    pool = ItemPool.from_rows(bank(only))
    grid = Grid.normal(0.0, 1.0, *GRID)
    if flush:  # compile before, compute after
        score_of_record(tabulate(pool, grid), grid, [0], [0], CUTS)
        flush_denormals()
        pool = ItemPool.from_rows(bank(only))
        grid = Grid.normal(0.0, 1.0, *GRID)
    tables = tabulate(pool, grid)
    digest = Digest()
    scores, indptr, item, category = [], [0], [], []
    for items, answers in histories(count, only):
        record = score_of_record(tables, grid, items, answers, CUTS)
        digest.add(
            record.theta,
            record.se,
            record.posterior.tolist(),
            record.levels.tolist(),
            (record.theta_micro, record.se_micro),
        )
        scores.append((record.theta, record.se))
        item += items
        category += answers
        indptr.append(len(item))
    if not numba.config.DISABLE_JIT:  # the threads of a batch; interpreted it would be the same code again
        theta, se = eap(
            tables, grid, Answers.from_sparse(np.array(indptr), np.array(item), np.array(category))
        )
        assert np.column_stack([theta, se]).tobytes() == np.array(scores).tobytes()
    exact = hashlib.sha256(tables.info.tobytes())
    for x in range(-300, 301, 75):
        exact.update(information(pool, x / 100.0).tobytes())
    features = np._core._multiarray_umath.__cpu_features__
    return {
        "digests": {**digest.said(), "tables": hashlib.sha256(tables.logp.tobytes()).hexdigest()},
        "information": exact.hexdigest(),
        "evidence": {
            "version": RECORD_VERSION,
            "jit": not numba.config.DISABLE_JIT,
            "cpu": numba.config.CPU_NAME,
            "threads": numba.config.NUMBA_NUM_THREADS,
            "avx512": [
                name for name, on in features.items() if on and ("AVX512" in name or name == "X86_V4")
            ],
            "denormals": float(np.float64(1e-310) * np.float64(0.5)) != 0.0,
        },
    }


def main() -> None:
    """Print digests and evidence."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only")
    parser.add_argument("--flush", action="store_true")
    parser.add_argument("--libm", action="store_true")
    parser.add_argument("--no-floor", action="store_true")
    parser.add_argument("--loose", action="store_true")
    parser.add_argument("--twin", action="store_true")
    args = parser.parse_args()
    if args.twin:
        from tests.cat_engine.record_twin import score_histories

        print(json.dumps({"digests": score_histories(args.count)}))
        return
    if args.libm:
        with_the_machines_exp()
    if args.no_floor:
        without_a_floor()
    if args.loose:
        compile_loosely()
    print(json.dumps(score(args.count, args.flush, args.only)))


if __name__ == "__main__":
    main()
