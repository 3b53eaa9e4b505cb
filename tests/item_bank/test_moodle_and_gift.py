"""Questions from Moodle, in its XML and in GIFT."""

from __future__ import annotations

import base64

import pytest

from cat_engine.errors import InputError
from item_bank.content import Item, Match, Order
from item_bank.gift import read_gift
from item_bank.markup import text
from item_bank.moodle import read_moodle
from item_bank.scoring import category, score
from tests.item_bank import samples

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


def quiz(*questions: str) -> bytes:
    return f'<?xml version="1.0"?>\n<quiz>{"".join(questions)}</quiz>'.encode()


def question(kind: str, inside: str, stem: str = "<p>Quoi ?</p>", name: str = "Q 1") -> str:
    return (
        f'<question type="{kind}"><name><text>{name}</text></name><questiontext format="html"><text>'
        f"<![CDATA[{stem}]]></text></questiontext><generalfeedback format='html'><text>Car.</text>"
        f"</generalfeedback>{inside}</question>"
    )


def answer(fraction: float, said: str, more: str = "") -> str:
    return f'<answer fraction="{fraction:g}" format="html"><text>{said}</text>{more}</answer>'


def only(data: bytes) -> Item:
    read = read_moodle(data, "quiz.xml")
    assert [note for note in read.notes if not note.kept] == []
    (item,) = read.bank.items
    return item


def earned(item: Item, *values: str, **named: list[str]) -> float:
    return score(item.versions["fr"], named or {"RESPONSE": list(values)})


def test_a_single_choice() -> None:
    item = only(
        quiz(question("multichoice", "<single>true</single>" + answer(100, "Un") + answer(0, "Deux")))
    )
    assert item.id == "Q-1"
    assert item.n_cat == 2
    assert (earned(item, "A"), earned(item, "B")) == (1.0, 0.0)
    assert item.versions["fr"].rationale == "<p>Car.</p>"


def test_a_choice_with_credit_in_parts() -> None:
    parts = answer(100, "Un") + answer(50, "Deux") + answer(-25, "Trois")
    item = only(quiz(question("multichoice", "<single>true</single>" + parts)))
    assert item.scores == (0.0, 0.5, 1.0)
    assert [earned(item, key) for key in "ABC"] == [1.0, 0.5, 0.0]


def test_a_multiple_choice() -> None:
    parts = answer(50, "Un") + answer(50, "Deux") + answer(-100, "Trois")
    item = only(quiz(question("multichoice", "<single>false</single>" + parts)))
    assert (earned(item, "A", "B"), earned(item, "A"), earned(item, "A", "C")) == (1.0, 0.5, 0.0)
    assert category(item, {"RESPONSE": ["A", "B"]}, "fr") == item.n_cat - 1


def test_thirds_make_a_whole() -> None:
    parts = "".join(answer(33.33333, f"{n}") for n in range(3)) + answer(-100, "no")
    item = only(quiz(question("multichoice", "<single>false</single>" + parts)))
    assert item.scores == (0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0)
    assert [category(item, {"RESPONSE": list(key)}, "fr") for key in ("", "A", "AB", "ABC", "ABCD")] == [
        0,
        1,
        2,
        3,
        0,
    ]


def test_questions_may_call_different_pictures_by_one_name() -> None:
    def shown(body: bytes, name: str) -> str:
        file = (
            f'<file name="my image.png" path="/" encoding="base64">{base64.b64encode(body).decode()}</file>'
        )
        stem = '<p><img src="@@PLUGINFILE@@/my%20image.png" alt="x"></p>'
        made = question(
            "multichoice", "<single>true</single>" + answer(100, "a") + answer(0, "b"), stem, name
        )
        return made.replace("</questiontext>", f"{file}</questiontext>")

    png, gif = b"\x89PNG\r\n\x1a\n", b"GIF89a"
    read = read_moodle(
        quiz(shown(png, "A"), shown(png + b"2", "B"), shown(png, "C"), shown(gif, "D")), "q.xml"
    )
    names = [item.versions["fr"].body.split('"')[1] for item in read.bank.items]
    assert [read.bank.media[name] for name in names] == [png, png + b"2", png, gif]
    assert (names[0], names[3]) == ("my_image.png", "my_image.gif")
    lost = read_moodle(quiz(shown(b"BM", "A")), "q.xml")
    assert "its picture is not kept" in lost.notes[0].message
    assert len(lost.bank.items) == 1


