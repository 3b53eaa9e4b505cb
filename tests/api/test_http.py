"""The JSON interface: shapes, headers, refusals."""

from __future__ import annotations

import pytest

from api.problems import PROBLEMS
from api.sittings.cookie import COOKIE
from tests.api.browser import Browser
from tests.api.desk import answer, bearer, call, enter, invite, runtime_of, sit
from tests.api.sample import CODE, PICTURE, SECRET_WORDS


def test_a_sitting_by_json(client: Browser) -> None:
    code = invite(client)
    card = client.get(f"/api/v1/invitations/{code}").json()
    assert (card["state"], card["test"]["code"]) == ("new", CODE)
    headers, sitting = enter(client, code)
    seen = [sitting]
    while sitting["phase"] == "item":
        stimulus = sitting["item"]["stimulus"]
        if stimulus:
            reply = client.get(stimulus["image"]["address"], headers=headers)
            assert (reply.content, reply.headers["content-type"]) == (PICTURE, "image/svg+xml")
            assert "sandbox" in reply.headers["content-security-policy"]
        sitting = answer(client, headers, sitting).json()
        seen.append(sitting)
    assert not [word for word in SECRET_WORDS if word in str(seen)]
    assert "theta" not in str(seen)
    reply = client.get("/api/v1/sittings/current/credential", headers=headers)
    assert reply.headers["content-type"].startswith("application/vnd.acquis.result+json")
    assert reply.json()["result"]["log"]["sitting"] == sitting["sitting"]


def test_a_browser_gets_a_cookie_that_scripts_cannot_read(client: Browser) -> None:
    reply = client.post("/api/v1/sittings", json={"code": invite(client)})
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    sitting = client.get("/api/v1/sittings/current").json()
    assert sitting["phase"] == "item"
    assert answer(client, {}, sitting).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"}],
)
def test_another_site_cannot_use_the_cookie(client: Browser, headers: dict[str, str]) -> None:
    client.post("/api/v1/sittings", json={"code": invite(client)})
    sitting = client.get("/api/v1/sittings/current").json()
    reply = answer(client, headers, sitting)
    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site")
    assert answer(client, {"Sec-Fetch-Site": "same-origin"}, sitting).status_code == 200


def test_refusals_are_problem_documents(client: Browser) -> None:
    for reply, code in (
        (client.get("/api/v1/nothing"), "not_found"),
        (client.delete("/api/v1/sittings"), "method_not_allowed"),
        (client.get("/api/v1/sittings/current"), "unauthenticated"),
        (client.get("/api/v1/invitations/none"), "code_unknown"),
        (client.post("/api/v1/sittings", content=b"{"), "malformed"),
        (client.post("/api/v1/sittings", json={"code": "x", "more": 1}), "malformed"),
        (client.post("/api/v1/sittings", content=b"x" * 1_100_000), "too_large"),
        (client.get("/api/v1/results"), "unauthenticated"),
        (client.get("/api/v1/results", headers={"Authorization": "Bearer x"}), "unauthenticated"),
    ):
        assert reply.headers["content-type"] == "application/problem+json", reply.text
        assert reply.json()["code"] == code
        assert reply.status_code == reply.json()["status"] == PROBLEMS[code][0]


def test_a_malformed_request_is_told_where_and_never_what(client: Browser) -> None:
    reply = client.post("/api/v1/sittings", json={"code": ["Durand"]})
    assert reply.json()["errors"] == [{"in": "body.code", "message": "Input should be a valid string"}]
    assert "Durand" not in reply.text


def test_an_answer_needs_an_idempotency_key(client: Browser) -> None:
    headers, sitting = enter(client, invite(client))
    reply = client.post(
        "/api/v1/sittings/current/answers",
        headers=headers,
        json={"handle": sitting["handle"], "response": {"RESPONSE": ["B"]}},
    )
    assert (reply.status_code, reply.json()["code"]) == (422, "malformed")


def test_a_repeated_answer_gets_the_same_bytes(client: Browser) -> None:
    headers, sitting = enter(client, invite(client))
    first = answer(client, headers, sitting)
    answer(client, headers, first.json())
    assert answer(client, headers, sitting).content == first.content
    other = answer(client, headers, sitting, choice="C")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


