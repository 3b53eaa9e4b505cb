"""Items as other programs write them (written here, in the manner of the public examples)."""

from __future__ import annotations

import io
import zipfile

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<qti-assessment-item xmlns="http://www.imsglobal.org/xsd/imsqtiasi_v3p0" identifier="X" title="T" '
    'xml:lang="en-US">\n'
)
_DECLARED = (
    '<qti-response-declaration identifier="RESPONSE" cardinality="{}" base-type="{}">{}'
    "</qti-response-declaration>"
)
_SCORE = '<qti-outcome-declaration identifier="SCORE" cardinality="single" base-type="float"/>\n'
_TEMPLATES = "https://purl.imsglobal.org/spec/qti/v3p0/rptemplates/"


def template(name: str) -> str:
    return f'<qti-response-processing template="{_TEMPLATES}{name}.xml"/>'


def correct(*values: str) -> str:
    held = "".join(f"<qti-value>{value}</qti-value>" for value in values)
    return f"<qti-correct-response>{held}</qti-correct-response>"


def mapping(head: str = "", **worths: str) -> str:
    entries = "".join(
        f'<qti-map-entry map-key="{k.replace("_", " ")}" mapped-value="{v}"/>' for k, v in worths.items()
    )
    return f"<qti-mapping{head}>{entries}</qti-mapping>"


def qti3(cardinality: str, base_type: str, declared: str, body: str, processing: str) -> bytes:
    return (
        f"{_HEAD}{_DECLARED.format(cardinality, base_type, declared)}\n{_SCORE}"
        f"<qti-item-body>{body}</qti-item-body>{processing}</qti-assessment-item>"
    ).encode()


def wrapped(body: str, processing: str | None = None) -> bytes:
    """An item around `body`, which starts on line 5; its response is a single identifier."""
    said = template("match_correct") if processing is None else processing
    return qti3("single", "identifier", correct("B"), body, said)


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return made.getvalue()


def _options(*names: str) -> str:
    return "".join(f'<qti-simple-choice identifier="{n}">The {n}</qti-simple-choice>' for n in names)


def _associable(times: int, **texts: str) -> str:
    return "".join(
        f'<qti-simple-associable-choice identifier="{name}" match-max="{times}">{text}'
        "</qti-simple-associable-choice>"
        for name, text in texts.items()
    )


_CHOICE = (
    '<qti-choice-interaction response-identifier="RESPONSE" shuffle="true" max-choices="{}">'
    f"<qti-prompt>Which?</qti-prompt>{_options('A', 'B', 'C')}</qti-choice-interaction>"
)
_ENTRY = '<p>It is <qti-text-entry-interaction response-identifier="RESPONSE" expected-length="5"/>.</p>'
_ORDER = (
    '<qti-order-interaction response-identifier="RESPONSE" shuffle="true">'
    f"{_options('A', 'B', 'C')}</qti-order-interaction>"
)
_PARTLY = """<qti-response-processing>
  <qti-response-condition>
    <qti-response-if>
      <qti-match><qti-variable identifier="RESPONSE"/><qti-correct identifier="RESPONSE"/></qti-match>
      <qti-set-outcome-value identifier="SCORE"><qti-base-value base-type="float">2</qti-base-value>
      </qti-set-outcome-value>
    </qti-response-if>
    <qti-response-else-if>
      <qti-match><qti-variable identifier="RESPONSE"/>
        <qti-ordered><qti-base-value base-type="identifier">C</qti-base-value>
        <qti-base-value base-type="identifier">B</qti-base-value>
        <qti-base-value base-type="identifier">A</qti-base-value></qti-ordered></qti-match>
      <qti-set-outcome-value identifier="SCORE"><qti-base-value base-type="float">1</qti-base-value>
      </qti-set-outcome-value>
    </qti-response-else-if>
    <qti-response-else>
      <qti-set-outcome-value identifier="SCORE"><qti-base-value base-type="float">0</qti-base-value>
      </qti-set-outcome-value>
    </qti-response-else>
  </qti-response-condition>
</qti-response-processing>"""
_PLAIN = """<qti-response-processing>
  <qti-response-condition>
    <qti-response-if>
      <qti-is-null><qti-variable identifier="RESPONSE"/></qti-is-null>
      <qti-set-outcome-value identifier="SCORE"><qti-base-value base-type="float">0</qti-base-value>
      </qti-set-outcome-value>
    </qti-response-if>
    <qti-response-else>
      <qti-set-outcome-value identifier="SCORE"><qti-map-response identifier="RESPONSE"/>
      </qti-set-outcome-value>
    </qti-response-else>
  </qti-response-condition>
</qti-response-processing>"""


