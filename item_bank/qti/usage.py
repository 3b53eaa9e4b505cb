"""Item parameters as QTI usage data, and usage data as item parameters.

``A-Parm``, ``B-Parm`` and ``C-Parm`` are ordinary statistics with ``stdError``, ``caseCount`` and
``lastUpdated``; the thresholds of an item with several categories are the categorized statistic ``D-Parm``
(keys ``d1``, ``d2``, ...), as in 1EdTech's own example. QTI names no model: ours is the last part of the
``context``, and what QTI has no name for (an upper asymptote, several slopes) stays in the parameter file.

References
----------
1EdTech (2022). QTI 3.0 Usage Data and Item Statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from lxml import etree

from item_bank.qti.xml import attribute, children, figure, local, parse, refuse

__all__ = ["read_usage", "write_usage"]

_NAMESPACE = "http://www.imsglobal.org/xsd/imsqti_usagedata_v3p0"
_CONTEXT = "urn:acquis:scale:"
_MODEL = ":model:"
_ORDINARY = {"A-Parm": "a", "B-Parm": "b", "C-Parm": "c"}
_WRITTEN = ("rasch", "1pl", "2pl", "3pl", "grm", "gpcm", "pcm")


def write_usage(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return parameter rows as a usage data file; rows of models that QTI has no names for are left out."""
    root = etree.Element(f"{{{_NAMESPACE}}}usageData", nsmap={None: _NAMESPACE})
    for row in rows:
        if row["model"] not in _WRITTEN:
            continue
        context = f"{_CONTEXT}{quote(str(row.get('scale', '')), safe='')}{_MODEL}{row['model']}"
        for name, key in _ORDINARY.items():
            value = row.get(key)
            if isinstance(value, int | float):
                made = _statistic(root, "ordinaryStatistic", name, context, row)
                error = (row.get("se") or {}).get(key)
                if isinstance(error, int | float):
                    made.set("stdError", repr(float(error)))
                etree.SubElement(made, f"{{{_NAMESPACE}}}value").text = repr(float(value))
        if isinstance(row.get("b"), list | tuple):
            made = _statistic(root, "categorizedStatistic", "D-Parm", context, row)
            mapping = etree.SubElement(made, f"{{{_NAMESPACE}}}mapping", {"defaultValue": "0"})
            for k, value in enumerate(row["b"], start=1):
                etree.SubElement(
                    mapping,
                    f"{{{_NAMESPACE}}}mapEntry",
                    {"mapKey": f"d{k}", "mappedValue": repr(float(value))},
                )
    etree.indent(root)
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _statistic(
    root: etree._Element, kind: str, name: str, context: str, row: Mapping[str, Any]
) -> etree._Element:
    made = etree.SubElement(root, f"{{{_NAMESPACE}}}{kind}", {"name": name, "context": context})
    if isinstance(row.get("n"), int):
        made.set("caseCount", str(row["n"]))
    if row.get("date"):
        made.set("lastUpdated", str(row["date"]))
    etree.SubElement(made, f"{{{_NAMESPACE}}}targetObject", {"identifier": str(row["id"])})
    return made


def read_usage(data: bytes, where: str) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Return parameter rows, and (line, message) for the statistics that are no parameters.

    A file of others names no model: D-Parm gives ``gpcm``, C-Parm ``3pl``, A-Parm ``2pl``, B-Parm alone
    ``rasch``. The scale is theirs: nothing is converted.
    """
    root = parse(data, where)
    if local(root) != "usageData":
        refuse(where, root.sourceline, f"expected <usageData>, got <{local(root)[:40]}>")
    rows: dict[str, dict[str, Any]] = {}
    notes: list[tuple[int, str]] = []
    for element in children(root, "ordinaryStatistic", "categorizedStatistic"):
        name = attribute(element, "name", where)
        targets = children(element, "targetObject")
        if len(targets) != 1:
            notes.append((element.sourceline, f"the statistic '{name[:40]}' is about several objects"))
            continue
        if targets[0].get("partIdentifier") or not (name in _ORDINARY or name == "D-Parm"):
            notes.append((element.sourceline, f"the statistic '{name[:40]}' is no item parameter"))
            continue
        item = attribute(targets[0], "identifier", where)
        row = rows.setdefault(item, {"id": item, "se": {}, "flags": []})
        _provenance(row, element, where)
        key = _ORDINARY.get(name, "b")
        if name == "D-Parm":
            entries = [
                entry for holder in children(element, "mapping") for entry in children(holder, "mapEntry")
            ]
            row["b"] = [figure(entry, "mappedValue", where) for entry in entries]
            continue
        row.setdefault(key, _value(element, where))
        if element.get("stdError"):
            row["se"][key] = figure(element, "stdError", where)
    complete = []
    for row in rows.values():
        if "b" not in row or row["b"] == []:
            notes.append((root.sourceline, f"the item '{row['id'][:40]}' has no B-Parm or D-Parm"))
            continue
        row.setdefault("model", _guess(row))
        row.setdefault("a", 1.0)
        complete.append(row)
    return complete, notes


def _guess(row: Mapping[str, Any]) -> str:
    if isinstance(row["b"], list):
        return "gpcm"
    return "3pl" if "c" in row else "2pl" if "a" in row else "rasch"


def _provenance(row: dict[str, Any], element: etree._Element, where: str) -> None:
    context = element.get("context") or ""
    if context.startswith(_CONTEXT) and _MODEL in context:
        scale, _, model = context.removeprefix(_CONTEXT).rpartition(_MODEL)
        if model in _WRITTEN:
            row["model"] = model
        row["scale"] = unquote(scale)
    elif context:
        row["scale"] = context
    if element.get("caseCount"):
        row["n"] = int(figure(element, "caseCount", where))
    if element.get("lastUpdated"):
        row["date"] = element.get("lastUpdated")


def _value(element: etree._Element, where: str) -> float:
    text = next(((value.text or "").strip() for value in children(element, "value")), "")
    try:
        value = float(text)
        if not abs(value) < float("inf"):
            raise ValueError
    except ValueError:
        refuse(where, element.sourceline, f"expected a number in <value>, got '{text[:40]}'; correct it")
    return value
