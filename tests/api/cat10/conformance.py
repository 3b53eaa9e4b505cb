"""Conformance with the 1EdTech CAT 1.0 REST binding, as a plain HTTP client.

``python -m tests.api.cat10.conformance BASE TOKEN TEST`` checks the server at BASE (any server that has a
published test with the code TEST). Shapes are those of the specification (Candidate Final Public, 2020); each
check is one function, and says in its name what must hold.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CHECKS", "Player"]

Send = Callable[[str, str, Any, str | None], tuple[int, Any]]
"""(method, path under /ims/cat/v1p0, body or None, bearer token or None) -> (status, JSON or None)"""

NOBODY = "0" * 26


@dataclass(frozen=True, slots=True)
class Player:
    """A test player: how it sends, its token, and the test that it asks for."""

    send: Send
    token: str
    test: str

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send with the token."""
        return self.send(method, path, body, self.token)

    def section(self, **more: Any) -> str:
        """Create a section."""
        configuration = base64.b64encode(json.dumps({"test": self.test}).encode()).decode()
        status, body = self.call("POST", "/sections", {"sectionConfiguration": configuration, **more})
        assert status == 201, (status, body)
        return str(body["sectionIdentifier"])

    def session(self, section: str, body: Any = None) -> dict[str, Any]:
        """Create a session."""
        status, reply = self.call("POST", f"/sections/{section}/sessions", {} if body is None else body)
        assert status == 201, (status, reply)
        return dict(reply)

    def results(self, section: str, session: Mapping[str, Any], body: Any) -> tuple[int, Any]:
        """Submit results."""
        return self.call("POST", f"/sections/{section}/sessions/{session['sessionIdentifier']}/results", body)


def scored(item: str, score: float, **more: Any) -> dict[str, Any]:
    """An item result as the specification writes it."""
    return {
        "identifier": item,
        "datestamp": "2026-11-22T09:00:00Z",
        "sessionStatus": "final",
        "outcomeVariables": [
            {
                "identifier": "SCORE",
                "cardinality": "single",
                "baseType": "float",
                "value": [{"baseType": "float", "value": str(score)}],
            }
        ],
        **more,
    }


def submission(state: str | None, *items: Mapping[str, Any]) -> dict[str, Any]:
    """A Results object."""
    body: dict[str, Any] = {"assessmentResult": {"itemResult": list(items)}}
    if state is not None:
        body["sessionState"] = state
    return body


def value(assessment: Mapping[str, Any], identifier: str) -> str:
    """An outcome variable of the test result."""
    for variable in assessment["testResult"]["outcomeVariables"]:
        if variable["identifier"] == identifier:
            return str(variable["value"][0]["value"])
    raise AssertionError(f"no outcome variable {identifier}")


def refused(answer: tuple[int, Any], status: int, minor: str) -> None:
    """The reply is a StatusInfo with this minor code."""
    assert answer[0] == status, answer
    info = answer[1]
    assert info["imsx_codeMajor"] == "failure"
    assert info["imsx_severity"] == "error"
    (field,) = info["imsx_codeMinor"]["imsx_codeMinorField"]
    assert set(field) == {"imsx_codeMinorFieldName", "imsx_codeMinorFieldValue"}
    assert field["imsx_codeMinorFieldValue"] == minor


def a_section_names_its_items(player: Player) -> None:
    section = player.section(qtiMetadata={"toolName": "x"})
    status, body = player.call("GET", f"/sections/{section}")
    assert status == 200
    assert body["items"]["itemIdentifiers"]
    assert body["section"]["qtiMetadata"] == {"toolName": "x"}
    status, body = player.call("DELETE", f"/sections/{section}")
    assert (status, body) == (204, None)
    refused(player.call("GET", f"/sections/{section}"), 404, "unknownobject")


def a_session_goes_to_an_empty_list(player: Player) -> None:
    section = player.section()
    known = set(player.call("GET", f"/sections/{section}")[1]["items"]["itemIdentifiers"])
    session = reply = player.session(section)
    asked: list[str] = []
    errors = []
    while reply["nextItems"]["itemIdentifiers"]:
        ids = reply["nextItems"]["itemIdentifiers"]
        assert set(ids) <= known
        assert len(set(ids)) == len(ids)
        assert not set(ids) & set(asked)
        assert reply["nextItems"]["stageLength"] == 1
        asked.append(ids[0])
        status, reply = player.results(
            section, session, submission(reply["sessionState"], scored(ids[0], len(asked) % 2))
        )
        assert status == 201
        errors.append(float(value(reply["assessmentResult"], "THETA_SE")))
        assert len(asked) <= len(known)
    assert errors[-1] < errors[0]
    assert value(reply["assessmentResult"], "STOP_REASON")
    items = [one["identifier"] for one in reply["assessmentResult"]["itemResult"]]
    assert items == asked
    assert reply["assessmentResult"]["itemResults"] == reply["assessmentResult"]["itemResult"]
    end = f"/sections/{section}/sessions/{session['sessionIdentifier']}"
    assert player.call("DELETE", end)[0] == 204


