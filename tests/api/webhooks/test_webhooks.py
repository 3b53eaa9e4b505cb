"""HR systems are told of results: at least once, signed, later and later, and never inside."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from api.app import create_app
from api.command import main
from api.settings import Settings
from api.webhooks import post, sender
from api.webhooks.endpoints import MessageOut
from api.webhooks.post import Refused, checked
from api.webhooks.sender import deliver, wait_after
from api.webhooks.store import Secrets
from tests.api.browser import Browser, browser
from tests.api.desk import bearer, call, invite, runtime_of, sit
from tests.api.sample import prepare
from tests.api.webhooks.receiver import Receiver, receiving


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings under which messages may go to this machine."""
    return Settings(database_url, keys=tmp_path / "keys", connections=4, upkeep=0, webhooks_inside=True)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver; what failed is tried again at once."""
    monkeypatch.setattr(sender, "FIRST", 0)
    with receiving() as receiver:
        yield receiver


def registered(client: Browser, url: str, organisation: str = "HOSPITAL") -> dict[str, Any]:
    reply = client.post(
        "/api/v1/webhooks", headers=bearer(client, "webhooks:write", organisation), json={"url": url}
    )
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


def delivered(client: Browser) -> int:
    """Let the sender look once."""
    return int(call(client, deliver, runtime_of(client)))


def test_a_message_that_fails_first_arrives_under_the_same_identifier(
    client: Browser, receiver: Receiver
) -> None:
    hook = registered(client, receiver.url)
    receiver.answers = [500, 0, 301, 204]
    sit(client, invite(client))
    while delivered(client):
        pass
    assert len(receiver.came) == 4  # and the redirect was not followed
    assert len(set(receiver.ids())) == 1
    assert all(receiver.signed_by(hook["secret"]))
    assert not any(receiver.signed_by(f"{hook['secret'][:-8]}AAAAAAA="))
    message = receiver.content()[-1]
    (entry,) = client.get("/api/v1/results", headers=bearer(client, "results:read")).json()["results"]
    assert (message["type"], message["data"]) == ("result.issued", entry)
    MessageOut.model_validate(message)  # as the OpenAPI document says
    listed = client.get("/api/v1/webhooks", headers=bearer(client, "webhooks:write")).json()["webhooks"]
    assert [(row["waiting"], row["dead"]) for row in listed] == [(0, 0)]
    assert "secret" not in listed[0]


def test_a_secret_is_changed_without_a_message_that_the_receiver_cannot_check(
    client: Browser, receiver: Receiver
) -> None:
    hook = registered(client, receiver.url)
    asks = bearer(client, "webhooks:write")
    place = f"/api/v1/webhooks/{hook['id']}/secret"
    secrets = [hook["secret"]]
    for hours in (24, 48, 0):  # again, as when the reply was lost; and because somebody else knows them
        sit(client, invite(client, identifier=f"M-{len(secrets)}"))
        while delivered(client):
            pass
        reply = client.post(place, headers=asks, json={"former_hours": hours})
        assert reply.status_code == 200, reply.text
        secrets.append(reply.json()["secret"])
    sit(client, invite(client, identifier="M-0"))
    while delivered(client):
        pass
    assert [receiver.signed_by(secret) for secret in secrets] == [
        [True, True, True, False],
        [False, True, True, False],
        [False, False, True, False],
        [False, False, False, True],
    ]
    assert receiver.came[2][0]["webhook-signature"].count("v1,") == 3
    assert client.post(place, headers=asks, json={"former_hours": 169}).status_code == 422


def test_a_former_secret_ends_at_its_time_and_not_later_for_a_longer_one_after_it() -> None:
    secrets = Secrets(()).renewed(now=100, overlap=50)
    assert [secrets.signing(at) for at in (149, 150)] == [[1, 0], [1]]
    twice = secrets.renewed(now=120, overlap=50)
    assert [twice.signing(at) for at in (149, 150, 169, 170)] == [[2, 1, 0], [2, 1], [2, 1], [2]]
    assert twice.renewed(now=130, overlap=0).signing(130) == [3]
    assert Secrets.read(twice.text()) == twice


def test_only_the_organisation_is_told_and_a_removed_address_is_told_nothing(
    client: Browser, receiver: Receiver
) -> None:
    hook = registered(client, receiver.url, "ELSEWHERE")
    sit(client, invite(client))
    assert delivered(client) == 0
    elsewhere, here = (bearer(client, "webhooks:write", name) for name in ("ELSEWHERE", "HOSPITAL"))
    assert client.delete(f"/api/v1/webhooks/{hook['id']}", headers=here).status_code == 404
    assert client.delete(f"/api/v1/webhooks/{hook['id']}", headers=elsewhere).status_code == 204
    assert client.delete(f"/api/v1/webhooks/{hook['id']}", headers=elsewhere).status_code == 404
    mine = registered(client, receiver.url)
    sit(client, invite(client, identifier="M-2"))
    assert client.delete(f"/api/v1/webhooks/{mine['id']}", headers=here).status_code == 204
    assert delivered(client) == 0
    assert receiver.came == []


def test_what_is_given_up_waits_for_an_operator(
    client: Browser, receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sender, "ATTEMPTS", 3)
    hook = registered(client, receiver.url)
    receiver.answers = [503] * 3
    sit(client, invite(client))
    while delivered(client):
        pass
    assert len(receiver.came) == 3
    address = ["--database-url", settings.database_url]
    assert main(["webhook", "dead", "--json", *address]) == 0
    (dead,) = json.loads(capsys.readouterr().out)
    assert (dead["webhook"], dead["attempts"], dead["told"]) == (hook["id"], 3, "status 503")
    from api.webhooks.store import send_again

    assert call(client, runtime_of(client).write, send_again, hook["id"]) == 1
    assert delivered(client) == 1
    assert len(set(receiver.ids())) == 1
    assert main(["webhook", "dead", *address]) == 0
    assert capsys.readouterr().out == "nothing was given up\n"
    assert main(["webhook", "list", "HOSPITAL", *address]) == 0
    assert "0 waiting, 0 given up" in capsys.readouterr().out


def test_the_server_sends_by_itself_and_several_workers_send_once(
    settings: Settings, receiver: Receiver
) -> None:
    working = replace(settings, upkeep=1)
    with browser(create_app(working), working.base_url) as client:
        client.portal.call(prepare, runtime_of(client))
        registered(client, receiver.url)
        sit(client, invite(client))
        end = time.monotonic() + 200
        while not receiver.came and time.monotonic() < end:
            time.sleep(0.02)
    assert len(receiver.came) == 1


def test_a_sender_that_is_killed_before_it_hears_the_reply_sends_again(
    settings: Settings, receiver: Receiver
) -> None:
    with browser(create_app(settings), settings.base_url) as client:
        client.portal.call(prepare, runtime_of(client))
        registered(client, receiver.url)
        for n in range(3):
            sit(client, invite(client, identifier=f"M-{n}"))
    started = Event()

    def die() -> None:
        started.wait()
        process.kill()
        process.wait()

    receiver.met = die
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.server", "0"],
        env=os.environ | replace(settings, upkeep=1).environment(),
    )
    started.set()
    try:
        assert process.wait(200) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    first = receiver.ids()
    assert first
    receiver.met = lambda: None
    with browser(create_app(settings), settings.base_url) as client:
        while delivered(client):
            pass
        entries = client.get("/api/v1/results", headers=bearer(client, "results:read")).json()["results"]
    assert {receiver.ids().count(id) for id in first} == {2}
    once = {headers["webhook-id"]: json.loads(body)["data"] for headers, body in receiver.came}
    assert sorted(entry["id"] for entry in once.values()) == [entry["id"] for entry in entries]


def test_a_receiver_that_dribbles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                for byte in itertools.cycle(b"HTTP/1.1 200 OK but slowly "):
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)

        thread = Thread(target=dribble)
        thread.start()
        with pytest.raises((OSError, http.client.HTTPException)):
            post.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, private=True)
        thread.join(100)
        assert not thread.is_alive()


def test_a_message_is_dated_by_the_clock_of_the_database(
    client: Browser, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(client, receiver.url)
    sit(client, invite(client))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    assert delivered(client) == 1
    ((headers, _),) = receiver.came
    assert abs(int(headers["webhook-timestamp"]) - now) < 60


def test_later_and_later_and_at_last_not_any_more() -> None:
    waits = [wait_after(n, 0.5) or 0 for n in range(1, sender.ATTEMPTS)]
    assert waits == sorted(waits)
    assert waits[:3] == [5_000_000, 15_000_000, 45_000_000]
    assert 40 * 3600 < sum(waits) / 1e6 < 60 * 3600
    assert wait_after(sender.ATTEMPTS, 0.5) is None
    assert len({wait_after(4, chance / 10) for chance in range(10)}) == 10


INSIDE = [
    "https://127.0.0.1/",
    "https://localhost/",
    "https://x.localhost/",
    "https://10.0.0.1/",
    "https://192.168.1.1:8443/x",
    "https://172.16.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "http://hr.example.org/",
    "ftp://hr.example.org/",
    "https://user:word@hr.example.org/",
    "https://hr.example.org/#x",
    "https:///x",
    "https://hr.example.org:99999/",
    "https://hr.example.org/\r\nX: y",
    "nonsense",
]


@pytest.mark.parametrize("url", INSIDE)
def test_addresses_inside_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        checked(url, private=False)


def test_a_name_that_leads_inside_is_refused_when_something_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("93.184.215.14", "10.0.0.7")]

    monkeypatch.setattr(post.socket, "getaddrinfo", found)
    with pytest.raises(Refused, match="inside"):
        post.post("https://hr.example.org/", b"{}", {}, private=False)


def test_registration_refuses_them_too(settings: Settings) -> None:
    with browser(create_app(replace(settings, webhooks_inside=False)), settings.base_url) as client:
        client.portal.call(prepare, runtime_of(client))
        header = bearer(client, "webhooks:write")
        for url in INSIDE[:6]:
            reply = client.post("/api/v1/webhooks", headers=header, json={"url": url})
            assert (reply.status_code, reply.json()["code"]) == (403, "address_refused")
        told = {"url": "https://hr.example.org/acquis"}
        assert client.post("/api/v1/webhooks", headers=header, json=told).status_code == 201
        assert client.post("/api/v1/webhooks", headers=header, json=told).json()["code"] == "conflict"
