"""Publishing a version of a bank: a verdict, a person who asks and another who agrees.

A version is immutable: its hash covers the content, the parent's hash, the two names and whether it is for
demonstration only. A bank whose parameters are provisional can be published for demonstration alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.canonical import canonical
from item_bank.check import Finding, check
from item_bank.content import Item
from item_bank.log import Event, Log, append
from item_bank.mapping import number
from item_bank.workflow import same_person, unearned

if TYPE_CHECKING:  # importing the engine costs a second, and only judging needs it
    from cat_engine.design import Constraint, Design

__all__ = [
    "Evidence",
    "Targets",
    "Verdict",
    "Version",
    "approve",
    "approve_neutralisation",
    "judge",
    "neutralised",
    "request",
    "request_neutralisation",
    "versions",
]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a version must be able to do: give a test of `length` items that keeps the `constraints`."""

    length: int = 1
    constraints: tuple[Constraint, ...] = ()

    @staticmethod
    def of(design: Design) -> Targets:
        """Return what a design asks of a bank: its longest test, within its constraints."""
        return Targets(design.stop.max, design.constraint)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a simulation study of the test found, as whoever ran it tells.

    ``items`` are the items it simulated; ``findings`` its weights (``keep``, ``watch``, ``drop``) and
    sentences; ``digest`` names the study's summary.
    """

    digest: str
    n: int
    items: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a version may be published, and why not."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing found is an error."""
        return not any(finding.severity == "error" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a bank."""

    number: int
    content_hash: str
    parent: str
    demonstration: bool
    requested_by: str
    approved_by: str
    published_at: str
    hash: str = ""


def judge(
    bank: Bank,
    targets: Targets,
    today: date,
    demonstration: bool = False,
    evidence: Evidence | None = None,
) -> Verdict:
    """Judge a bank as a version to be: the writing rules, the parameters, the blueprint's feasibility.

    Parameters
    ----------
    demonstration
        Whether it is to be published for demonstration only, which provisional parameters allow.
    evidence
        What a simulation of the test found: what it drops is an error, what it watches a warning.
    """
    found = check(bank, today)
    items = bank.eligible(today)
    found += _parameters(bank, items, demonstration)
    found += _feasibility(bank, items, targets)
    if evidence is not None:
        found += _simulated(items, evidence)
    return Verdict(tuple(sorted(found, key=lambda finding: finding.severity)))


def _error(rule: str, item: str, message: str) -> Finding:
    return Finding("error", rule, item, message)


def _parameters(bank: Bank, items: tuple[Item, ...], demonstration: bool) -> list[Finding]:
    from cat_engine.pool import ItemPool

    found: list[Finding] = []
    for item in items:
        row = bank.rows.get(item.id)
        if row is None:
            found.append(_error("parameters", item.id, "it may be served but has no parameters"))
            continue
        try:
            n_cat = int(ItemPool.from_rows([dict(row)]).n_cat[0])
        except ValueError as error:
            found.append(_error("parameters", item.id, f"its parameters are no model: {error}"))
            continue
        if n_cat != item.n_cat:
            found.append(
                _error("parameters", item.id, f"it has {item.n_cat} categories, its parameters {n_cat}")
            )
        if "provisional" in row.get("flags", ()) and not demonstration:
            found.append(
                _error("parameters", item.id, "its parameters are provisional: publish as demonstration")
            )
    scales = {str(bank.rows[item.id].get("scale", "")) for item in items if item.id in bank.rows}
    if len(scales) > 1:
        found.append(_error("parameters", "", f"parameters of several scales: {', '.join(sorted(scales))}"))
    return found


def _simulated(items: tuple[Item, ...], evidence: Evidence) -> list[Finding]:
    served, simulated = {item.id for item in items}, set(evidence.items)
    if served != simulated:
        lone = min(served ^ simulated)
        where = "the bank may serve it" if lone in served else "the study simulated it"
        return [_error("simulation", lone, f"only {where}: simulate the test that this bank gives")]
    severity = {"drop": "error", "watch": "warning"}
    return [
        Finding(severity[weight], "simulation", "", sentence)
        for weight, sentence in evidence.findings
        if weight in severity
    ]


def _feasibility(bank: Bank, items: tuple[Item, ...], targets: Targets) -> list[Finding]:
    """Ask whether one test exists: so many items, within every constraint, no two enemies (a MIP)."""
    from scipy import optimize, sparse

    n = len(items)
    if n < targets.length:
        return [_error("blueprint", "", f"a test of {targets.length} items from {n} that may be served")]
    columns = bank.attributes(items)
    rows = [np.ones(n)]
    low, high = [float(targets.length)], [float(targets.length)]
    for constraint in targets.constraints:
        if constraint.attribute not in columns:
            return [_error("blueprint", "", f"no attribute '{constraint.attribute}' to constrain")]
        worth = _worth(constraint, columns[constraint.attribute])
        if worth.sum() < constraint.min:
            said = f"at least {constraint.min:g} asked, {worth.sum():g} there"
            return [_error("blueprint", "", f"{constraint.name}: {said}")]
        rows.append(worth)
        low.append(float(constraint.min))
        high.append(float(constraint.max))
    pairs = _enemies(items)
    enemies = sparse.csr_array(
        (np.ones(2 * len(pairs)), (np.repeat(np.arange(len(pairs)), 2), pairs.ravel())), shape=(len(pairs), n)
    )
    answer = optimize.milp(
        np.zeros(n),
        integrality=np.ones(n),
        bounds=optimize.Bounds(0.0, 1.0),
        constraints=optimize.LinearConstraint(
            sparse.vstack([sparse.csr_array(np.array(rows)), enemies]),
            low + [0.0] * len(pairs),
            high + [1.0] * len(pairs),
        ),
    )
    if answer.x is None:
        return [_error("blueprint", "", f"no test of {targets.length} items keeps all constraints at once")]
    return []


def _enemies(items: tuple[Item, ...]) -> np.ndarray:
    """Positions of the items of each pair of enemies, once each; shape ``(pairs, 2)``."""
    place = {item.id: i for i, item in enumerate(items)}
    pairs = {
        (min(i, place[enemy]), max(i, place[enemy]))
        for i, item in enumerate(items)
        for enemy in item.enemies
        if enemy in place
    }
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _worth(constraint: Constraint, column: list[str]) -> np.ndarray:
    """What each item adds to what a constraint bounds: 1 where it has the value, or its own figure."""
    if constraint.value is not None:
        return np.array([constraint.value == value for value in column], float)
    return np.array([number(value) or 0.0 for value in column], float)


# Two people.


def request(
    bank: Bank,
    log: Log,
    by: str,
    at: str,
    targets: Targets,
    demonstration: bool = False,
    evidence: Evidence | None = None,
) -> tuple[Verdict, Log]:
    """Ask for a version to be published; the verdict is recorded with the request.

    Raises
    ------
    InputError
        When the verdict does not let it pass.
    """
    verdict = judge(bank, targets, date.fromisoformat(at[:10]), demonstration, evidence)
    came = [] if demonstration else unearned(bank, log)
    if came:
        said = f"its status came with it: no review here gave it one ({len(came)} such items)"
        verdict = Verdict((*verdict.findings, Finding("warning", "reviews", came[0], said)))
    if not verdict.passed:
        first = next(f for f in verdict.findings if f.severity == "error")
        more = sum(f.severity == "error" for f in verdict.findings) - 1
        named = f"{first.item}: " if first.item else ""
        raise InputError(
            f"expected a bank without errors to publish, got: {named}{first.message}"
            + (f", and {more} more" if more else "")
            + "; 'acquis bank check --design DESIGN.toml' lists all"
        )
    grown = append(
        log,
        "publication_requested",
        by,
        at,
        content=bank.content_hash,
        demonstration=demonstration,
        targets=_plain(targets),
        warnings=len(verdict.findings),
        **({} if evidence is None else {"study": evidence.digest, "simulated": evidence.n}),
    )
    return verdict, grown


def _plain(targets: Targets) -> dict[str, Any]:
    bounds = [asdict(c) | {"max": c.max if isfinite(c.max) else None} for c in targets.constraints]
    return {"length": targets.length, "constraints": bounds}


def approve(bank: Bank, log: Log, by: str, at: str) -> tuple[Version, Log]:
    """Agree with the last request; the bank must be as it was when it was made.

    Raises
    ------
    InputError
        No open request, the same person, or another content.
    """
    asked = _open(log, "publication_requested", "published")
    if asked is None:
        raise InputError("expected a request for publication to approve, got none; request it first")
    _another(asked, by)
    if asked.facts["content"] != bank.content_hash:
        raise InputError(
            f"expected the content that {asked.by} asked to publish ({asked.facts['content'][:12]}), got "
            f"{bank.content_hash[:12]}: the bank was changed since; request it again"
        )
    before = versions(log)
    version = _sealed(
        Version(
            number=len(before) + 1,
            content_hash=bank.content_hash,
            parent=before[-1].hash if before else "",
            demonstration=bool(asked.facts["demonstration"]),
            requested_by=asked.by,
            approved_by=" ".join(by.split()),
            published_at=at,
        )
    )
    return version, append(log, "published", by, at, **asdict(version))


def versions(log: Log) -> list[Version]:
    """Return the published versions in order, each with its hash verified."""
    found: list[Version] = []
    for event in log:
        if event.kind == "published":
            version = Version(**event.facts)
            if _sealed(version) != version or version.parent != (found[-1].hash if found else ""):
                raise InputError(f"version {version.number} of the bank is not what was published")
            found.append(version)
    return found


def _sealed(version: Version) -> Version:
    facts: Mapping[str, Any] = {k: v for k, v in asdict(version).items() if k != "hash"}
    return Version(**{**facts, "hash": hashlib.sha256(canonical(facts)).hexdigest()})


def request_neutralisation(bank: Bank, log: Log, item: str, by: str, at: str, why: str) -> Log:
    """Ask that an item be taken out of everybody's score; a second person must agree."""
    if item not in bank.by_id:
        raise InputError(f"expected an item of the bank, got '{item}'; check its identifier")
    if not why.strip():
        raise InputError(f"expected a reason to neutralise '{item}', got none; give one")
    if item in neutralised(log):
        raise InputError(f"'{item}' is neutralised already")
    return append(log, "neutralisation_requested", by, at, item=item, why=why)


def approve_neutralisation(log: Log, item: str, by: str, at: str) -> Log:
    """Agree that an item be taken out of everybody's score."""
    asked = _open(log, "neutralisation_requested", "neutralised", item)
    if asked is None:
        raise InputError(f"expected a request to neutralise '{item}', got none; request it first")
    _another(asked, by)
    return append(log, "neutralised", by, at, item=item, why=asked.facts["why"], requested_by=asked.by)


def neutralised(log: Log) -> dict[str, Event]:
    """Return the neutralised items, each with the event that two people stand behind."""
    return {event.facts["item"]: event for event in log if event.kind == "neutralised"}


def _open(log: Log, asked: str, done: str, item: str | None = None) -> Event | None:
    """Return the last request that nothing has answered."""
    for event in reversed(log):
        if item is not None and event.facts.get("item") != item:
            continue
        if event.kind == done:
            return None
        if event.kind == asked:
            return event
    return None


def _another(asked: Event, by: str) -> None:
    if same_person(by, (asked.by,)):
        raise InputError(f"{asked.by} asked for it, so another person must approve it; ask somebody else")
