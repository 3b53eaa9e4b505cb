"""What a badge says, and what others' verifiers make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from api.credentials import proof
from api.credentials.document import hashed
from api.keys.signing import SigningKey, load_or_make
from api.results.claims import NOTICE
from tests.api.credentials.conftest import BASE, DID, World
from tests.api.credentials.forging import forged
from tests.api.credentials.judges import ROOT, contexts, judged, schema
from tests.api.desk import runtime_of

STAND = ("decided", "undecided", "demonstration", "nameless")
WITHDRAWN = ("revoked", "superseded", "erased")


@pytest.fixture(scope="module")
def foreign(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A badge signed by a key that is not the issuer's, under the name of one that is."""
    key = load_or_make(tmp_path_factory.mktemp("foreign") / "key.pem")
    own = runtime_of(world.client).keyring.first
    unsigned = {name: value for name, value in world.badges["decided"].items() if name != "proof"}
    return proof.sign(unsigned, SigningKey(key.private, own.jwk), DID, 0)


@pytest.fixture(scope="module")
def verdicts(world: World, foreign: dict[str, Any], reference: Path) -> dict[str, dict[str, Any]]:
    """What the judges say of every badge and of every forgery, by name, in one run of theirs."""
    shown = {**world.badges, **forged(world.badges["decided"]), "foreign": foreign}
    found = judged(list(shown.values()), world.pages(), reference)
    return dict(zip(shown, found, strict=True))


@pytest.mark.parametrize("name", [*STAND, *WITHDRAWN])
def test_the_published_schema_accepts_a_badge(world: World, name: str, reference: Path) -> None:
    checker = jsonschema.Draft201909Validator(schema(reference), format_checker=jsonschema.FormatChecker())
    assert [error.message for error in checker.iter_errors(world.badges[name])] == []
    without = {key: value for key, value in world.badges[name].items() if key != "issuer"}
    assert not checker.is_valid(without)


@pytest.mark.parametrize("name", STAND)
def test_others_verify_a_badge_that_stands(verdicts: dict[str, Any], name: str) -> None:
    found = verdicts[name]
    assert (found["proof"], found["found"], found["withdrawn"]) == (True, True, [False])
    steps = found["steps"]
    assert steps["errors"] == []
    assert (steps["valid_signature"], steps["expiration"], steps["revocation_status"]) == (True, True, True)
    assert steps["schema"] == [True]


@pytest.mark.parametrize("name", WITHDRAWN)
def test_others_see_that_a_badge_was_withdrawn(verdicts: dict[str, Any], name: str) -> None:
    found = verdicts[name]
    assert (found["proof"], found["found"], found["withdrawn"]) == (True, True, [True])
    assert (found["steps"]["valid_signature"], found["steps"]["revocation_status"]) == (True, False)


@pytest.mark.parametrize("name", WITHDRAWN)
def test_verified_of_one_library_does_not_mean_that_it_stands(verdicts: dict[str, Any], name: str) -> None:
    """The trap that our guide warns of: the status has to be read apart."""
    assert verdicts[name]["whole"] is True


@pytest.mark.parametrize("name", [*forged({}, names=True), "foreign"])
def test_others_refuse_what_was_forged(verdicts: dict[str, Any], name: str) -> None:
    found = verdicts[name]
    assert (found["proof"], found["whole"]) == (False, False)
    assert found["steps"]["errors"]


def test_a_badge_names_the_level_that_is_attested(world: World) -> None:
    subject = world.badges["decided"]["credentialSubject"]
    claims = world.claims["decided"]
    scores = {one["id"]: one for one in subject["achievement"]["resultDescription"]}
    said = {scores[one["resultDescription"]]["name"]: one.get("value") for one in subject["result"]}
    assert claims["decision"] == "L1"
    assert world.badges["decided"]["name"] == "Essai : haut"
    assert said["Score"] == str(claims["score"]["points"])
    assert said["Score, erreur type"] == str(claims["score"]["points_error"])
    score = next(one for one in scores.values() if one["name"] == "Score")
    assert (score["valueMin"], score["valueMax"], score["requiredValue"]) == ("0", "1000", "500")
    rubric = next(one for one in scores.values() if one["resultType"] == "RubricCriterionLevel")
    (reached,) = [one["achievedLevel"] for one in subject["result"] if "achievedLevel" in one]
    assert rubric["requiredLevel"] == reached == rubric["rubricCriterionLevel"][1]["id"]
    assert {f"Domaine : {one['title']['fr']}" for one in claims["domains"]} == {
        name for name in said if name.startswith("Domaine") and not name.endswith("erreur type")
    }


