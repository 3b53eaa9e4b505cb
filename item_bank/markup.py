"""The HTML of items: what is allowed in it, its one canonical spelling, and its way to XML and back.

Every text that enters a bank passes `sanitise`; nothing is cleaned later. Canonical HTML is what the
sanitiser writes: lower-case names, quoted attributes, no entity but ``&amp; &lt; &gt; &quot;``. It is a
fixed point of `sanitise`, and `to_xml` then `to_html` gives it back unchanged.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import nh3
from lxml import etree

from cat_engine.errors import InputError

__all__ = ["TAGS", "VOID", "active", "escape", "printable", "sanitise", "text", "to_html", "to_xml"]

TAGS = frozenset(
    "p br hr div span em strong b i u s small sub sup ul ol li dl dt dd blockquote q cite code pre kbd samp "  # noqa: SIM905
    "var abbr dfn bdi bdo mark h2 h3 h4 h5 h6 table caption colgroup col thead tbody tfoot tr th td img "
    "figure figcaption ruby rb rt rp slot".split()
)
"""Elements that an item may hold."""

VOID = frozenset({"br", "hr", "img", "col"})
"""Elements without content."""

_ATTRIBUTES = {
    "*": {"lang", "dir", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "headers", "scope", "id"},
    "ol": {"start", "type"},
    "col": {"span"},
    "colgroup": {"span"},
    "slot": {"name"},
}
_MEDIA_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
_ACTIVE = re.compile(
    r"<\s{0,9}(?:script|iframe|object|embed|applet|base|meta|form)\b"
    r"|<[^<>]*[\s/\"']on[a-z]{3,}\s{0,9}=|(?:java|vb)script\s{0,9}:",
    re.IGNORECASE,
)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_START = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())  # noqa: SIM905
_FLAT = VOID | frozenset("p li td th tr dt dd rt rp rb option input wbr source".split())  # noqa: SIM905
_DEEPEST, _MOST_FORMATTING, _MOST = 64, 8, 50_000
_PRE = re.compile(r"(<pre\b[^>]*>)\n+")  # a line's end there is dropped by every reader of HTML
_PICTURE = re.compile(r'<img\b(?:[^<>"]|"[^"]*")*?\balt="([^"]*)"(?:[^<>"]|"[^"]*")*>')
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:\s+[a-z\-]+=\"[^\"]*\")*)\s*>")
_ATTRIBUTE = re.compile(r"([a-z\-]+)=\"([^\"]*)\"")


def _attribute(element: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if _MEDIA_NAME.match(value) else None
    if name == "name":
        return value if re.fullmatch(r"[\w.\-]+", value) else None
    return " ".join(value.split())


def _cleaner(tags: frozenset[str]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(tags),
        attributes={name: kept for name, kept in _ATTRIBUTES.items() if name in tags | {"*"}},
        attribute_filter=_attribute,
        url_schemes=set(),
        strip_comments=True,
        link_rel=None,
    )


_OURS, _THEIRS = _cleaner(TAGS), _cleaner(TAGS - {"slot"})


def sanitise(markup: str, slots: bool = True) -> str:
    """Return `markup` as canonical HTML with nothing in it but what an item may hold.

    Scripts, styles, links, forms, event handlers and addresses are dropped (a script with its content,
    the others keeping theirs); a picture stays when its address is the name of one of the bank's media.

    Parameters
    ----------
    slots
        Whether ``<slot>`` may stay; a stranger's text must not place controls.

    Raises
    ------
    InputError
        Elements nested so deep, or so many, that reading them would cost more than any item is worth.
    """
    _measure(markup)
    for _ in range(4):  # misnested HTML may need a second reading to come to rest
        before, markup = markup, _clean(markup, _OURS if slots else _THEIRS)
        if markup == before:
            return markup
    return html.escape(text(markup), quote=False)


def _measure(markup: str) -> None:
    """Refuse what an HTML parser multiplies: it opens formatting that was left open again in every block."""
    depth = formatting = 0
    for count, found in enumerate(_START.finditer(markup), start=1):
        name = found[2].lower()
        step = -1 if found[1] else 1
        if name not in _FLAT:
            depth = max(0, depth + step)
        if name in _FORMATTING:
            formatting = max(0, formatting + step)
        if depth > _DEEPEST or formatting > _MOST_FORMATTING or count > _MOST:
            raise InputError(
                f"expected HTML of at most {_MOST:,} tags, nested at most {_DEEPEST} deep (bold, italics and "
                f"their like {_MOST_FORMATTING}), got more at '{found[0][:20]}'; simplify it"
            )


def _clean(markup: str, cleaner: nh3.Cleaner) -> str:
    cleaned = cleaner.clean(_NOT_XML.sub("", markup))
    return _PRE.sub(r"\1", cleaned.replace("&nbsp;", "\u00a0"))


def active(markup: str) -> str | None:
    """Return what in `markup` would act if a browser showed it as it is (a script, a handler), or None."""
    found = _ACTIVE.search(markup)
    return f"'{' '.join(found.group().split())[:40]}'" if found else None


def printable(plain: str) -> str:
    """Return `plain` without the control characters that no XML file can hold, its line ends as ``\\n``."""
    return _NOT_XML.sub("", plain).replace("\r\n", "\n").replace("\r", "\n")


def escape(plain: str) -> str:
    """Return plain text as canonical HTML."""
    return sanitise(html.escape(plain, quote=False))


def text(markup: str) -> str:
    """Return what canonical HTML says, as plain text with single blanks; blocks are parted by a newline.

    A picture says its text alternative.
    """
    said = _PICTURE.sub(lambda found: f" {found[1]} ", markup)
    parted = re.sub(r"</(?:p|div|li|tr|h\d|dd|dt|blockquote|figcaption|caption)>|<br>", "\n", said)
    plain = html.unescape(re.sub(r"<[^>]*>", " ", parted))
    lines = (" ".join(line.split()) for line in plain.split("\n"))
    return "\n".join(line for line in lines if line)


def to_xml(markup: str) -> etree._Element:
    """Return canonical HTML as the children of an XML element ``fragment`` (no namespace)."""
    return etree.fromstring(f"<fragment>{_TAG.sub(_well_formed, markup)}</fragment>")


def _well_formed(found: re.Match[str]) -> str:
    closing, name, attributes = found.groups()
    inside = _ATTRIBUTE.sub(
        lambda a: f'{a[1]}="{a[2].replace("<", "&lt;").replace(">", "&gt;")}"', attributes
    )
    return f"<{closing}{name}{inside}{'/' if name in VOID and not closing else ''}>"


def to_html(element: etree._Element) -> str:
    """Return the content of an XML element as canonical HTML; names lose their namespace."""
    return sanitise("".join(_pieces(element)))


def _pieces(element: etree._Element) -> Iterator[str]:
    if element.text:
        yield html.escape(element.text, quote=False)
    for child in element:
        if isinstance(child.tag, str):
            name = etree.QName(child).localname
            attributes = "".join(
                f' {etree.QName(key).localname}="{html.escape(value)}"' for key, value in child.attrib.items()
            )
            yield f"<{name}{attributes}>"
            if name not in VOID:
                yield from _pieces(child)
                yield f"</{name}>"
        if child.tail:
            yield html.escape(child.tail, quote=False)