def a_right_answer_raises_theta_and_a_wrong_one_lowers_it(player: Player) -> None:
    section = player.section()
    thetas = []
    for score in (0, 1):
        session = player.session(section)
        first = session["nextItems"]["itemIdentifiers"][0]
        _, reply = player.results(section, session, submission(session["sessionState"], scored(first, score)))
        thetas.append(float(value(reply["assessmentResult"], "THETA")))
    assert thetas[0] < thetas[1]


def the_same_results_again_get_the_same_reply(player: Player) -> None:
    section = player.section()
    session = player.session(section)
    first = session["nextItems"]["itemIdentifiers"][0]
    body = submission(session["sessionState"], scored(first, 1))
    once = player.results(section, session, body)
    assert player.results(section, session, body) == once
    second = once[1]["nextItems"]["itemIdentifiers"][0]
    player.results(section, session, submission(once[1]["sessionState"], scored(second, 0)))
    assert player.results(section, session, body) == once


def a_session_cannot_be_rewound(player: Player) -> None:
    section = player.section()
    session = player.session(section)
    first, other = session["nextItems"]["itemIdentifiers"][:2]
    player.results(section, session, submission(session["sessionState"], scored(first, 0)))
    for result in (scored(first, 1), scored(other, 1)):
        again = submission(session["sessionState"], result)
        refused(player.results(section, session, again), 409, "invaliddata")
    refused(player.results(section, session, submission(None, scored(first, 1))), 409, "invaliddata")


def the_state_of_another_session_or_a_forged_one_is_refused(player: Player) -> None:
    section = player.section()
    one, other = player.session(section), player.session(section)
    item = scored(one["nextItems"]["itemIdentifiers"][0], 1)
    given = one["sessionState"]
    for state in (other["sessionState"], given[:-1] + ("1" if given[-1] == "0" else "0")):
        refused(player.results(section, one, submission(state, item)), 409, "invaliddata")
    for state in ("forged", given[:-1] + "x", "", "..", "é.1.x"):
        refused(player.results(section, one, submission(state, item)), 422, "invaliddata")


def results_of_other_offered_items_are_taken_in(player: Player) -> None:
    """A player that lost us goes on with its list, then sends everything."""
    section = player.section()
    session = player.session(section)
    ids = session["nextItems"]["itemIdentifiers"]
    assert len(ids) >= 3
    status, reply = player.results(
        section,
        session,
        submission(session["sessionState"], scored(ids[1], 1), scored(ids[0], 1), scored(ids[2], 0)),
    )
    assert status == 201
    items = {one["identifier"] for one in reply["assessmentResult"]["itemResult"]}
    assert items == set(ids[:3])
    assert not set(reply["nextItems"]["itemIdentifiers"]) & items


def what_a_common_player_sends_is_accepted(player: Player) -> None:
    """TAO: base64 metadata, prior data with texts, nulls, capitals, cardinality as a number, only SCORE."""
    section = player.section(qtiMetadata=base64.b64encode(b"<x/>").decode(), qtiUsagedata=None)
    session = player.session(section, {"priorData": [{"key": "initialEstimatedAbility", "value": "0.0"}]})
    first = session["nextItems"]["itemIdentifiers"][0]
    body = {
        "assessmentResult": {
            "context": {"sourcedId": None, "sessionIdentifiers": []},
            "testResult": None,
            "itemResults": [
                {
                    "identifier": first,
                    "datestamp": "2026-11-22T09:00:00+00:00",
                    "sessionStatus": "FINAL",
                    "outcomeVariables": [
                        {
                            "identifier": "SCORE",
                            "cardinality": 0,
                            "baseType": "FLOAT",
                            "value": [{"fieldIdentifier": None, "baseType": "FLOAT", "value": 1}],
                        }
                    ],
                }
            ],
        },
        "sessionState": session["sessionState"],
    }
    status, reply = player.results(section, session, body)
    assert status == 201
    assert reply["nextItems"]["stageLength"] == 1
    assert reply["assessmentResult"]["itemResults"][0]["identifier"] == first


def prior_ability_chooses_the_first_item_and_not_the_score(player: Player) -> None:
    section = player.section()
    prior = [{"key": "initialEstimatedAbility", "value": "2.5"}]
    plain, able = player.session(section), player.session(section, {"priorData": prior})
    item = able["nextItems"]["itemIdentifiers"][0]
    thetas = []
    for session in (plain, able):
        body = submission(session["sessionState"], scored(item, 1))
        thetas.append(value(player.results(section, session, body)[1]["assessmentResult"], "THETA"))
    assert thetas[0] == thetas[1]