def test_a_question_that_embeds_a_page_is_left_out_alone() -> None:
    parts = "<single>true</single>" + answer(100, "a") + answer(0, "b")
    film = question("multichoice", parts, '<p>See <iframe src="https://example.org/x"></iframe></p>')
    read = read_moodle(quiz(film, question("multichoice", parts, name="B")), "q.xml")
    assert [item.id for item in read.bank.items] == ["B"]
    assert "it embeds '<iframe'" in read.notes[0].message


def test_true_or_false() -> None:
    item = only(quiz(question("truefalse", answer(0, "true") + answer(100, "false"))))
    assert earned(item, "B") == 1.0


def test_a_short_answer() -> None:
    parts = answer(100, "Paris") + answer(80, "Lutèce") + answer(0, "Lyon")
    item = only(quiz(question("shortanswer", "<usecase>0</usecase>" + parts)))
    assert (earned(item, "PARIS"), earned(item, "lutèce"), earned(item, "Lyon")) == (1.0, 0.8, 0.0)
    exact = only(quiz(question("shortanswer", "<usecase>1</usecase>" + parts)))
    assert earned(exact, "PARIS") == 0.0


def test_a_number_with_a_tolerance() -> None:
    parts = answer(100, "37.5", "<tolerance>0.1</tolerance>") + answer(50, "37.5", "<tolerance>1</tolerance>")
    item = only(quiz(question("numerical", parts)))
    assert [earned(item, v) for v in ("37.55", "38", "39", "x")] == [1.0, 0.5, 0.0, 0.0]
    assert item.scores == (0.0, 0.5, 1.0)
    exact = only(quiz(question("numerical", answer(100, "72"))))
    assert earned(exact, "72,0") == 1.0


def test_matching_and_ordering() -> None:
    def sub(left: str, right: str) -> str:
        inside = f"<text>{left}</text><answer><text>{right}</text></answer>"
        return f'<subquestion format="html">{inside}</subquestion>'

    pairs = sub("un", "1") + sub("deux", "2") + sub("aussi un", "1") + sub("", "3")
    item = only(quiz(question("matching", pairs)))
    control = item.versions["fr"].interactions["RESPONSE"]
    assert isinstance(control, Match)
    assert (len(control.rows), len(control.columns)) == (3, 3)
    assert earned(item, "A 1", "B 2", "C 1") == 3.0
    ordered = read_moodle(quiz(question("ordering", answer(1, "a") + answer(2, "b"))), "x").bank.items[0]
    assert isinstance(ordered.versions["fr"].interactions["RESPONSE"], Order)
    assert (earned(ordered, "A", "B"), earned(ordered, "B", "A")) == (1.0, 0.0)


def test_missing_words() -> None:
    words = "".join(
        f"<selectoption><text>{word}</text><group>{group}</group></selectoption>"
        for word, group in (("dort", 1), ("court", 1), ("chat", 2), ("chien", 2))
    )
    item = only(quiz(question("gapselect", words, "<p>Le [[3]] [[1]].</p>")))
    assert item.versions["fr"].body == '<p>Le <slot name="g3"></slot> <slot name="g1"></slot>.</p>'
    assert earned(item, g3=["w3"], g1=["w1"]) == 1.0
    assert earned(item, g3=["w3"], g1=["w2"]) == 0.0


def test_pictures_come_along() -> None:
    stem = '<p>Voir <img src="@@PLUGINFILE@@/mon%20plan.png" alt="plan"></p>'
    inside = answer(100, "Un") + answer(0, "Deux")
    data = quiz(question("multichoice", inside, stem))
    data = data.replace(
        b"]]></text></questiontext>",
        f']]></text><file name="mon%20plan.png" encoding="base64">{PNG}</file></questiontext>'.encode(),
    )
    read = read_moodle(data, "x").bank
    assert list(read.media) == ["mon_plan.png"]
    assert 'src="mon_plan.png"' in read.items[0].versions["fr"].body


def test_what_is_not_supported_is_listed() -> None:
    read = read_moodle(
        quiz(
            question("essay", ""),
            question("cloze", "", name="C"),
            question("shortanswer", answer(100, "par*"), name="W"),
            question("category", ""),
        ),
        "quiz.xml",
    )
    assert read.bank.items == ()
    assert [str(note) for note in read.notes] == [
        "quiz.xml, line 2: 'Q-1' (essay): this type of question is not supported (left out)",
        "quiz.xml, line 2: 'C' (cloze): this type of question is not supported (left out)",
        "quiz.xml, line 2: 'W' (shortanswer): it accepts answers by a pattern (*) (left out)",
    ]


