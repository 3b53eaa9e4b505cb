"""What the documentation points to is there: files, headings, commands and their options."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from api.command import COMMANDS
from tests.conftest import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "item_bank/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
FENCE = re.compile(r"^```.*?^```", flags=re.S | re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ACQUIS = re.compile(r"acquis ([a-z]+)((?:[ \t]|\\\n)[^`\n|#;>]*)?")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def anchors(page: Path) -> set[str]:
    """Return the names that headings get, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.M)
    words = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", word.strip()).replace(" ", "-") for word in words}


def broken(page: Path) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield link


@cache
def options(command: str) -> frozenset[str]:
    """Return every option of a command and of its actions."""
    parser = argparse.ArgumentParser(prog=command)
    importlib.import_module(f"api.commands.{command}").configure(parser)
    found, waiting = set[str](), [parser]
    for one in waiting:
        found |= set(one._option_string_actions)
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [*broken(page)] == []
    named = [(command, OPTION.findall(rest)) for command, rest in ACQUIS.findall(text) if command in COMMANDS]
    assert [(command, o) for command, words in named for o in words if o not in options(command)] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    assert {*re.findall(r"`make ([a-z-]+)", text)} <= targets
    studies = {path.stem for path in (ROOT / "benchmarks").iterdir()}
    assert {*re.findall(r"python -m benchmarks ([a-z]+)", text)} <= studies
