"""The score of record: what it promises, byte for byte."""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.record import RECORD_VERSION, score_of_record
from tests.laws.examples import pool_of, random_bank

ROOT = Path(__file__).resolve().parents[2]
GLIBC = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F"
LONG = bool(os.environ.get("ACQUIS_LONG"))  # `make bits`
INTERPRETED = 10_000 if LONG else 1_000

GOLDEN: dict[int, dict[str, str]] = {}  # record version 1, numba 0.68.1 and plain Python 3.11 alike
GOLDEN[1_000] = {
    "theta": "613618b23db8e0196e6a4af02cad03b6f085c26ae4789ebdf2f245efd4801cdc",
    "se": "9b044d142424039da81d46ec68ae7208e679697a4860b64e7eba227123210df6",
    "posterior": "b562dab0567e4d0c719e3df980859e01d90dae6185e28b18511a352f95bbbcc1",
    "levels": "4de79bb55ac2698ebf34559d123283248af8023b5d41ec0de07bcb6e44729b9c",
    "integers": "989177619ae69568be50eaa9f38bc7a030d73f5cf2005f409ecc3a4380045210",
    "tables": "274c76ffea36e4792737d87f39c9ebf69db848a7a9e5963291b090fe2917a839",
}
GOLDEN[10_000] = {
    "theta": "0325fb2940f92d2adce0557ee0798442a11d9c9b29c7c6beead8c69a95151a4f",
    "se": "48ec8cd5eb2e8bb146bc3b418f1ae53af7ce3627bdf7fc2d00d8483a901e5568",
    "posterior": "e3c800f1c9035744e65af2c4fa54d15befc2888863c60d1fa5bb90e06c62241e",
    "levels": "ce54b03cc2ae5468719c05053cde4173a62d1ce785f328f792771a3296d46310",
    "integers": "6395045bffcd7f030e54925ada6d57d4a3f7654e2bdeaaaf07637c2676e0968d",
    "tables": "274c76ffea36e4792737d87f39c9ebf69db848a7a9e5963291b090fe2917a839",
}