def test_results_come_page_by_page_and_only_to_their_organisation(client: Browser) -> None:
    reader = bearer(client, "results:read")
    empty = client.get("/api/v1/results", headers=reader).json()
    assert (empty["results"], empty["more"]) == ([], False)
    for n in range(3):
        sit(client, invite(client, identifier=f"M-{n}"))
    seen, cursor, more = [], empty["cursor"], True
    while more:
        reply = client.get("/api/v1/results", headers=reader, params={"cursor": cursor, "limit": 2}).json()
        seen += [entry["result"]["person"]["identifier"] for entry in reply["results"]]
        cursor, more = reply["cursor"], reply["more"]
    assert seen == ["M-0", "M-1", "M-2"]
    assert client.get("/api/v1/results", headers=reader, params={"cursor": cursor}).json()["results"] == []
    entry = client.get("/api/v1/results", headers=reader).json()["results"][0]
    assert client.get(f"/api/v1/results/{entry['id']}", headers=reader).json() == entry
    stranger = bearer(client, "results:read", "ELSEWHERE")
    assert client.get("/api/v1/results", headers=stranger).json()["results"] == []
    for address in (f"/api/v1/results/{entry['id']}", entry["credential"]):
        assert client.get(address, headers=stranger).status_code == 404
        assert client.get(address, headers=reader).status_code == 200


def test_results_since_a_moment(client: Browser) -> None:
    reader = bearer(client, "results:read")
    sit(client, invite(client))
    for moment, count in (("2020-01-01", 1), ("2999-01-01T00:00:00Z", 0), ("2020-01-01T00:00:00+02:00", 1)):
        reply = client.get("/api/v1/results", headers=reader, params={"updated_after": moment})
        assert len(reply.json()["results"]) == count
    reply = client.get("/api/v1/results", headers=reader, params={"updated_after": "yesterday"})
    assert reply.json()["code"] == "malformed"


@pytest.mark.parametrize("cursor", ["x", "MTox", "MTowMDAwMDAwMDAwMDAwMDE", "1:000000000000001", "=" * 20])
def test_a_made_up_cursor_is_refused(client: Browser, cursor: str) -> None:
    reply = client.get("/api/v1/results", headers=bearer(client, "results:read"), params={"cursor": cursor})
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_cursor")


def test_a_token_allows_its_scopes_alone(client: Browser) -> None:
    inviter = bearer(client, "invitations:write")
    reply = client.get("/api/v1/results", headers=inviter)
    assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
    reply = client.post("/api/v1/invitations", headers=inviter, json={"person": {}, "test": CODE})
    assert reply.status_code == 201
    assert client.get(f"/api/v1/invitations/{reply.json()['code']}").json()["state"] == "new"
    reader = bearer(client, "results:read")
    reply = client.post("/api/v1/invitations", headers=reader, json={"person": {}, "test": CODE})
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("auth", "form", "code"),
    [
        (("hospital-results-read", "wrong"), {"grant_type": "client_credentials"}, "invalid_client"),
        (("nobody", "wrong"), {"grant_type": "client_credentials"}, "invalid_client"),
        (("no\0body", "wrong"), {"grant_type": "client_credentials"}, "invalid_client"),
        (None, {"grant_type": "client_credentials"}, "invalid_client"),
        (None, {"grant_type": "password"}, "unsupported_grant_type"),
        (None, {}, "invalid_request"),
    ],
)
def test_tokens_are_refused_as_rfc_6749_says(
    client: Browser, auth: tuple[str, str] | None, form: dict[str, str], code: str
) -> None:
    bearer(client, "results:read")
    reply = client.post("/api/v1/oauth/token", data=form, auth=auth)
    assert reply.json()["error"] == reply.json()["code"] == code
    assert reply.headers["cache-control"] == "no-store"
    if code == "invalid_client":
        assert reply.headers["www-authenticate"].startswith("Basic")


def test_a_disabled_client_is_out_within_seconds(client: Browser) -> None:
    from sqlalchemy import text

    from api.database.plans import Commit, Plan, Query

    reader = bearer(client, "results:read")
    disable = Query(text("UPDATE client SET disabled_at = 1"))

    def plan() -> Plan[None]:
        yield []
        return Commit(None, [disable()])

    runtime = runtime_of(client)
    call(client, runtime.write, plan)
    runtime.clients._known.clear()
    reply = client.get("/api/v1/results", headers=reader)
    assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")


def test_the_public_key_is_published(client: Browser) -> None:
    (key,) = client.get("/.well-known/jwks.json").json()["keys"]
    assert (key["kty"], key["crv"], key["use"]) == ("OKP", "Ed25519", "sig")
    assert "d" not in key


def test_health_readiness_and_metrics(client: Browser) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    sit(client, invite(client))
    metrics = client.get("/metrics").text
    assert (
        'acquis_requests_total{method="POST",route="/api/v1/sittings/current/answers",status="200"} 7.0'
        in metrics
    )
    client.app.state.gate.draining = True
    assert client.get("/ready").status_code == 503
    reply = client.post("/api/v1/sittings", json={"code": invite(client)})
    assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (503, "draining", "2")
