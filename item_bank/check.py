"""The writing rules that a program can check.

What is wrong whoever reads it is an *error* and keeps a bank from being published; what a writer should look
at again is a *warning*. No program can tell whether a key is right: that is for the people who review.

References
----------
Haladyna, T. M., Downing, S. M., & Rodriguez, M. C. (2002). A review of multiple-choice item-writing
guidelines for classroom assessment. Applied Measurement in Education, 15, 309-334.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from scipy import special

from item_bank.alike import alike
from item_bank.bank import ELIGIBLE, STATUSES, Bank, has_expired
from item_bank.content import (
    ACCESS,
    FEATURES,
    Choice,
    Content,
    GapMatch,
    Hotspot,
    Interaction,
    Item,
    Match,
    Option,
    Order,
    SelectPoint,
    TextEntry,
)
from item_bank.markup import text
from item_bank.render import asked, pictures, slots
from item_bank.scoring import category

__all__ = ["RULES", "Finding", "Limits", "check", "options"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found: ``severity`` is ``error`` or ``warning``; ``item`` is empty when it is the bank's."""

    severity: str
    rule: str
    item: str
    message: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the rules draw their lines."""

    words: int = 25
    """A sentence longer than this is hard to read."""
    length_ratio: float = 1.5
    """The longest option of a single choice over the shortest, ..."""
    length_slack: int = 12
    """... when they also differ by more characters than this."""
    alike: float = 0.6
    """Cosine of two items' words above which one of them looks like a copy."""
    chance: float = 0.001
    """A key position or a length as uneven as this by chance alone (a probability) is no chance."""
    soon: int = 90
    """Days before its end at which a shelf life is worth a warning."""


Rule = Callable[[Bank, Limits, date | None], Iterator[Finding]]

RULES: dict[str, Rule] = {}
"""Every rule by its name, in the order in which it runs."""


def _rule(function: Rule) -> Rule:
    RULES[function.__name__.strip("_").replace("_", "-")] = function
    return function


def check(bank: Bank, today: date | None = None, limits: Limits | None = None) -> list[Finding]:
    """Return what the rules find in `bank`, errors first.

    Parameters
    ----------
    today
        The day against which shelf lives are judged; None leaves them unjudged.
    """
    limits = limits or Limits()
    found = [finding for rule in RULES.values() for finding in rule(bank, limits, today)]
    return sorted(found, key=lambda finding: finding.severity)


def _named(rule: str) -> tuple[Callable[[str, str], Finding], Callable[[str, str], Finding]]:
    def error(item: str, message: str) -> Finding:
        return Finding("error", rule, item, message)

    def warning(item: str, message: str) -> Finding:
        return Finding("warning", rule, item, message)

    return error, warning


# What makes an item whole.

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")


