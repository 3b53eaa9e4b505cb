"""One way to compile a kernel: ``@jit``.

numba's own file cache is keyed by the file that holds a function and does not notice an edit in a
function it calls. Here every module's kernels are cached in a folder named by a digest of that
module and of every module of ours that it imports, however far down, so that a stale kernel cannot be
loaded and an edit recompiles only what stands on it.

The folder is ``$ACQUIS_CACHE_DIR``, or ``$XDG_CACHE_HOME/acquis``, or ``~/.cache/acquis``; it may be
removed at any time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import IndexDataCacheFile

__all__ = ["Direct", "cache_folder", "jit"]

config: Any = numba.config


def _load_array_functions() -> None:
    """Load numba's array functions without scipy.linalg, a quarter of a second that no kernel of ours needs.

    numba imports scipy's BLAS as it loads, only to see whether it is there; scipy is a dependency, so it
    is. A kernel that calls BLAS imports it when it is compiled.
    """
    import numba.np.linalg as linalg

    check = getattr(linalg, "ensure_blas", None)
    if check is None or "numba.np.arraymath" in sys.modules:
        return
    linalg.ensure_blas = lambda: None
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = check


_load_array_functions()

_ROOT = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(
    r"^\s*(?:from\s+((?:cat_engine|item_bank|calibration)[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)"
    r"|import\s+((?:cat_engine|item_bank|calibration)[\w.]*))",
    re.MULTILINE,
)


def _files_of(name: str) -> list[Path]:
    """Return the source files that the dotted module `name` stands for, or none."""
    base = _ROOT.joinpath(*name.split("."))
    return [p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()]


@functools.cache
def _imports(path: Path) -> tuple[Path, ...]:
    found: list[Path] = []
    for package, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        found += _files_of(package or plain)
        found += [p for n in re.findall(r"\w+", names) if package for p in _files_of(f"{package}.{n}")]
    if path.name == "family.py":  # dispatch reaches every model without importing it
        found += sorted((_ROOT / "cat_engine" / "models").glob("*.py"))
    return tuple(found)


@functools.cache
def _digest(path: Path) -> str:
    """Digest of the source at `path`, of all it imports of ours, and of the compiler's versions."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += _imports(file)
    digest = hashlib.sha256(f"{numba.__version__} {sys.version} {platform.machine()}".encode())
    for file in sorted(seen):
        digest.update(file.as_posix().removeprefix(_ROOT.as_posix()).encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder that holds compiled kernels."""
    told = os.environ.get("ACQUIS_CACHE_DIR")
    if told:
        return Path(told)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "acquis"


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile `function` in nopython mode, IEEE semantics, cached on disk.

    Parameters
    ----------
    function
        A function of arrays, numbers and named tuples. Division by zero gives inf or nan, as in numpy.
    **options
        Passed to :func:`numba.njit` (``fastmath=True``, ``parallel=True``, ...). ``fastmath`` is
        forbidden on the record path; a test looks for it.
    """
    if function is None:
        return functools.partial(jit, **options)
    # numba hands fastmath down to what a kernel calls, and would cache it so: every kernel says its own.
    options = {"cache": True, "error_model": "numpy", "fastmath": False, **options}
    if config.DISABLE_JIT:
        return function
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder() / _digest(Path(function.__code__.co_filename).resolve()))
    try:
        kernel = numba.njit(**options)(function)
    finally:
        config.CACHE_DIR = before
    if options["cache"]:
        kernel._cache._cache_file.__class__ = _CacheFile
    return kernel


class _CacheFile(IndexDataCacheFile):
    """The compiled forms of a kernel on disk, each in a file with a name of its own.

    numba counts the files, and writes the index before the file: two processes that compile one kernel for
    different types at once could give both the same number, and a third would load one for the other.
    """

    def save(self, key: Any, data: Any) -> None:
        """Write a compiled form, then that it is there."""
        file: Any = self
        name = file._data_name(int.from_bytes(os.urandom(8), "big"))
        file._save_data(name, data)
        file._save_index({**file._load_index(), key: name})


class Direct:
    """Calls a kernel without looking at its arguments' types each time.

    numba looks up the type of every argument at every call, named tuples member by member: for what one
    step of a sitting is given that takes twice as long as the kernel. Here the types of the first call hold
    for all later ones, which is for the caller to see to: they are not checked again.
    """

    __slots__ = ("_compiled", "_kernel")

    def __init__(self, kernel: Callable[..., Any]) -> None:
        self._kernel: Any = kernel
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the kernel."""
        if self._compiled is None:
            self._compiled = self.settle(arguments)
        return self._compiled(*arguments)

    def settle(self, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """Return the kernel compiled for the types of `arguments`; itself where nothing is compiled."""
        kernel = self._kernel
        types = tuple(numba.typeof(a) for a in arguments)  # type: ignore[no-untyped-call]
        compiled: Callable[..., Any] = kernel if config.DISABLE_JIT else kernel.compile(types)
        return compiled
