"""The HTML of items: nothing active, one spelling, and a way to XML that loses nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_engine.errors import InputError
from item_bank.markup import TAGS, escape, sanitise, text, to_html, to_xml

PIECES = st.sampled_from(
    [
        *(f"<{name}>" for name in sorted(TAGS)),
        *(f"</{name}>" for name in sorted(TAGS)),
        *(
            "<a href='javascript:x'>",
            "</a>",
            "<svg>",
            "<math>",
            "<style>",
            "</style>",
            "<script>",
            "<!--",
            "-->",
        ),
        *('<img src="a.png" onerror="x">', '<slot name="R"></slot>', "<template>", "<select>", "<title>"),
        *("&nbsp;", "&lt;", "&amp;", "&", "<", ">", '"', "\u00a0", "\r\n", "\x00", "\ud800", "é", " x "),
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_whatever_goes_in_is_at_rest_and_survives_xml(markup: str) -> None:
    clean = sanitise(markup.encode("utf-8", "replace").decode())
    assert sanitise(clean) == clean
    assert to_html(to_xml(clean)) == clean
    tags = "".join(re.findall(r"<[^<>]*>", clean))  # what stands in the text is only said
    for danger in ("<script", "<style", "<svg", "<a ", "onerror", "javascript:"):
        assert danger not in tags


@pytest.mark.parametrize(
    ("markup", "clean"),
    [
        ('<p onclick="x()" class="c" lang="fr">a</p>', '<p lang="fr">a</p>'),
        ("<p>a<script>alert(1)</script>b</p>", "<p>ab</p>"),
        ('<p><a href="https://example.org">link</a></p>', "<p>link</p>"),
        ('<img src="plan.svg" alt="a">', '<img src="plan.svg" alt="a">'),
        ('<img src="//evil.example/x.png" alt="a">', '<img alt="a">'),
        ('<img src="../x.png" alt="a">', '<img alt="a">'),
        ('<img src="data:image/png;base64,AA" alt="a">', '<img alt="a">'),
        ('<slot name="g1"></slot>', '<slot name="g1"></slot>'),
        ("<p>1 &lt; 2 &amp; 3</p>", "<p>1 &lt; 2 &amp; 3</p>"),
        ("a&nbsp;b", "a\u00a0b"),
        ("<P>a<BR/>b", "<p>a<br>b</p>"),
    ],
)
def test_what_is_kept_and_what_is_dropped(markup: str, clean: str) -> None:
    assert sanitise(markup) == clean


def test_text_is_what_a_reader_reads() -> None:
    assert text("<p>a <b>b</b>&lt;c</p><ul><li>d</li><li>e</li></ul>") == "a b <c\nd\ne"
    assert escape("a < b & c") == "a &lt; b &amp; c"


@pytest.mark.parametrize(
    "markup", ["<b>" * 9 + "<p>x", "<div>" * 65, "<br>" * 50_001, "<table><tr><td>" * 65]
)
def test_what_a_parser_would_multiply_is_refused(markup: str) -> None:
    with pytest.raises(InputError, match="simplify it"):
        sanitise(markup)
    assert sanitise("<p>x" * 100 + "<b>" * 8 + "</b>" * 8 + "<div>" * 64).startswith("<p>x</p>")
