"""A whole bank as a QTI 3 content package; `importing` reads it, and anyone else's.

A package holds one item file a language, the stimuli, the pictures, the parameters as QTI usage data, and
``acquis/bank.json`` with what QTI has no place for. From it the bank comes back to the last letter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from lxml import etree

from item_bank.bank import Bank
from item_bank.content import Item, kind_of
from item_bank.qti.manifest import MANIFEST, PURPOSE, USAGE
from item_bank.qti.record import NAME, write_record
from item_bank.qti.usage import write_usage
from item_bank.qti.writing import write_item, write_stimulus
from item_bank.qti.zipped import write_archive
from item_bank.render import pictures

__all__ = ["package"]

_CP = "http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1"
_LOM = "http://ltsc.ieee.org/xsd/LOM"
_METADATA = "http://www.imsglobal.org/xsd/imsqti_metadata_v3p0"


def package(bank: Bank) -> bytes:
    """Return `bank` as a QTI 3 content package; equal banks give equal bytes."""
    files: dict[str, bytes] = {}
    resources: list[etree._Element] = []
    item_files: dict[str, dict[str, str]] = {}
    stimulus_files: dict[str, dict[str, str]] = {}

    def path(name: str) -> str:
        return f"../media/{name}"

    for name, stimulus in bank.stimuli.items():
        stimulus_files[name] = {}
        for language, title in stimulus.title.items():
            file = f"stimuli/{_safe(name)}.{language}.xml"
            image = stimulus.image.get(language)
            files[file] = write_stimulus(name, language, title, stimulus.html.get(language, ""), image, path)
            stimulus_files[name][language] = file
            needs = [image.name] if image and image.name in bank.media else []
            resources.append(_resource(f"{name}.{language}", "imsqti_stimulus_xmlv3p0", file, needs))
    for item in bank.items:
        item_files[item.id] = {}
        drawn = pictures(item)
        for language, content in item.versions.items():
            file = f"items/{_safe(item.id)}.{language}.xml"
            shared = stimulus_files.get(item.stimulus, {}).get(language)
            refs = [(item.stimulus, f"../{shared}")] if shared else []
            files[file] = write_item(item.id, language, content, path, refs)
            item_files[item.id][language] = file
            resource = _resource(
                f"{item.id}.{language}",
                "imsqti_item_xmlv3p0",
                file,
                [name for name in drawn[language] if name in bank.media],
                [f"{item.stimulus}.{language}"] if shared else [],
            )
            if language == next(iter(item.versions)):
                resource.insert(0, _metadata(item, bank.framework.id, language))
            resources.append(resource)
    for name, body in bank.media.items():
        files[f"media/{name}"] = body
        resources.append(_resource(f"media.{name}", "webcontent", f"media/{name}"))
    if bank.parameters:
        files["acquis/usage.xml"] = write_usage(bank.parameters)
        resources.append(_resource("usage", USAGE, "acquis/usage.xml"))
    files[NAME] = write_record(bank, item_files, stimulus_files)
    resources.append(_resource("acquis", "webcontent", NAME))
    return write_archive({MANIFEST: _manifest(resources), **files})


def _safe(name: str) -> str:
    """Return `name` as a part of a file name; one that had to be changed gets a digest, to stay itself."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]|\.{2,}", "_", name).lstrip(".")[:80]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _cp(name: str) -> str:
    return f"{{{_CP}}}{name}"


def _resource(
    name: str, kind: str, file: str, media: Iterable[str] = (), others: Iterable[str] = ()
) -> etree._Element:
    made = etree.Element(_cp("resource"), {"identifier": f"R-{_safe(name)}", "type": kind, "href": file})
    etree.SubElement(made, _cp("file"), {"href": file})
    for needed in (*(f"media.{name}" for name in media), *others):
        etree.SubElement(made, _cp("dependency"), {"identifierref": f"R-{_safe(needed)}"})
    return made


def _metadata(item: Item, framework: str, language: str) -> etree._Element:
    """Say format, skill and accessibility in QTI's metadata and IEEE LOM, for readers that know no more."""
    holder = etree.Element(_cp("metadata"))
    qti = etree.SubElement(holder, f"{{{_METADATA}}}qtiMetadata", nsmap={"qti": _METADATA})
    for kind in dict.fromkeys(kind_of(c) for c in item.versions[language].interactions.values()):
        first, *others = kind.split("_")
        made = etree.SubElement(qti, f"{{{_METADATA}}}interactionType")
        made.text = first + "".join(other.capitalize() for other in others) + "Interaction"
    lom = etree.SubElement(holder, f"{{{_LOM}}}lom", nsmap={"lom": _LOM})
    _lom(_lom(lom, "general"), "language", language)
    _classified(lom, "competency", framework, (item.domain, item.skill))
    for source, names in (("accessMode", item.access), ("accessibilityFeature", item.features)):
        if names:
            _classified(lom, PURPOSE, source, *((name,) for name in names))
    return holder


def _lom(parent: etree._Element, name: str, text: str = "") -> etree._Element:
    made = etree.SubElement(parent, f"{{{_LOM}}}{name}")
    made.text = text or None
    return made


def _classified(lom: etree._Element, purpose: str, source: str, *routes: tuple[str, ...]) -> None:
    one = _lom(lom, "classification")
    why = _lom(one, "purpose")
    _lom(why, "source", "LOMv1.0")
    _lom(why, "value", purpose)
    for codes in routes:
        route = _lom(one, "taxonPath")
        _lom(_lom(route, "source"), "string", source)
        for code in codes:
            _lom(_lom(route, "taxon"), "id", code)


def _manifest(resources: list[etree._Element]) -> bytes:
    root = etree.Element(_cp("manifest"), {"identifier": "acquis-bank"}, nsmap={None: _CP, "lom": _LOM})
    metadata = etree.SubElement(root, _cp("metadata"))
    etree.SubElement(metadata, _cp("schema")).text = "QTI Package"
    etree.SubElement(metadata, _cp("schemaversion")).text = "3.0.0"
    etree.SubElement(root, _cp("organizations"))
    holder = etree.SubElement(root, _cp("resources"))
    holder.extend(resources)
    etree.indent(root)
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"
