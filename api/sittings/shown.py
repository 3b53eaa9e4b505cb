"""What a candidate's browser gets of an item: nothing that names it in the bank."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

from api.catalogue.live import LiveTest
from api.sittings.fold import Pending, Sitting
from item_bank.render import View, only, pictures, present, renamed

__all__ = ["picture", "shown"]


def shown(test: LiveTest, sitting: Sitting, pending: Pending, language: str) -> View:
    """Return the pending item as its candidate sees it, in `language`.

    Titles and identifiers of the bank are left out, and pictures have names that belong to this sitting.
    """
    item = test.item(pending.item)
    seed = hmac.digest(sitting.seed, f"order {pending.position}".encode(), hashlib.sha256)
    stimulus = test.stimuli.get(item.stimulus)
    view = present(item, language, seed, stimulus and replace(only(stimulus, language), id=""))
    view = replace(view, title="")
    if item.id not in test.illustrated:
        return view
    return renamed(view, lambda name: _alias(sitting, name))


def picture(test: LiveTest, sitting: Sitting, pending: Pending, name: str) -> tuple[str, str] | None:
    """Return SHA-256 and media type of the picture of the pending item that is shown as `name`."""
    item = test.item(pending.item)
    by_language = pictures(item, test.stimuli.get(item.stimulus))
    for known in (known for names in by_language.values() for known in names):
        if hmac.compare_digest(_alias(sitting, known), name):
            return test.media.get(known)
    return None


def _alias(sitting: Sitting, name: str) -> str:
    _, dot, ending = name.rpartition(".")
    mac = hmac.digest(sitting.seed, f"picture {name}".encode(), hashlib.sha256)
    return f"{mac[:12].hex()}.{ending if dot else 'x'}"
