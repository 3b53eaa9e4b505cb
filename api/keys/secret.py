"""The server's secret: what signs access tokens and read-only links."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from cat_engine.errors import InputError

__all__ = ["load_or_make", "store_once"]


def store_once(path: Path, content: bytes) -> None:
    """Write `content` to `path`, readable by its owner alone; of several who do so at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    with contextlib.suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()
    _keep_names(path.parent)


def _keep_names(folder: Path) -> None:
    """Have the names in `folder` survive a loss of power; systems that cannot do it see to it themselves."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def load_or_make(path: Path) -> bytes:
    """Return the 32 bytes in the file at `path` (64 hexadecimal digits); make them when there is none."""
    if not path.exists():
        store_once(path, secrets.token_hex(32).encode() + b"\n")
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise InputError(
            f"expected 64 hexadecimal digits in {path}, got something else; "
            "make them with: openssl rand -hex 32"
        )
    return secret
