"""Response processing as XML and as nodes; which of our ways of scoring a file's rules are."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from item_bank.content import Node, Outcome, Response, Rules
from item_bank.processing import flaw
from item_bank.qti.xml import Unsupported, attribute, children, local

__all__ = ["TEMPLATES", "outcomes", "read_processing", "standard"]

TEMPLATES = "https://purl.imsglobal.org/spec/qti/v3p0/rptemplates/"
_NAMES = ("match_correct", "map_response", "map_response_point")
_TABLES = ("match-table", "interpolation-table")


def outcomes(item: etree._Element, where: str) -> tuple[Outcome, ...]:
    """Return the outcome variables that `item` declares."""
    found = []
    for element in children(item, "outcome-declaration"):
        default = [
            (value.text or "").strip()
            for holder in children(element, "default-value")
            for value in children(holder, "value")
        ]
        table = next((_node(child) for child in children(element, *_TABLES)), None)
        found.append(
            Outcome(
                attribute(element, "identifier", where),
                attribute(element, "cardinality", where),
                element.get("base-type") or "",
                tuple(default),
                table,
            )
        )
    return tuple(found)


def read_processing(
    item: etree._Element, responses: Mapping[str, Response], where: str
) -> tuple[str, Rules | None]:
    """Return how `item` is scored: the name of a template, or ``rules`` and the rules.

    Raises
    ------
    Unsupported
        No response processing, an unknown template, or a rule that is not known here.
    """
    blocks = children(item, "response-processing")
    if not blocks:
        raise Unsupported("it has no response processing, so nothing scores it", item.sourceline)
    block = blocks[0]
    template = (block.get("template") or block.get("template-location") or "").rstrip("/")
    nodes = tuple(_node(child) for child in children(block))
    if template and not nodes:
        name = template.rpartition("/")[2].removesuffix(".xml").lower()
        if name not in _NAMES:
            raise Unsupported(
                f"its response processing template '{name[:60]}' is not known", block.sourceline
            )
        return _templated(name, responses, block)
    if not nodes:
        raise Unsupported("its response processing is empty, so nothing scores it", block.sourceline)
    for name in _NAMES[:2]:
        if nodes == standard(name, responses):
            return name, None
    rules = Rules(outcomes(item, where), nodes)
    wrong = flaw(rules, responses)
    if wrong:
        raise Unsupported(f"its response processing {wrong}", block.sourceline)
    return "rules", rules


def _templated(
    name: str, responses: Mapping[str, Response], block: etree._Element
) -> tuple[str, Rules | None]:
    """The templates of QTI score the variable RESPONSE alone, whatever else is declared."""
    if "RESPONSE" not in responses:
        raise Unsupported(f"the template {name} wants a response variable RESPONSE", block.sourceline)
    if len(responses) == 1:
        return name, None
    only = {"RESPONSE": responses["RESPONSE"]}
    return "rules", Rules((Outcome("SCORE", default=("0",)),), standard(name, only))


def _node(element: etree._Element) -> Node:
    return Node(
        local(element),
        tuple(sorted((key, value) for key, value in element.attrib.items() if not key.startswith("{"))),
        tuple(_node(child) for child in children(element)),
        (element.text or "").strip() if local(element) == "base-value" else "",
    )


def standard(name: str, responses: Mapping[str, Response]) -> tuple[Node, ...]:
    """Return the rules that say ``match_correct`` or a sum of mapped values over any number of responses."""
    if name == "match_correct":
        tests = tuple(_matches(response) for response in responses)
        test = tests[0] if len(tests) == 1 else Node("and", (), tests)
        return (
            Node(
                "response-condition",
                (),
                (
                    Node("response-if", (), (test, _set(_float("1")))),
                    Node("response-else", (), (_set(_float("0")),)),
                ),
            ),
        )
    terms = tuple(
        Node(
            "map-response-point" if response.mapping.areas else "map-response",
            (("identifier", variable),),
        )
        for variable, response in responses.items()
        if response.mapping is not None
    )
    first = _set(Node("sum", (), terms)) if terms else _set(_float("0"))
    plain = (
        Node(
            "response-condition",
            (),
            (Node("response-if", (), (_matches(variable), _set(Node("sum", (), (_score(), _float("1")))))),),
        )
        for variable, response in responses.items()
        if response.mapping is None
    )
    return (first, *plain)


def _matches(variable: str) -> Node:
    named = (("identifier", variable),)
    return Node("match", (), (Node("variable", named), Node("correct", named)))


def _score() -> Node:
    return Node("variable", (("identifier", "SCORE"),))


def _float(figure: str) -> Node:
    return Node("base-value", (("base-type", "float"),), (), figure)


def _set(value: Node) -> Node:
    return Node("set-outcome-value", (("identifier", "SCORE"),), (value,))
