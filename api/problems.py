"""Errors as problem+json (RFC 9457), each with a stable code.

Clients branch on ``code``; ``title`` and ``detail`` are for people and may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PROBLEMS", "Problem"]

PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed": (422, "The request is not well formed."),
    "invalid_response": (409, "The response does not fit the item."),
    "invalid_cursor": (400, "The cursor was not made by this feed."),
    "cursor_ahead": (409, "The cursor is from after the state that the feed was put back to."),
    "not_found": (404, "There is nothing at this address."),
    "method_not_allowed": (405, "This address does not answer to this method."),
    "slow_body": (408, "The body of the request did not come in time."),
    "too_large": (413, "The request is larger than this address accepts."),
    "unsupported_media_type": (415, "This address does not read this media type."),
    "unauthenticated": (401, "Credentials are missing or no longer valid."),
    "forbidden": (403, "These credentials do not allow this."),
    "address_refused": (403, "Nothing is sent to this address."),
    "cross_site": (403, "The request was sent from another site."),
    "invalid_client": (401, "The client identifier or its secret is wrong."),
    "unsupported_grant_type": (400, "Only the client_credentials grant is offered."),
    "invalid_scope": (400, "The client may not have this scope."),
    "invalid_request": (400, "The token request lacks something."),
    "code_unknown": (404, "No invitation has this code."),
    "code_expired": (410, "The invitation has expired or was withdrawn."),
    "test_closed": (409, "Too few items of this test may still be served."),
    "taken_over": (409, "The sitting goes on in another browser."),
    "stale": (409, "The sitting has moved on since this page was made."),
    "already_answered": (409, "This item was answered already, with another response."),
    "key_reused": (409, "The idempotency key was used for another request."),
    "interrupted": (409, "The sitting is interrupted; resume it first."),
    "awaiting_decision": (409, "The sitting waits for the decision of a person."),
    "finished": (409, "The sitting is over."),
    "not_finished": (409, "The sitting is not over yet."),
    "conflict": (409, "The request contradicts what is stored."),
    "busy": (503, "Too many requests are waiting."),
    "draining": (503, "The server is about to stop."),
    "unavailable": (503, "The database does not answer."),
    "internal": (500, "Something failed on our side."),
}
"""Every code with its status and title."""


_OAUTH = ("invalid_client", "unsupported_grant_type", "invalid_scope", "invalid_request")


class Problem(Exception):
    """A refusal that the client is told about.

    Parameters
    ----------
    code
        One of `PROBLEMS`.
    detail
        What was expected, what came and what to do, for a person; never a name or an answer.
    retry_after
        Seconds after which trying again makes sense.
    **more
        Further members of the problem document.
    """

    def __init__(self, code: str, detail: str = "", retry_after: int | None = None, **more: Any) -> None:
        self.code = code
        self.status, self.title = PROBLEMS[code]
        self.detail = detail
        self.retry_after = 1 if retry_after is None and self.status == 503 else retry_after
        self.more: Mapping[str, Any] = more
        super().__init__(f"{code}: {detail or self.title}")

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        document: dict[str, Any] = {
            "type": f"urn:acquis:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.code in _OAUTH:
            document["error"] = self.code  # as RFC 6749 calls it
        return document | dict(self.more)