def demographics_and_needs_change_nothing(player: Player) -> None:
    section = player.section()
    plain = player.session(section)
    for name in ("demographics", "personalNeedsAndPreferences"):
        told = base64.b64encode(json.dumps({"sex": "female", "birthDate": "1960-01-01"}).encode()).decode()
        assert player.session(section, {name: told})["nextItems"] == plain["nextItems"]


def results_that_are_not_final_do_not_count(player: Player) -> None:
    section = player.section()
    session = player.session(section)
    first = session["nextItems"]["itemIdentifiers"][0]
    body = submission(session["sessionState"], scored(first, 1, sessionStatus="pendingSubmission"))
    status, reply = player.results(section, session, body)
    assert status == 201
    assert reply["nextItems"] == session["nextItems"]


def refusals_are_status_info(player: Player) -> None:
    section = player.section()
    session = player.session(section)
    refused(player.send("POST", "/sections", {}, None), 401, "unauthorisedrequest")
    refused(player.send("POST", "/sections", {}, "wrong"), 401, "unauthorisedrequest")
    for body in ({}, {"sectionConfiguration": "%%%"}, [], {"sectionConfiguration": 1}):
        refused(player.call("POST", "/sections", body), 422, "invaliddata")
    for told in (b"{}", b"not JSON", b'{"test": "no such test"}', b'{"test": 1}', b"[]"):
        configuration = {"sectionConfiguration": base64.b64encode(told).decode()}
        refused(player.call("POST", "/sections", configuration), 404, "unknownobject")
    refused(player.call("GET", f"/sections/{NOBODY}"), 404, "unknownobject")
    refused(player.call("GET", "/sections/none"), 404, "unknownobject")
    refused(player.call("POST", f"/sections/{NOBODY}/sessions", {}), 404, "unknownobject")
    other = {"sessionIdentifier": NOBODY}
    refused(player.results(section, other, submission(None)), 404, "unknownobject")
    refused(player.results(player.section(), session, submission(None)), 404, "unknownobject")
    state = session["sessionState"]
    for body in (
        {"sessionState": state},
        {"assessmentResult": {"itemResult": [{}]}, "sessionState": state},
        {"assessmentResult": {"itemResult": "x"}, "sessionState": state},
        submission(state, scored("x", float("nan"))),
        submission(state, {**scored("x", 1), "sessionStatus": "over"}),
    ):
        refused(player.results(section, session, body), 422, "invaliddata")
    unknown = submission(state, scored("no-such-item", 1))
    refused(player.results(section, session, unknown), 404, "unknownobject")


def ending_a_session_twice_is_ending_it_once(player: Player) -> None:
    section = player.section()
    session = player.session(section)
    address = f"/sections/{section}/sessions/{session['sessionIdentifier']}"
    assert player.call("DELETE", address)[0] == 204
    assert player.call("DELETE", address)[0] == 204
    body = submission(None, scored(session["nextItems"]["itemIdentifiers"][0], 1))
    status, reply = player.results(section, session, body)
    assert status == 201
    assert reply["nextItems"]["itemIdentifiers"] == []


CHECKS: tuple[Callable[[Player], None], ...] = (
    a_section_names_its_items,
    a_session_goes_to_an_empty_list,
    a_right_answer_raises_theta_and_a_wrong_one_lowers_it,
    the_same_results_again_get_the_same_reply,
    a_session_cannot_be_rewound,
    the_state_of_another_session_or_a_forged_one_is_refused,
    results_of_other_offered_items_are_taken_in,
    what_a_common_player_sends_is_accepted,
    prior_ability_chooses_the_first_item_and_not_the_score,
    demographics_and_needs_change_nothing,
    results_that_are_not_final_do_not_count,
    refusals_are_status_info,
    ending_a_session_twice_is_ending_it_once,
)


def over_http(base: str) -> Send:
    """Send to the server at `base`."""

    def send(method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{base}/ims/cat/v1p0{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request) as reply:
                status, content = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        return status, json.loads(content) if content else None

    return send


def main() -> int:
    """Check a server; status 1 when a check fails."""
    base, token, test = sys.argv[1:4]
    player, failed = Player(over_http(base.rstrip("/")), token, test), 0
    for check in CHECKS:
        try:
            check(player)
            print(f"holds  {check.__name__.replace('_', ' ')}")
        except (AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
            failed += 1
            print(f"FAILS  {check.__name__.replace('_', ' ')}: {error!r}"[:300])
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