def _number(figure: str, kind: str = "integer") -> str:
    return f'<qti-base-value base-type="{kind}">{figure}</qti-base-value>'


def _operator(operator: str, *operands: str, **attributes: str) -> str:
    said = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f"<qti-{operator}{said}>{''.join(operands)}</qti-{operator}>"


_ARITHMETIC = _operator(
    "sum",
    _operator("integer-divide", _number("17"), _number("5")),  # 3
    _operator("integer-modulus", _number("17"), _number("5")),  # 2
    _operator("power", _number("2", "float"), _number("3", "float")),  # 8
    _operator("gcd", _number("12"), _number("18")),  # 6
    _operator("lcm", _number("4"), _number("6")),  # 12
    _operator("integer-to-float", _number("4")),  # 4
    _operator("round-to", _number("1.26", "float"), rounding_mode="decimalPlaces", figures="1"),  # 1.3
    _operator("stats-operator", _operator("multiple", _number("2"), _number("4")), name="mean"),  # 3
)
_COMPUTED = (
    "<qti-response-processing><qti-response-condition><qti-response-if>"
    '<qti-match><qti-variable identifier="RESPONSE"/><qti-correct identifier="RESPONSE"/></qti-match>'
    f'<qti-set-outcome-value identifier="SCORE">{_ARITHMETIC}</qti-set-outcome-value>'
    '</qti-response-if><qti-response-else><qti-set-outcome-value identifier="SCORE">'
    f"{_number('0', 'float')}</qti-set-outcome-value></qti-response-else></qti-response-condition>"
    "</qti-response-processing>"
)

Case = tuple[bytes, dict[str, list[str]], float]