def alone(module: str, *options: str, **settings: str) -> dict[str, Any]:
    """Run a module in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"tests.cat_engine.{module}", *options],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def histories(*options: str, **settings: str) -> dict[str, Any]:
    """Score the golden histories in a process of its own."""
    return alone("histories", *options, **settings)


def _avx512_dispatched() -> list[str]:
    from numpy._core import _multiarray_umath as core

    return [
        name
        for name in core.__cpu_dispatch__
        if core.__cpu_features__[name] and ("AVX512" in name or name in ("X86_V4",))
    ]


SETTINGS: dict[str, tuple[int, tuple[str, ...], dict[str, str]]] = {
    "a second implementation in plain Python": (INTERPRETED, ("--twin",), {}),
    "compiler off": (INTERPRETED, (), {"NUMBA_DISABLE_JIT": "1"}),
    "compiled for a generic processor": (10_000, (), {"NUMBA_CPU_NAME": "generic"}),
    "compiler on": (10_000, (), {}),
    "one thread": (10_000, (), {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}),
    "two threads": (10_000, (), {"NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}),
    "numpy without AVX-512, glibc without FMA": (
        10_000,
        (),
        {"NPY_DISABLE_CPU_FEATURES": " ".join(_avx512_dispatched()), "GLIBC_TUNABLES": GLIBC},
    ),
    "denormals flushed to zero": (10_000, ("--flush",), {}),
}


@pytest.fixture(scope="module")
def runs() -> dict[str, dict[str, Any]]:
    """Every setting in its own process, two at a time, the slow ones first."""
    with ThreadPoolExecutor(2) as pool:
        futures = {
            name: pool.submit(histories, "--count", str(count), *options, **env)
            for name, (count, options, env) in SETTINGS.items()
        }
        return {name: future.result() for name, future in futures.items()}


@pytest.mark.timeout(1200)  # ten seconds on two idle processors; the machine may have other work
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not sys.platform.startswith("linux"),
    reason="the control word and glibc's switches are those of Linux on x86-64",
)
class TestGoldenHistories:
    @pytest.mark.parametrize("setting", SETTINGS)
    def test_the_same_bytes(self, runs: dict[str, dict[str, Any]], setting: str) -> None:
        assert runs[setting]["digests"] == GOLDEN[SETTINGS[setting][0]]
        assert (
            runs[setting].get("information", runs["compiler on"]["information"])
            == (runs["compiler on"]["information"])
        )

    def test_the_settings_were_in_force(self, runs: dict[str, dict[str, Any]]) -> None:
        said = {name: run["evidence"] for name, run in runs.items() if "evidence" in run}
        assert all(e["version"] == RECORD_VERSION == 1 for e in said.values())
        assert said["compiler on"]["jit"]
        assert not said["compiler off"]["jit"]
        assert said["compiled for a generic processor"]["cpu"] == "generic"
        assert said["one thread"]["threads"] == 1
        assert said["two threads"]["threads"] == 2
        without = said["numpy without AVX-512, glibc without FMA"]
        assert not set(_avx512_dispatched()) & set(without["avx512"])
        assert said["compiler on"]["denormals"]
        assert not said["denormals flushed to zero"]["denormals"]

    def test_a_loose_kernel_that_compiles_first_changes_nothing(self, tmp_path: Path) -> None:
        """Of one model, because nothing is compiled yet in a folder of its own."""
        few = ("--count", "200", "--only", "grm")
        after = histories(*few, "--loose", ACQUIS_CACHE_DIR=str(tmp_path))
        assert after["digests"] == histories(*few)["digests"]

    def test_the_platforms_exp_would_be_noticed(self) -> None:
        """The control: with math.exp in place of ours the bytes are others, here and between machines."""
        ours = histories("--count", "300", NUMBA_DISABLE_JIT="1")["digests"]
        theirs = histories("--libm", "--count", "300", NUMBA_DISABLE_JIT="1")["digests"]
        without_fma = histories("--libm", "--count", "300", NUMBA_DISABLE_JIT="1", GLIBC_TUNABLES=GLIBC)[
            "digests"
        ]
        for part in ("theta", "se", "posterior", "levels", "tables"):
            assert theirs[part] != ours[part], part
        if " fma " in Path("/proc/cpuinfo").read_text():
            assert theirs["tables"] != without_fma["tables"]

    def test_denormals_would_be_noticed(self) -> None:
        """The control: where exp falls to the smallest numbers, flushing them changes the posterior."""
        words = ("--no-floor", "--count", "200")
        kept = histories(*words, NUMBA_DISABLE_JIT="1")["digests"]
        flushed = histories(*words, "--flush", NUMBA_DISABLE_JIT="1")["digests"]
        assert kept["posterior"] != flushed["posterior"]


def record_sources() -> set[Path]:
    """Our files that the record stands on, however far down."""
    from cat_engine.compile import _imports

    todo, seen = [ROOT / "cat_engine" / "record.py"], set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += _imports(file)
    return seen


def loose_words(source: str) -> set[str]:
    """What may not stand on the record path and does: options of kernels, libm, BLAS, pairwise sums."""
    tree = ast.parse(source)
    words = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "start":
            continue  # starting values are a calibration's business, in the models' files
        for part in ast.walk(node):
            if isinstance(part, ast.keyword) and part.arg in ("fastmath", "parallel"):
                words.add(part.arg)
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult | ast.Pow):
                words.add(type(part.op).__name__)
            if isinstance(part, ast.Name) and part.id == "prange":
                words.add("prange")
            if isinstance(part, ast.Attribute) and part.attr in (
                *("exp", "log", "log1p", "expm1", "power", "tanh", "pow"),
                *("dot", "sum", "einsum", "prange", "fma"),
            ):
                words.add(part.attr)
            if (
                isinstance(part, ast.Call)
                and isinstance(part.func, ast.Attribute)
                and part.func.attr == "mean"
            ):
                words.add("mean")  # a prior has a mean too
    return words


def test_nothing_on_the_record_path_is_compiled_fast_and_loose() -> None:
    sources = record_sources() - {ROOT / "cat_engine" / "compile.py"}  # which switches fastmath off
    assert {"arithmetic.py", "grid.py", "posterior.py", "levels.py", "grm.py"} <= {f.name for f in sources}
    for file in sorted(sources):
        assert loose_words(file.read_text(encoding="utf-8")) == set(), file
    for file in (ROOT / "cat_engine").rglob("*.py"):  # what chooses items rounds alike on every processor too
        assert not loose_words(file.read_text(encoding="utf-8")) & {"fastmath", "parallel", "fma"}, file
    assert loose_words("@jit(fastmath=True)\ndef f(x):\n    return np.exp(x) @ x ** 2.5") == {
        *("fastmath", "exp", "MatMult", "Pow"),
    }


def test_levels_are_the_posteriors_mass_between_the_cuts() -> None:
    """Against a grid two hundred times finer; the promise is 1e-3."""
    pool = random_bank(60, 1)
    grid, fine = Grid.normal(), Grid.normal(n=12_001)
    tables, reference = tabulate(pool, grid), tabulate(pool, fine)
    rng = np.random.default_rng(2)
    for size in (0, 1, 5, 20, 60):
        for _ in range(10):
            item = rng.permutation(60)[:size]
            category = rng.integers(0, pool.n_cat[item])
            cuts = np.sort(rng.normal(0.0, 1.5, size=3))
            levels = score_of_record(tables, grid, item, category, cuts).levels
            log_post = fine.log_weights + reference.logp[item, category].sum(axis=0)
            weight = np.exp(log_post - log_post.max())
            below = np.concatenate([[0.0], np.cumsum(0.5 * (weight[1:] + weight[:-1]))])
            at = np.concatenate([[0.0], np.interp(cuts, fine.nodes, below / below[-1]), [1.0]])
            np.testing.assert_allclose(levels, np.diff(at), atol=2e-4)


@pytest.mark.parametrize("sd", [0.1, 0.2, 0.3, 1.0])
def test_a_cut_inside_a_cell_splits_it(sd: float) -> None:
    """A normal posterior against the normal distribution, the cut moving through three cells of 0.2."""
    from scipy.stats import norm

    from cat_engine.scoring.levels import level_masses

    nodes = Grid.normal().nodes
    log_post = -0.5 * ((nodes - 0.137) / sd) ** 2
    for cut in np.linspace(-0.25, 0.35, 61):
        out = np.empty(2)
        level_masses(log_post, nodes, np.array([cut]), out)
        assert out[0] == pytest.approx(norm.cdf(cut, 0.137, sd), abs=1e-5)
        assert out.sum() == pytest.approx(1.0, abs=1e-14)


def test_cuts_outside_the_grid_leave_their_levels_empty() -> None:
    pool = random_bank(3, 1)
    grid = Grid.normal()
    record = score_of_record(tabulate(pool, grid), grid, [0], [1], [-7.0, -6.0, 0.0, 7.0])
    assert record.levels[[0, 1, 4]].tolist() == [0.0, 0.0, 0.0]
    assert record.levels.sum() == pytest.approx(1.0)


def test_nobody_asked_anything_has_the_prior() -> None:
    pool = random_bank(3, 1)
    grid = Grid.normal(0.5, 2.0)
    record = score_of_record(tabulate(pool, grid), grid, [], [], [0.5])
    assert record.theta == pytest.approx(0.5, abs=1e-12)
    assert record.se == pytest.approx(2.0, abs=1e-6)
    np.testing.assert_allclose(record.posterior, grid.weights, atol=1e-15)
    np.testing.assert_allclose(record.levels, 0.5, atol=1e-12)
    assert (record.theta_micro, record.se_micro) == (500_000, round(record.se * 1e6))


@pytest.mark.parametrize(
    ("item", "category", "cuts", "said"),
    [
        ([0, 9], [0, 0], [], "expected items of the pool"),
        ([0, -1], [0, 0], [], "expected items of the pool"),
        ([0, 1], [0, 3], [], "expected categories that the items have"),
        ([1, 0], [-1, 0], [], "expected categories that the items have"),
        ([1, 0, 1], [0, 0, 0], [], "expected each item once"),
        ([1, 0], [0], [], "expected one category for each item"),
        ([0], [0], [1.0, 0.5], "expected cut scores that ascend"),
    ],
)
def test_impossible_sittings_are_refused(item: Any, category: Any, cuts: Any, said: str) -> None:
    pool = pool_of({"model": "2pl", "a": 1.0, "b": 0.0}, {"model": "grm", "a": 1.0, "b": [0.0, 1.0]})
    grid = Grid.normal()
    with pytest.raises(InputError, match=said):
        score_of_record(tabulate(pool, grid), grid, item, category, cuts)
