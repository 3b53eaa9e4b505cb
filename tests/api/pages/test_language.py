"""Both languages say the same things, and the pages say nothing else."""

import re
from pathlib import Path

import pytest

import api.console
import api.pages
from api.pages.language import LANGUAGES, chosen, messages, typeset

FOLDER = Path(api.pages.__file__).parent
CONSOLE = Path(api.console.__file__).parent


def test_every_message_is_there_in_every_language_with_the_same_holes() -> None:
    french, english = (messages(language).texts for language in LANGUAGES)
    assert french.keys() == english.keys()
    for key in french:
        assert set(re.findall(r"\{(\w+)\}", french[key])) == set(re.findall(r"\{(\w+)\}", english[key])), key


def test_every_message_is_used() -> None:
    """By its name, or by the beginning of a name that is put together (``sure.``, ``ended.``, ...)."""
    sources = [*FOLDER.glob("*.py"), *CONSOLE.glob("*.py"), *(FOLDER / "templates").rglob("*.html")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    composed = ("month.", "ended.", "skip.", "result.sure.", "pause.", "awaiting.", "problem.", "connection.")
    composed += ("verify.is.", "verify.means.")
    composed += tuple(f"console.{name}." for name in ("room", "role", "fault", "column", "roll", "need"))
    composed += ("console.problem.", "console.inv.state.", "console.res.status.", "console.res.means.")
    composed += ("console.list.name.", "console.list.mean.", "console.refused.", "console.jury.is.")
    composed += ("console.acc.may.", "console.audit.is.", "console.ev.why.", "console.prog.may.")
    for key in messages("fr").texts:
        name = key.rsplit(".", 1)[0] if key.endswith((".one", ".many")) else key.removesuffix("_named")
        assert name in text or key.startswith(composed), f"no page says '{key}'"


def test_every_message_that_a_template_names_exists() -> None:
    for path in (FOLDER / "templates").rglob("*.html"):
        for key in re.findall(r"\bt(?:\.plain)?\('([a-z0-9_.]+)'", path.read_text(encoding="utf-8")):
            if not key.endswith("."):
                assert messages("fr").has(key), f"{path.name} asks for '{key}'"


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [
        ("Quoi ?", "Quoi\u202f?"),
        ("Fin ; début : « mot » !", "Fin\u202f; début\u00a0: «\u00a0mot\u00a0»\u202f!"),
        ("<p title='a : b'>25 % de 1 000</p>", "<p title='a : b'>25\u00a0% de 1\u202f000</p>"),
        ("à 14 h 30, 38,5 °C chez Mme Costa", "à 14\u00a0h\u00a030, 38,5\u00a0°C chez Mme\u00a0Costa"),
        ("M. Bono à 9 h : 2 hommes", "M.\u00a0Bono à 9\u00a0h\u00a0: 2 hommes"),
    ],
)
def test_french_spaces_do_not_break(plain: str, wanted: str) -> None:
    assert typeset(plain, "fr") == wanted
    assert typeset(plain, "en") == plain


def test_apostrophes_are_true_ones_in_text_and_left_alone_in_markup() -> None:
    assert typeset("<p title='l'a'>d'un 'mot'</p>", "fr") == "<p title='l'a'>d’un 'mot'</p>"
    assert typeset("don't", "en") == "don’t"


def test_words_of_another_language_are_marked_and_values_are_escaped() -> None:
    said = messages("en")("result.not")
    assert '<span lang="fr">attestation de résultat</span>' in said
    assert "[[" not in messages("en").plain("result.not")
    assert "&lt;b&gt;" in messages("fr")("fault.used_twice", what="<b>")


def test_counts_and_numbers() -> None:
    fr, en = messages("fr"), messages("en")
    assert fr.count("result.questions", 1) == "1 question"
    assert en.count("result.questions", 0) == "0 questions"
    assert (fr.number(1234.5, 1), en.number(1234.5, 1)) == ("1\u202f234,5", "1,234.5")
    assert fr.number(-3) == en.number(-3) == "\u22123"


def test_moments_are_told_in_the_time_of_france() -> None:
    moment = 1_795_341_293_000_000  # 2026-11-22 09:54:53 UTC
    assert messages("fr").day(moment) == "22\u00a0novembre 2026"
    assert messages("fr").hour(moment) == "10\u00a0h\u00a054 (heure de Paris)"
    assert messages("en").hour(moment) == "10:54 (Paris time)"


def test_french_comes_first() -> None:
    assert (chosen(None), chosen("de"), chosen("en")) == ("fr", "fr", "en")