@_rule
def _identity(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """Identifiers, status, grade, skill, stimulus and enemies are what they claim."""
    error, warning = _named("identity")
    framework = bank.framework
    for item in bank.items:
        if not _IDENTIFIER.match(item.id):
            yield error(item.id, "its identifier holds other signs than letters, digits, '-', '_' and '.'")
        if item.status not in STATUSES:
            yield error(item.id, f"its status '{item.status}' is none of {', '.join(STATUSES)}")
        if item.grade is not None and item.grade not in range(1, 6):
            yield error(item.id, f"its grade {item.grade} is not on the scale of 1 to 5")
        if framework.skills and item.skill not in framework.skills:
            yield error(item.id, f"its skill '{item.skill}' is not in the framework")
        elif item.skill in framework.skills and framework.skills[item.skill].domain != item.domain:
            yield error(item.id, f"its skill '{item.skill}' does not belong to its domain '{item.domain}'")
        if item.stimulus and item.stimulus not in bank.stimuli:
            yield error(item.id, f"its stimulus '{item.stimulus}' is not in the bank")
        elif item.stimulus:
            for language in set(item.versions) - set(bank.stimuli[item.stimulus].title):
                yield error(item.id, f"its stimulus '{item.stimulus}' has no version in {language}")
        if not item.authors:
            yield warning(item.id, "it names no author")
        for enemy in item.enemies:
            if enemy not in bank.by_id:
                yield error(item.id, f"its enemy '{enemy}' is not in the bank")
            elif item.id not in bank.by_id[enemy].enemies:
                yield error(item.id, f"it names '{enemy}' as an enemy, but '{enemy}' does not name it")
    for row in bank.parameters:
        if row["id"] not in bank.by_id:
            yield error(str(row["id"]), "it has parameters, but the bank holds no such item")


@_rule
def _grounds(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """A rationale in every language, a source, and honesty about how it was checked."""
    error, _ = _named("grounds")
    for item in bank.items:
        for language, content in item.versions.items():
            if not text(content.rationale):
                yield error(item.id, f"it has no rationale ({language})")
        source = item.source
        if source is None or not source.text.strip():
            yield error(item.id, "it names no source")
        elif not source.says.strip():
            yield error(item.id, "its source does not say what decides the key")
        elif source.checked not in ("copy", "knowledge"):
            yield error(item.id, f"its source is checked by '{source.checked}'; say copy or knowledge")
        elif source.checked == "copy" and not source.read.strip():
            yield error(item.id, "its source is said to be read, but not where and when")


@_rule
def _key(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """There is a key, it can be given, and giving it earns the highest category."""
    error, _ = _named("key")
    for item in bank.items:
        if list(item.scores) != sorted(set(item.scores)) or len(item.scores) < 2:
            yield error(item.id, "its categories' worths do not ascend")
            continue
        for language, content in item.versions.items():
            if set(content.interactions) - set(content.responses):
                yield error(item.id, f"a control fills no response variable ({language})")
                continue
            if sorted(slots(content.body)) != sorted(content.interactions):
                yield error(item.id, f"its controls and their places in the text do not agree ({language})")
            lost = [
                value
                for name, control in content.interactions.items()
                for value in content.responses[name].correct
                if not set(value.split()) <= choosable(control)
            ]
            if lost:
                yield error(item.id, f"its key '{lost[0]}' cannot be chosen ({language})")
            elif not any(r.correct for r in content.responses.values()):
                yield error(item.id, f"it has no key ({language})")
            else:
                given = {name: r.correct for name, r in content.responses.items()}
                if category(item, given, language) != item.n_cat - 1:
                    yield error(item.id, f"its key does not earn the highest category ({language})")


class _Anything(set[str]):
    def __ge__(self, other: object) -> bool:
        return True


def choosable(control: Interaction) -> set[str]:
    """Return the identifiers that the values of `control` are made of; everything for what is typed."""
    match control:
        case Match():
            return {o.id for o in (*control.rows, *control.columns)}
        case GapMatch():
            return {o.id for o in control.options} | set(control.gaps)
        case Hotspot():
            return {area.id for area in control.areas}
        case TextEntry() | SelectPoint():
            return _Anything()
        case _:
            return {o.id for o in control.options}


@_rule
def _languages(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """The language versions are one item: same controls, same options in the same order, same key."""
    error, _ = _named("languages")
    for item in bank.items:
        shapes = {language: _shape(content) for language, content in item.versions.items()}
        first, *others = shapes
        for language in others:
            if shapes[language] != shapes[first]:
                yield error(item.id, f"its versions {first} and {language} differ in options or key")
    every = Counter(language for item in bank.items for language in item.versions)
    for item in bank.items:
        missing = sorted(set(every) - set(item.versions))
        if missing:
            yield _named("languages")[1](item.id, f"it has no version in {', '.join(missing)}")


def _shape(content: Content) -> object:
    controls = {
        name: (type(control).__name__, [o.id for o in options(control)])
        for name, control in content.interactions.items()
    }
    return controls, dict(content.responses), content.processing


def options(control: Interaction) -> tuple[Option, ...]:
    """Return everything with a text that `control` offers, in order; a hotspot's areas by their labels."""
    match control:
        case Match():
            return control.rows + control.columns
        case Hotspot():
            return tuple(Option(area.id, area.label) for area in control.areas)
        case TextEntry() | SelectPoint():
            return ()
        case _:
            return control.options


@_rule
def _pictures(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """Every picture is there, has a text alternative, and holds the areas that stand on it."""
    error, _ = _named("pictures")
    for item in bank.items:
        for name in sorted({n for names in pictures(item).values() for n in names} - set(bank.media)):
            yield error(item.id, f"its picture '{name}' is not in the bank")
        for language, content in item.versions.items():
            if any(_SILENT.search(markup) for markup in _markup(content)):
                yield error(item.id, f"a picture in its text has no text alternative ({language})")
    for stimulus in bank.stimuli.values():
        for language, image in stimulus.image.items():
            if image.name not in bank.media:
                yield error(stimulus.id, f"its picture '{image.name}' is not in the bank")
            if not image.alt.strip():
                yield error(stimulus.id, f"its picture has no text alternative ({language})")
    for item in bank.items:
        for language, content in item.versions.items():
            for control in content.interactions.values():
                if not isinstance(control, Hotspot | SelectPoint):
                    continue
                image = control.image
                if not image.alt.strip():
                    yield error(item.id, f"its picture has no text alternative ({language})")
                for area in getattr(control, "areas", ()):
                    if not area.label.strip():
                        yield error(item.id, f"its area '{area.id}' has no name ({language})")
                    if area.shape == "rect" and not (
                        0 <= area.coords[0] < area.coords[2] <= image.width
                        and 0 <= area.coords[1] < area.coords[3] <= image.height
                    ):
                        yield error(item.id, f"its area '{area.id}' lies outside the picture ({language})")


_SILENT = re.compile(r"<img\b(?![^<>]*\balt=)")


def _markup(content: Content) -> Iterator[str]:
    """Return the pieces of HTML that a candidate sees."""
    yield content.body
    for control in content.interactions.values():
        yield getattr(control, "prompt", "")
        yield getattr(control, "html", "")
        yield from (option.html for option in options(control))


@_rule
def _access(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """What an item takes and offers is said in the known words, and fits its controls."""
    error, warning = _named("access")
    for item in bank.items:
        for name in (*(set(item.access) - set(ACCESS)), *(set(item.features) - set(FEATURES))):
            yield error(item.id, f"its accessibility '{name}' is none of the known words")
        points = any(
            isinstance(control, SelectPoint)
            for c in item.versions.values()
            for control in c.interactions.values()
        )
        if points and item.access and "visual" not in item.access:
            yield warning(
                item.id, "it asks to point at a place of a picture, but does not say it needs sight"
            )


@_rule
def _shelf_life(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """An item past its shelf life leaves the pool, and says so."""
    error, warning = _named("shelf-life")
    for item in bank.items:
        if not item.expires:
            continue
        try:
            end = date.fromisoformat(item.expires)
        except ValueError:
            yield error(item.id, f"its shelf life ends on '{item.expires}'; write a date as 2027-12-31")
            continue
        if today is None or item.status not in ELIGIBLE:
            continue
        if has_expired(item, today):
            yield warning(item.id, f"its shelf life ended on {item.expires}: it is out of the pool")
        elif end - today <= timedelta(days=limits.soon):
            yield warning(item.id, f"its shelf life ends on {item.expires}: review it")


# How an item is written.

_NEGATIVE = re.compile(
    r"\b(?:lequel|laquelle|lesquel(?:le)?s|quel(?:le)?s?)\b(?:(?!\bqu[e'])[^.?!]){0,60}"
    r"(?:\bn'est\b|\bne sont\b|\bn'a\b|\bne [a-zé]+ pas\b)"
    r"|\b(?:sauf une?|hormis|à l'exception de)\b"
    r"|\bwhich\b(?:(?!\bthat\b)[^.?!]){0,60}\b(?:is not|are not|isn't|aren't|does not|doesn't)\b"
    r"|\ball (?:of these )?except\b",
    re.IGNORECASE,
)
_ALL_OR_NONE = re.compile(
    r"^(?:toutes? (?:les|ces) (?:réponses|propositions)|tous les choix|toutes? ces réponses"
    r"|aucune (?:de ces|des) (?:réponses|propositions)|all of (?:the above|these)"
    r"|none of (?:the above|these)|a et b|a and b)\b",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(
    r"\b(?:toujours|jamais|absolument|systématiquement|always|never|absolutely|under no circumstances)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.?!…])\s+|\s*\n\s*|\s*;\s+|\s*:\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*|\d[\d\s.,]*")


@_rule
def _wording(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """No negative question, no "all of the above", no absolute words, no sentence too long to read."""
    error, warning = _named("wording")
    for item in bank.items:
        for language, content in item.versions.items():
            stem = asked(content)
            if not stem:
                yield error(item.id, f"it asks nothing ({language})")
            found = _NEGATIVE.search(stem.replace("’", "'"))
            if found:
                yield warning(item.id, f"it asks in the negative: '{found.group()}' ({language})")
            longest = max((len(_WORD.findall(s)) for s in _SENTENCE.split(stem)), default=0)
            if longest > limits.words:
                yield warning(item.id, f"a sentence has {longest} words ({language})")
            for control in content.interactions.values():
                texts = [text(o.html) for o in options(control)]
                twice = [t for t, n in Counter(t.casefold() for t in texts).items() if n > 1]
                if twice:
                    yield error(item.id, f"two options say the same: '{twice[0]}' ({language})")
                for option in texts:
                    if not option:
                        yield error(item.id, f"an option is empty ({language})")
                    if _ALL_OR_NONE.search(option):
                        yield error(item.id, f"an option stands for others: '{option}' ({language})")
                    absolute = _ABSOLUTE.search(option)
                    if absolute and not isinstance(control, Order | Match):
                        said = absolute.group()
                        yield warning(item.id, f"an option gives itself away: '{said}' ({language})")


@_rule
def _option_length(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """The options of a single choice are near each other in length."""
    _, warning = _named("option-length")
    for item, language, lengths, _ in _single(bank):
        low, high = min(lengths), max(lengths)
        if high > limits.length_ratio * low and high - low > limits.length_slack:
            yield warning(item.id, f"its options run from {low} to {high} characters ({language})")


@_rule
def _key_length(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """The key is not the longest option more often than chance."""
    error, _ = _named("key-length")
    for language in _languages_of(bank):
        longest, expected, n = 0, 0.0, 0
        for _, spoken, lengths, key in _single(bank):
            if spoken == language:
                top = [i for i, length in enumerate(lengths) if length == max(lengths)]
                longest += key in top and len(top) == 1
                expected += 1.0 / len(lengths)
                n += 1
        if n and _tail(longest, n, expected / n) < limits.chance:
            yield error("", f"the key is the longest option in {longest} of {n} single choices ({language})")


@_rule
def _key_position(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """The key stands at every position about as often."""
    error, _ = _named("key-position")
    counts: Counter[int] = Counter()
    expected: defaultdict[int, float] = defaultdict(float)
    language = next(iter(_languages_of(bank)), None)
    total = 0
    for _, spoken, lengths, key in _single(bank):
        if spoken == language:
            total += 1
            counts[key] += 1
            for position in range(len(lengths)):
                expected[position] += 1.0 / len(lengths)
    for position, share in sorted(expected.items()):
        n, p = counts[position], share / total
        if min(_tail(n, total, p), 1.0 - _tail(n + 1, total, p)) < limits.chance:
            yield error("", f"the key stands at position {position + 1} in {n} of {total} single choices")


def _languages_of(bank: Bank) -> list[str]:
    return list(dict.fromkeys(language for item in bank.items for language in item.versions))


def _single(bank: Bank) -> Iterator[tuple[Item, str, list[int], int]]:
    """Items with one single choice: the lengths of the options and the position of the key."""
    for item in bank.items:
        for language, content in item.versions.items():
            if len(content.interactions) != 1:
                continue
            name, control = next(iter(content.interactions.items()))
            if name not in content.responses:
                continue
            key = content.responses[name].correct
            if isinstance(control, Choice) and control.maximum == 1 and len(key) == 1:
                names = [o.id for o in control.options]
                if key[0] in names:
                    yield item, language, [len(text(o.html)) for o in control.options], names.index(key[0])


def _tail(n: int, total: int, p: float) -> float:
    """Probability of `n` or more successes in `total` draws (binomial)."""
    return 1.0 if n <= 0 or not 0.0 < p < 1.0 else float(special.bdtrc(n - 1, total, p))


@_rule
def _copies(bank: Bank, limits: Limits, today: date | None) -> Iterator[Finding]:
    """No two items that may meet in one sitting say nearly the same."""
    _, warning = _named("copies")
    for language in _languages_of(bank):
        items = [item for item in bank.items if language in item.versions]
        for i, j, cosine in alike([_words(item, language) for item in items], limits.alike):
            one, other = items[i], items[j]
            if other.id not in one.enemies:
                yield warning(one.id, f"it is much like '{other.id}' (cosine {cosine:.2f}, {language})")


def _words(item: Item, language: str) -> list[str]:
    content = item.versions[language]
    texts = [asked(content)]
    texts += [text(o.html) for control in content.interactions.values() for o in options(control)]
    return [word.casefold() for part in texts for word in _WORD.findall(part)]
