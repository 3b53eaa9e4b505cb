"""A badge in a picture: another's program takes it out, ours verifies it; what is drawn claims no more."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from openbadgeslib import baking as theirs

from api.command import main
from api.credentials.baking import baked, text_in
from api.pages.verifying import LARGEST
from api.results.claims import NOTICE
from cat_engine.errors import InputError
from tests.api.credentials.conftest import World
from tests.api.pages.test_verifying import state

TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def picture(world: World, name: str, form: str, language: str = "fr") -> bytes:
    """A badge as it is handed out."""
    reply = world.client.get(
        f"/api/v1/results/{world.claims[name]['id']}/badge",
        headers=world.reader,
        params={"format": form, "language": language},
    )
    assert (reply.status_code, reply.headers["content-type"].partition(";")[0]) == (200, TYPES[form])
    assert reply.headers["content-disposition"].endswith(f'.{form}"')
    content: bytes = reply.content
    return content


def their_reading(content: bytes, form: str) -> Any:
    """The badge that openbadgeslib takes out."""
    if form == "svg":
        text = theirs.extract_svg(content, element=theirs.SVG_ELEMENT_OB3, text_fallback=True)
    else:
        text = theirs.extract_png(content, keyword=theirs.ITXT_KEYWORD_OB3)
    return json.loads(text or "null")


@pytest.mark.parametrize("form", TYPES)
def test_the_badge_in_a_picture_is_the_badge(
    world: World, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = picture(world, "decided", form)
    assert their_reading(content, form) == json.loads(text_in(content)) == world.badges["decided"]
    (tmp_path / "badge").write_bytes(content)
    (tmp_path / "did.json").write_text(world.client.get("/.well-known/did.json").text)
    words = ["verify", str(tmp_path / "badge"), "--did", str(tmp_path / "did.json")]
    assert main(words) == 0
    assert "Essai : haut" in capsys.readouterr().out
    assert len(content) < LARGEST / 2
    page = world.client.post(
        "/verify/file", files={"attestation": ("x", content, TYPES[form])}, headers={"accept": "text/html"}
    )
    assert state(page) == "valid"
    (tmp_path / "badge").write_bytes(content.replace(b'"name": "Essai', b'"name": "Autre'))
    assert main(words) == 3


def test_what_is_drawn_is_what_the_badge_says(world: World) -> None:
    def drawn(name: str, language: str = "fr") -> str:
        svg = picture(world, name, "svg", language).decode().partition("</openbadges:credential>")[2]
        return " ".join(re.findall(r">([^<>]+)</text>", svg)).replace("\u00a0", " ")

    said = drawn("decided")
    score = world.claims["decided"]["score"]
    for word in ("Attestation de résultat", "Essai : haut", f"{score['points']} points", "Valable jusqu'au"):
        assert word in said, said
    assert f"erreur type {score['points_error']}" in said
    assert "Durand" not in said
    assert "haut" not in drawn("undecided")
    assert NOTICE.upper() not in said
    for language in ("fr", "en"):
        assert NOTICE.upper() in drawn("demonstration", language)
    assert "Statement of result" in drawn("decided", "en")


def test_a_picture_is_only_read_where_it_holds_one_badge(world: World) -> None:
    svg, png = (picture(world, "decided", form) for form in TYPES)
    element = svg[svg.index(b"<openbadges:credential>") : svg.index(b"</openbadges:credential>") + 25]
    (length,) = struct.unpack(">I", png[33:37])
    chunk = png[33 : 33 + 12 + length]
    for content in (
        svg.replace(element, element + element),
        svg.replace(element, b""),
        png.replace(chunk, chunk + chunk),
        png.replace(chunk, b""),
        png[:60],
        b"<svg",
    ):
        with pytest.raises(InputError, match="picture"):
            text_in(content)


def test_a_title_may_hold_what_ends_a_text_of_xml(world: World) -> None:
    badge = {**world.badges["decided"], "name": "a ]]> <b> & c"}
    for form in TYPES:
        assert their_reading(baked(json.dumps(badge), form), form) == badge  # type: ignore[arg-type]