QTI3: dict[str, Case] = {
    "choice": (
        qti3("single", "identifier", correct("B"), _CHOICE.format(1), template("match_correct")),
        {"RESPONSE": ["B"]},
        1.0,
    ),
    "choice, max-choices left at 0": (
        qti3("single", "identifier", correct("B"), _CHOICE.format(0), template("match_correct")),
        {"RESPONSE": ["A"]},
        0.0,
    ),
    "multiple, mapped inline": (
        qti3(
            "multiple",
            "identifier",
            correct("A", "C") + mapping(' lower-bound="0" default-value="-2"', A="1", C="1"),
            _CHOICE.format(0),
            _PLAIN,
        ),
        {"RESPONSE": ["A", "B"]},
        0.0,
    ),
    "arithmetic": (
        qti3("single", "identifier", correct("B"), _CHOICE.format(1), _COMPUTED),
        {"RESPONSE": ["B"]},
        3 + 2 + 8 + 6 + 12 + 4 + 1.3 + 3,
    ),
    "order, in parts": (
        qti3("ordered", "identifier", correct("C", "A", "B"), _ORDER, _PARTLY),
        {"RESPONSE": ["C", "B", "A"]},
        1.0,
    ),
    "text entry": (
        qti3(
            "single",
            "string",
            correct("York") + mapping(York="1", york="0.5"),
            _ENTRY,
            template("map_response"),
        ),
        {"RESPONSE": ["york"]},
        0.5,
    ),
    "hotspot": (
        qti3(
            "single",
            "identifier",
            correct("B"),
            '<qti-hotspot-interaction response-identifier="RESPONSE" max-choices="1"><qti-prompt>Where?'
            '</qti-prompt><img src="images/plan%20one.svg" width="200" height="100" alt="A plan"/>'
            '<qti-hotspot-choice identifier="A" shape="circle" coords="50,50,40" hotspot-label="left"/>'
            '<qti-hotspot-choice identifier="B" shape="circle" coords="150,50,40" hotspot-label="right"/>'
            "</qti-hotspot-interaction>",
            template("match_correct"),
        ),
        {"RESPONSE": ["B"]},
        1.0,
    ),
    "gap match": (
        qti3(
            "multiple",
            "directedPair",
            correct("W G1", "S G2") + mapping(' default-value="-1" lower-bound="0"', W_G1="1", S_G2="2"),
            '<qti-gap-match-interaction response-identifier="RESPONSE" max-associations="0">'
            "<qti-prompt>Fill in.</qti-prompt>"
            '<qti-gap-text identifier="W" match-max="1">winter</qti-gap-text>'
            '<qti-gap-text identifier="S" match-max="1">summer</qti-gap-text><blockquote><p>Now is the '
            '<qti-gap identifier="G1"/> made<br/>glorious <qti-gap identifier="G2"/> by</p></blockquote>'
            "</qti-gap-match-interaction>",
            template("map_response"),
        ),
        {"RESPONSE": ["S G2", "W G3"]},
        1.0,
    ),
    "select point, the picture an object": (
        qti3(
            "single",
            "point",
            correct("102 113")
            + '<qti-area-mapping default-value="0"><qti-area-map-entry shape="circle" coords="102,113,16" '
            'mapped-value="1"/></qti-area-mapping>',
            '<qti-select-point-interaction response-identifier="RESPONSE" max-choices="1">'
            '<object type="image/png" width="196" height="280" data="uk.png">A map</object>'
            "</qti-select-point-interaction>",
            template("map_response_point"),
        ),
        {"RESPONSE": ["100 120"]},
        1.0,
    ),
    "match": (
        qti3(
            "multiple",
            "directedPair",
            correct("C R", "D M") + mapping(C_R="1", D_M="0.5"),
            '<qti-match-interaction response-identifier="RESPONSE" max-associations="2">'
            f"<qti-simple-match-set>{_associable(1, C='Capulet', D='Demetrius')}</qti-simple-match-set>"
            f"<qti-simple-match-set>{_associable(4, M='Dream', R='Romeo')}</qti-simple-match-set>"
            "</qti-match-interaction>",
            template("map_response"),
        ),
        {"RESPONSE": ["D M"]},
        0.5,
    ),
}

_QTI2_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<assessmentItem xmlns="http://www.imsglobal.org/xsd/imsqti_v2p2" identifier="X" title="T" '
    'adaptive="false" timeDependent="false" xml:lang="en">\n'
)


def qti2(declaration: str, body: str, processing: str) -> bytes:
    return (
        f'{_QTI2_HEAD}{declaration}<outcomeDeclaration identifier="SCORE" cardinality="single" '
        f'baseType="float"/><itemBody>{body}</itemBody>{processing}</assessmentItem>'
    ).encode()


def _sets(score: str, feedback: str) -> str:
    return (
        f'<setOutcomeValue identifier="S3"><baseValue baseType="float">{score}</baseValue></setOutcomeValue>'
        '<setOutcomeValue identifier="FEEDBACK"><multiple><variable identifier="FEEDBACK"/>'
        f'<baseValue baseType="identifier">{feedback}</baseValue></multiple></setOutcomeValue>'
    )


_V2 = '<responseProcessing template="http://www.imsglobal.org/question/qti_v2p2/rptemplates/{}"/>'

