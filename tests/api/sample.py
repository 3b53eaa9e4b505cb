"""A small test to sit: 12 items in two domains, one of them with a picture, one with partial credit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, insert, select

from api.accounts.invitations import Invited, invite
from api.catalogue.document import SCHEMA, plain
from api.catalogue.store import publish
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.ids import new_code, new_id
from api.keys.store import record
from api.results.claims import Person
from api.runtime import Runtime
from api.sittings.view import View
from item_bank import content

CODE = "SAMPLE"
ORGANISATION = "HOSPITAL"
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"/>'
SECRET_WORDS = ("RATIONALE-OF", "SOURCE-OF", "BANK-ITEM", "picture-of")
"""Stand in content that a candidate must never be sent."""


def item(n: int) -> content.Item:
    """Item `n`; the key is B, for the one with partial credit A and C."""
    partial = n == 11
    options = tuple(content.Option(name, f"option {name}") for name in "ABCD")
    mapping = content.Mapped({"A": 1.0, "B": -1.0, "C": 1.0, "D": -1.0}, lower=0.0) if partial else None
    versions = {
        language: content.Content(
            title=f"BANK-ITEM-{n}",
            body=f'<p>{language} question {n}</p><slot name="RESPONSE"></slot>',
            interactions={"RESPONSE": content.Choice(options, maximum=0 if partial else 1, shuffle=True)},
            responses={
                "RESPONSE": content.Response(
                    "multiple" if partial else "single",
                    "identifier",
                    ("A", "C") if partial else ("B",),
                    mapping,
                )
            },
            processing="map_response" if partial else "match_correct",
            rationale=f"RATIONALE-OF {n}",
        )
        for language in ("fr", "en")
    }
    return content.Item(
        f"BANK-ITEM-{n}",
        versions,
        (0.0, 1.0, 2.0) if partial else (0.0, 1.0),
        domain="D1" if n % 2 else "D2",
        stimulus="BANK-ITEM-STIMULUS" if n == 1 else "",
        source=content.Source("SOURCE-OF"),
    )


def document(
    n_items: int = 12, expires: Mapping[int, str] | None = None, **changes: Any
) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """A test document with `n_items` items, some with a shelf life; `changes` replace its parts."""
    items = [replace(item(n), expires=(expires or {}).get(n, "")) for n in range(1, n_items + 1)]
    name = hashlib.sha256(PICTURE).hexdigest()
    image = content.Image("picture-of-1.svg", 10, 10, "a picture")
    stimulus = content.Stimulus(
        "BANK-ITEM-STIMULUS",
        {"fr": "titre", "en": "title"},
        {"fr": "<p>texte</p>", "en": "<p>text</p>"},
        {"fr": image, "en": image},
    )
    rows = [
        {"id": i.id, "model": "gpcm", "a": 0.8, "b": [-0.5, 0.5]}
        if i.n_cat == 3
        else {"id": i.id, "model": "2pl", "a": 1.2, "b": (n % 12 - 6) / 3}
        for n, i in enumerate(items)
    ]
    return {
        "schema": SCHEMA,
        "title": {"fr": "Essai", "en": "Sample"},
        "languages": ["fr", "en"],
        "demonstration": False,
        "design": {
            "schema": "acquis/design/1",
            "constraint": [
                {"attribute": "domain", "value": "D1", "min": 2, "max": 4},
                {"attribute": "domain", "value": "D2", "min": 2, "max": 4},
            ],
            "stop": {"min": 5, "max": 7, "se": 0.3},
            "cuts": {"values": [0.0], "confidence": 0.8},
            "report": {"attribute": "domain", "reliability": 0.2},
        },
        "levels": [
            {"code": "L0", "label": {"fr": "bas", "en": "low"}},
            {"code": "L1", "label": {"fr": "haut", "en": "high"}},
        ],
        "scale": {"name": "points", "origin": 500.0, "unit": 100.0, "low": 0, "high": 1000},
        "time": {},
        "valid_days": 365,
        "domains": {"D1": {"fr": "Un", "en": "One"}, "D2": {"fr": "Deux", "en": "Two"}},
        "items": plain(tuple(items)),
        "stimuli": plain({stimulus.id: stimulus}),
        "parameters": rows,
        "attributes": {"domain": [i.domain for i in items]},
        "media": {"picture-of-1.svg": [name, "image/svg+xml"]},
        **changes,
    }, {name: ("image/svg+xml", PICTURE)}


_ORGANISATION = Query(insert(tables.organisation))
_KNOWN = Query(select(tables.organisation.c.id).where(tables.organisation.c.id == bindparam("id")))


def _organisation(id: str) -> Plan[None]:
    (rows,) = yield [_KNOWN(id=id)]
    return Commit(None, [] if rows else [_ORGANISATION(id=id, name=id.title(), created_at=1)])


async def prepare(runtime: Runtime, code: str = CODE, **changes: Any) -> str:
    """Publish the sample test for an organisation; return the test's id."""
    test, blobs = document(**changes)
    if code == CODE:
        await runtime.write(_organisation, ORGANISATION)
        await runtime.write(record, runtime.keyring.first.jwk)
    return await runtime.write(publish, code, test, blobs, 1)


async def invited(
    runtime: Runtime,
    test: str = CODE,
    identifier: str | None = "M-1",
    extra: int = 0,
    need: str | None = None,
    organisation: str = ORGANISATION,
) -> Invited:
    """Invite someone to a test."""
    person = Person(new_id(), identifier, "matricule", "Durand", "Léa")
    return await runtime.write(
        invite, organisation, person, test, new_code(), extra_time_percent=extra, need=need
    )


def right(view: View) -> dict[str, list[str]]:
    """A response to the pending item; right unless the item is the one with partial credit."""
    return {"RESPONSE": ["B"]}
