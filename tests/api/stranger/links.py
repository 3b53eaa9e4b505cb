"""Following a document's links: the next request is what this reply says (OpenAPI runtime expressions)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.api.browser import Browser

__all__ = ["Step", "Walk"]

_EXPRESSION = re.compile(r"\$(response\.body#(?:/[\w~]+)*|request\.path\.\w+)")


@dataclass(frozen=True, slots=True)
class Step:
    """A reply, and the request that it answers."""

    operation: str
    path: dict[str, str]
    authorization: dict[str, str]
    status: int
    content: Any


@dataclass(slots=True)
class Walk:
    """Goes from reply to reply by links alone.

    Attributes
    ----------
    client_shows
        What a program's requests show; a candidate's show the token that entering has given.
    followed
        Every link that was followed: operation, status, name.
    """

    client: Browser
    document: dict[str, Any]
    client_shows: dict[str, str]
    followed: set[tuple[str, int, str]] = field(default_factory=set)
    sent: int = 0

    def start(self, operation: str, body: Any = None) -> Step:
        """Call an operation without a link."""
        return self._call(operation, {}, self.client_shows, body)

    def follow(self, step: Step, name: str) -> Step:
        """Call what the link `name` of a reply leads to."""
        link = self._described(step.operation)[2]["responses"][str(step.status)]["links"][name]
        self.followed.add((step.operation, step.status, name))
        given: dict[str, dict[str, str]] = {"path": {}, "query": {}}
        for target, expression in link.get("parameters", {}).items():
            where, _, parameter = target.partition(".")
            given[where][parameter] = str(said(expression, step))
        body = said(link["requestBody"], step) if "requestBody" in link else None
        security = self._described(link["operationId"])[2].get("security", [])
        shows = self._candidate_shows(step) if {"sitting": []} in security else self.client_shows
        return self._call(link["operationId"], given["path"], shows, body, given["query"])

    @staticmethod
    def _candidate_shows(step: Step) -> dict[str, str]:
        if step.operation == "enter":
            return {"Authorization": f"Bearer {step.content['token']}"}
        return step.authorization

    def links(self) -> set[tuple[str, int, str]]:
        """Every link that the document has."""
        return {
            (operation["operationId"], int(status), name)
            for path in self.document["paths"].values()
            for operation in path.values()
            for status, reply in operation["responses"].items()
            for name in reply.get("links", {})
        }

    def _described(self, operation: str) -> tuple[str, str, dict[str, Any]]:
        for path, methods in self.document["paths"].items():
            for method, told in methods.items():
                if told["operationId"] == operation:
                    return method, path, told
        raise AssertionError(f"the document has no operation {operation}")

    def _call(
        self,
        operation: str,
        path: dict[str, str],
        authorization: dict[str, str],
        body: Any,
        query: dict[str, str] | None = None,
    ) -> Step:
        self.sent += 1
        method, address, _ = self._described(operation)
        headers = {**authorization, "Idempotency-Key": f"request {self.sent}"}
        reply = self.client.request(
            method.upper(), address.format(**path), headers=headers, json=body, params=query
        )
        self.client.cookies.clear()
        content = reply.json() if "json" in reply.headers.get("content-type", "") else None
        return Step(operation, path, authorization, reply.status_code, content)


def said(expression: Any, step: Step) -> Any:
    """Evaluate an expression, or what holds some."""
    if isinstance(expression, dict):
        return {name: said(value, step) for name, value in expression.items()}
    if isinstance(expression, list):
        return [said(value, step) for value in expression]
    if not isinstance(expression, str):
        return expression
    return _value(expression, step) if _EXPRESSION.fullmatch(expression) else expression


def _value(expression: str, step: Step) -> Any:
    if expression.startswith("$request.path."):
        return step.path[expression.removeprefix("$request.path.")]
    content = step.content
    for part in expression.removeprefix("$response.body#/").split("/"):
        content = content[int(part)] if isinstance(content, list) else content[part]
    return content