QTI2: dict[str, Case] = {
    "choice": (
        qti2(
            '<responseDeclaration identifier="RESPONSE" cardinality="single" baseType="identifier">'
            "<correctResponse><value>B</value></correctResponse></responseDeclaration>",
            '<p>Look.</p><choiceInteraction responseIdentifier="RESPONSE" shuffle="false" maxChoices="1">'
            '<prompt>Which?</prompt><simpleChoice identifier="A">a</simpleChoice>'
            '<simpleChoice identifier="B">b <em>!</em></simpleChoice></choiceInteraction>',
            _V2.format("match_correct"),
        ),
        {"RESPONSE": ["B"]},
        1.0,
    ),
    "select point": (
        qti2(
            '<responseDeclaration identifier="RESPONSE" cardinality="single" baseType="point">'
            '<correctResponse><value>102 113</value></correctResponse><areaMapping defaultValue="0">'
            '<areaMapEntry shape="circle" coords="102,113,16" mappedValue="1"/></areaMapping>'
            "</responseDeclaration>",
            '<selectPointInteraction responseIdentifier="RESPONSE" maxChoices="1"><prompt>Where?</prompt>'
            '<object type="image/png" width="196" height="280" data="images/uk.png">A map</object>'
            "</selectPointInteraction>",
            _V2.format("map_response_point"),
        ),
        {"RESPONSE": ["110 120"]},
        1.0,
    ),
    "two entries, rules": (
        qti2(
            '<responseDeclaration identifier="R1" cardinality="single" baseType="integer"><correctResponse>'
            "<value>4</value></correctResponse></responseDeclaration>"
            '<responseDeclaration identifier="R2" cardinality="single" baseType="string"><correctResponse>'
            '<value>paris</value></correctResponse><mapping defaultValue="0"><mapEntry mapKey="paris" '
            'mappedValue="2" caseSensitive="false"/></mapping></responseDeclaration>',
            '<p><textEntryInteraction responseIdentifier="R1"/> and '
            '<textEntryInteraction responseIdentifier="R2" expectedLength="9"/></p>',
            "<responseProcessing><responseCondition><responseIf><match>"
            '<variable identifier="R1"/><correct identifier="R1"/></match>'
            '<setOutcomeValue identifier="SCORE">'
            '<sum><variable identifier="SCORE"/><baseValue baseType="float">1</baseValue></sum>'
            "</setOutcomeValue></responseIf></responseCondition>"
            '<setOutcomeValue identifier="SCORE"><sum><variable identifier="SCORE"/>'
            '<mapResponse identifier="R2"/></sum></setOutcomeValue></responseProcessing>',
        ),
        {"R1": ["4"], "R2": ["PARIS"]},
        3.0,
    ),
    "words in parts": (
        qti2(
            '<responseDeclaration identifier="R3" cardinality="single" baseType="string"><correctResponse>'
            "<value>wicked king</value></correctResponse></responseDeclaration>"
            '<outcomeDeclaration identifier="S3" cardinality="single" baseType="float"/>'
            '<outcomeDeclaration identifier="FEEDBACK" cardinality="multiple" baseType="identifier"/>',
            '<p>She was angry with the <textEntryInteraction responseIdentifier="R3"/>. '
            '<feedbackInline outcomeIdentifier="FEEDBACK" showHide="show" identifier="OK">Yes.'
            "</feedbackInline></p>",
            "<responseProcessing><responseCondition><responseIf>"
            '<match><variable identifier="R3"/><correct identifier="R3"/></match>'
            + _sets("1.0", "OK")
            + "</responseIf>"
            '<responseElseIf><or><match><variable identifier="R3"/><baseValue baseType="string">bad king'
            '</baseValue></match><match><variable identifier="R3"/><baseValue baseType="string">evil king'
            "</baseValue></match></or>" + _sets("0.5", "ALMOST") + "</responseElseIf>"
            '<responseElseIf><substring caseSensitive="false"><baseValue baseType="string">king</baseValue>'
            '<variable identifier="R3"/></substring>'
            + _sets("0.2", "NO")
            + "</responseElseIf></responseCondition>"
            '<setOutcomeValue identifier="SCORE"><sum><variable identifier="S3"/></sum></setOutcomeValue>'
            "</responseProcessing>",
        ),
        {"R3": ["the KING"]},
        0.2,
    ),
}
