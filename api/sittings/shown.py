"""What a candidate's browser gets of an item: nothing that names it in the bank."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace

from api.catalogue.live import LiveTest
from api.sittings.fold import Pending, Sitting
from item_bank.content import Hotspot, Image, Interaction, Item, SelectPoint, Stimulus
from item_bank.render import Slot, View, present

__all__ = ["picture", "shown"]


def shown(test: LiveTest, sitting: Sitting, pending: Pending, language: str) -> View:
    """Return the pending item as its candidate sees it, in `language`.

    Titles and identifiers of the bank are left out, and pictures have names that belong to this sitting.
    """
    item = test.item(pending.item)
    seed = hmac.digest(sitting.seed, f"order {pending.position}".encode(), hashlib.sha256)
    view = present(item, language, seed)
    return View(
        view.language,
        "",
        tuple(_slot(sitting, part) if isinstance(part, Slot) else part for part in view.parts),
        _stimulus(test, sitting, item, language),
    )


def picture(test: LiveTest, sitting: Sitting, pending: Pending, name: str) -> tuple[str, str] | None:
    """Return SHA-256 and media type of the picture of the pending item that is shown as `name`."""
    item = test.item(pending.item)
    for image in (image for language in test.languages for image in _images(test, item, language)):
        if hmac.compare_digest(_alias(sitting, image.name), name):
            return test.media.get(image.name)
    return None


def _images(test: LiveTest, item: Item, language: str) -> Iterator[Image]:
    stimulus = test.stimuli.get(item.stimulus)
    if stimulus is not None and language in stimulus.image:
        yield stimulus.image[language]
    for interaction in item.versions[language].interactions.values():
        if isinstance(interaction, Hotspot | SelectPoint):
            yield interaction.image


def _alias(sitting: Sitting, name: str) -> str:
    _, _, ending = name.rpartition(".")
    mac = hmac.digest(sitting.seed, f"picture {name}".encode(), hashlib.sha256)
    return f"{mac[:12].hex()}.{ending}"


def _image(sitting: Sitting, image: Image) -> Image:
    return replace(image, name=_alias(sitting, image.name))


def _slot(sitting: Sitting, slot: Slot) -> Slot:
    interaction: Interaction = slot.interaction
    if isinstance(interaction, Hotspot | SelectPoint):
        interaction = replace(interaction, image=_image(sitting, interaction.image))
    return replace(slot, interaction=interaction)


def _stimulus(test: LiveTest, sitting: Sitting, item: Item, language: str) -> Stimulus | None:
    stimulus = test.stimuli.get(item.stimulus)
    if stimulus is None:
        return None
    return Stimulus(
        "",
        {language: stimulus.title[language]},
        {language: stimulus.html.get(language, "")},
        {language: _image(sitting, stimulus.image[language])} if language in stimulus.image else {},
    )