def test_an_undecided_result_names_no_level(world: World) -> None:
    badge = world.badges["undecided"]
    subject = badge["credentialSubject"]
    assert world.claims["undecided"]["decision"] is None
    assert badge["name"] == "Essai : aucun niveau attesté"
    assert not any("achievedLevel" in one for one in subject["result"])
    assert not any(
        {"requiredLevel", "requiredValue"} & set(one) for one in subject["achievement"]["resultDescription"]
    )
    for label in ("bas", "haut"):
        assert label not in f"{badge['name']} {badge['description']} {subject['narrative']}"
    achievements = {one["credentialSubject"]["achievement"]["id"] for one in world.badges.values()}
    assert len(achievements) == 4  # high and low of one test, none of another, high of the demonstration


def test_a_demonstration_says_so_wherever_it_is_shown(world: World) -> None:
    badge = world.badges["demonstration"]
    achievement = badge["credentialSubject"]["achievement"]
    english = world.badge(world.claims["demonstration"]["id"], "en").json()
    for text in (badge["name"], badge["description"], achievement["name"], achievement["description"]):
        assert NOTICE in text
    assert NOTICE in english["name"]
    assert NOTICE not in json.dumps(world.badges["decided"], ensure_ascii=False)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_a_badge_claims_and_what_it_does_not(world: World, language: str) -> None:
    badge = world.badge(world.claims["decided"]["id"], language).json()
    achievement = badge["credentialSubject"]["achievement"]
    assert "attestation de résultat" in badge["description"].lower()
    assert achievement["achievementType"] == "Assessment"
    assert (achievement["inLanguage"], achievement["version"], achievement["humanCode"]) == (
        language,
        "1",
        "SAMPLE",
    )
    assert {"fr": "n'est ni une certification professionnelle", "en": "is not a professional certification"}[
        language
    ] in achievement["criteria"]["narrative"]
    text = json.dumps(badge, ensure_ascii=False)
    for word in ("theta", "Durand", "Léa", "M-1", "matricule", "certifie", "Europass", "eIDAS", "RNCP"):
        assert word not in text, word


def test_a_person_is_told_by_salted_hashes_alone(world: World) -> None:
    number, name = world.badges["decided"]["credentialSubject"]["identifier"]
    assert (number["identityType"], name["identityType"]) == ("identifier", "name")
    assert number["identityHash"] == hashed("M-1", number["salt"])
    assert name["identityHash"] == hashed("Léa  Durand", name["salt"])
    assert hashed("Le\u0301a Durand", name["salt"]) == name["identityHash"]  # the same letters, decomposed
    salts = [
        one["salt"] for badge in world.badges.values() for one in badge["credentialSubject"]["identifier"]
    ]
    assert len(set(salts)) == len(salts)  # the same person's badges cannot be told from another's
    (only,) = world.badges["nameless"]["credentialSubject"]["identifier"]
    assert only["identityType"] == "name"


def test_asked_for_again_a_badge_is_the_same_to_the_byte(world: World) -> None:
    id = world.claims["decided"]["id"]
    first, again = world.badge(id), world.badge(id)
    assert first.headers["content-type"] == "application/vc"
    assert first.content == again.content
    assert first.json() == world.badges["decided"]
    english = world.badge(id, "en").json()
    assert english["id"] == first.json()["id"]
    assert english["credentialStatus"] == first.json()["credentialStatus"]


def test_an_erased_result_has_no_badge_any_more(world: World) -> None:
    id = world.claims["erased"]["id"]
    assert world.badge(id).status_code == 404
    runtime = runtime_of(world.client)
    stored = Path(runtime.settings.database_url.removeprefix("sqlite:///"))
    written = b"".join(path.read_bytes() for path in stored.parent.glob(f"{stored.name}*"))
    for one in world.badges["erased"]["credentialSubject"]["identifier"]:
        for trace in (one["salt"], one["identityHash"].removeprefix("sha256$")):
            assert trace.encode() not in written
    assert world.badges["erased"]["credentialStatus"]["statusListCredential"] == f"{BASE}/verify/lists/1"


def test_the_contexts_are_the_ones_that_others_bring() -> None:
    """A context that differs would be another signature: npm's copy is held against openbadgeslib's."""
    path = ROOT / "node_modules" / "@digitalbazaar" / "credentials-context" / "contexts" / "v2.jsonld"
    if not path.exists():
        pytest.skip("no @digitalbazaar/credentials-context in node_modules")
    assert contexts()["https://www.w3.org/ns/credentials/v2"] == json.loads(path.read_text(encoding="utf-8"))
