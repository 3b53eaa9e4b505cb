"""Response processing as XML and as nodes; which of our ways of scoring a file's rules are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml import etree

from item_bank.content import Node, Outcome, Response, Rules
from item_bank.processing import flaw, is_number
from item_bank.qti.upgrade import is_qti2, upgrade
from item_bank.qti.xml import Unsupported, attribute, children, local, parse

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
    item: etree._Element,
    responses: Mapping[str, Response],
    where: str,
    template: Callable[[str], bytes | None] = lambda address: None,
) -> tuple[str, Rules | None, list[tuple[int, str]]]:
    """Return how `item` is scored (the name of a template, or ``rules`` and the rules), and notes on it.

    Parameters
    ----------
    template
        From the address of a template that is not one of QTI's own to its file, where there is one.

    Raises
    ------
    Unsupported
        Nothing that says what is right, an unknown template, or a rule that is not known here.
    """
    blocks = children(item, "response-processing")
    block = blocks[0] if blocks else item
    nodes = tuple(_node(child) for child in children(block)) if blocks else ()
    addresses = [block.get(key) or "" for key in ("template", "template-location")] if blocks else []
    if any(addresses) and not nodes:
        names = [address.rstrip("/").rpartition("/")[2].removesuffix(".xml") for address in addresses]
        standing = next((name.lower() for name in names if name.lower() in _NAMES), None)
        if standing and "RESPONSE" in responses:
            return (*_templated(standing, responses), [])
        if standing:
            return _by_key(responses, block)
        nodes = next(
            (found for found in (_fetched(template, a, where) for a in reversed(addresses)) if found), ()
        )
        if not nodes:
            shown = (names[0] or names[1])[:60]
            raise Unsupported(f"its response processing template '{shown}' is not known", block.sourceline)
    if not nodes:
        return _by_key(responses, block)
    for name in _NAMES[:2]:
        if nodes == standard(name, responses):
            return name, None, []
    declared = outcomes(item, where)
    if not _sets(nodes) & {"SCORE", *(outcome.id for outcome in declared if is_number(outcome))}:
        return _by_key(responses, block)
    rules = Rules(declared, nodes)
    wrong = flaw(rules, responses)
    if wrong:
        raise Unsupported(f"its response processing {wrong}", block.sourceline)
    return "rules", rules, []


def _by_key(
    responses: Mapping[str, Response], block: etree._Element
) -> tuple[str, None, list[tuple[int, str]]]:
    """Score by the keys that are declared where a file leaves it to the reader."""
    mapped = [response.mapping for response in responses.values() if response.mapping]
    if not all(response.correct or response.mapping for response in responses.values()):
        raise Unsupported("it has neither a rule that scores it nor a key", block.sourceline)
    name = "match_correct" if not mapped else _NAMES[2] if mapped[0].areas else _NAMES[1]
    how = "its key" if not mapped else "its mapping"
    return name, None, [(block.sourceline, f"no response processing sets its score: {how} does")]


def _sets(nodes: tuple[Node, ...]) -> set[str]:
    """Return the outcomes that rules set."""
    return {
        value
        for node in nodes
        if node.name in ("set-outcome-value", "lookup-outcome-value")
        for key, value in node.attributes
        if key == "identifier"
    }.union(*(_sets(node.children) for node in nodes))


def _fetched(template: Callable[[str], bytes | None], address: str, where: str) -> tuple[Node, ...]:
    data = template(address) if address else None
    if data is None:
        return ()
    root = parse(data, where)
    if is_qti2(root):
        upgrade(root)
    return tuple(_node(child) for child in children(root)) if local(root) == "response-processing" else ()


def _templated(name: str, responses: Mapping[str, Response]) -> tuple[str, Rules | None]:
    """The templates of QTI score the variable RESPONSE alone, whatever else is declared."""
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