@pytest.mark.parametrize(
    "stem",
    ["<script>x</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:x'>"],
)
def test_active_content_is_refused(stem: str) -> None:
    with pytest.raises(InputError, match=r"quiz\.xml, line 2: .* is not accepted"):
        read_moodle(quiz(question("multichoice", answer(100, "a"), stem)), "quiz.xml")
    with pytest.raises(InputError, match=r"q\.gift, line 1: .* is not accepted"):
        read_gift(f"{stem} {{=a ~b}}".encode(), "q.gift")


# GIFT.


def gift(said: str) -> Item:
    read = read_gift(said.encode(), "q.gift")
    assert read.notes == ()
    (item,) = read.bank.items
    return item


def test_gift_choice() -> None:
    item = gift("::Titre un:: Qui ? { =Ada#oui ~Bob#non ~Cy } ")
    assert item.id == "Titre-un"
    assert [earned(item, key) for key in "ABC"] == [1.0, 0.0, 0.0]
    assert text(item.versions["fr"].body) == "Qui ?"


def test_gift_weights_escapes_comments_and_feedback() -> None:
    item = gift(
        "// un commentaire\n$CATEGORY: x\nCombien font 1 \\= 1 \\{ou\\} \\~ ? "
        "{~%50%un ~%50%une ~%-100%deux ####Car.}"
    )
    assert text(item.versions["fr"].body) == "Combien font 1 = 1 {ou} ~ ?"
    assert (earned(item, "A", "B"), earned(item, "A"), earned(item, "A", "C")) == (1.0, 0.5, 0.0)
    assert item.versions["fr"].rationale == "<p>Car.</p>"


def test_gift_true_false_short_and_numbers() -> None:
    assert earned(gift("Vrai ? {F#non}"), "B") == 1.0
    assert earned(gift("Ville ? {=Paris =%50%Lutèce}"), "lutèce") == 0.5
    assert [earned(gift("Combien ? {#3.14:0.01}"), v) for v in ("3.145", "3.2")] == [1.0, 0.0]
    assert [earned(gift("Combien ? {#1..5}"), v) for v in ("1", "5", "6")] == [1.0, 1.0, 0.0]
    several = gift("Quand ? {# =1822:0 =%50%1822:2}")
    assert [earned(several, v) for v in ("1822", "1820", "1800")] == [1.0, 0.5, 0.0]


def test_gift_matching_and_missing_word() -> None:
    item = gift("Reliez. {=un -> 1 =deux -> 2 =uno -> 1}")
    assert earned(item, "A 1", "B 2", "C 1") == 3.0
    word = gift("Le chat {=dort ~vole} ici.")
    assert word.versions["fr"].body == '<p>Le chat <slot name="RESPONSE"></slot> ici.</p>'
    assert earned(word, "A") == 1.0


def test_gift_html_is_cleaned_and_the_rest_listed() -> None:
    item = gift('[html]<p class="x">Qui&nbsp;?</p><table><tr><td>1</td></tr></table>{=a ~b}')
    assert item.versions["fr"].body.startswith("<p>Qui\u00a0?</p><table><tbody>")
    read = read_gift(b"Racontez. {}\n\nUne description.\n\nA {=b ~c} d {=e ~f}", "q.gift")
    assert [note.message.split(": ")[1] for note in read.notes] == [
        *("it asks for an essay", "it has no answers", "it has several sets of answers"),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"Un ? {=a ~b", "line 1: expected '}'"), (b"a\n\nb\x00", "line 3: expected text, got a NUL")],
)
def test_damaged_gift_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=r"^q\.gift, ") as caught:
        read_gift(data, "q.gift")
    assert said in str(caught.value)


def test_identifiers_are_made_unique() -> None:
    read = read_gift(b"::A:: x {T}\n\n::A:: y {T}\n\n::1:: z {T}", "q")
    assert [item.id for item in read.bank.items] == ["A", "A-2", "q-1"]
    assert samples.single().id not in read.bank.by_id


def test_a_stranger_s_text_places_no_control() -> None:
    slot = '<slot name="RESPONSE">x</slot>'
    item = gift(f"[html]<p>Qui {slot}?</p>{{=a ~b}}")
    assert item.versions["fr"].body.count("<slot") == 1
    item = only(quiz(question("multichoice", answer(100, "a") + answer(0, "b"), f"<p>{slot}</p>")))
    assert item.versions["fr"].body.count("<slot") == 1
