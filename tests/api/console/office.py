"""People of an office at the console: accounts, browsers that are signed in, forms of the pages."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from api.accounts.passwords import hashed
from api.accounts.staff import add, choose
from api.accounts.staff_sessions import Opening, open_session
from api.console.desk import cookie
from api.ids import new_secret
from tests.api.browser import Browser
from tests.api.desk import call, runtime_of
from tests.api.sample import ORGANISATION

PASSWORD = "correct horse battery staple"
BROWSER = {"accept": "text/html", "sec-fetch-site": "same-origin"}


def employed(client: Browser, login: str, roles: str, organisation: str = ORGANISATION) -> str:
    """Make an account without a password; return its identifier."""
    made = call(
        client,
        runtime_of(client).write,
        add,
        organisation,
        login.partition("@")[0].title(),
        login,
        roles,
        new_secret(),
        None,
        organisation,
    )
    return str(made.id)


def with_password(client: Browser, login: str, roles: str = "hr") -> str:
    """Make an account with the password of these tests; return its identifier."""
    runtime, link = runtime_of(client), new_secret()
    made = call(client, runtime.write, add, ORGANISATION, "Alice Martin", login, roles, link, None)
    call(client, runtime.write, choose, link, call(client, hashed, PASSWORD))
    return str(made.id)


def at_desk(client: Browser, account: str, waits: bool = False, organisation: str = ORGANISATION) -> str:
    """Open a session of an account; return its cookie."""
    runtime, token = runtime_of(client), new_secret()
    call(client, runtime.write, open_session, account, organisation, Opening(token, waits))
    return f"{cookie(runtime.settings)}={token}"


class Desk:
    """One browser at the console."""

    def __init__(self, client: Browser, cookie: str = "") -> None:
        self.client = client
        self.cookie = cookie

    def get(self, path: str) -> Any:
        """Ask for a page."""
        return self._sent("GET", path)

    def post(self, path: str, fields: dict[str, Any], page: str, **told: Any) -> Any:
        """Send a form that stands on `page`, with what it carries hidden unless told otherwise."""
        carried = dict(re.findall(r'<input type="hidden" name="(jeton|once)" value="([^"]*)"', page))
        return self._sent("POST", path, data=carried | fields, **told)

    def checked(self, path: str, fields: dict[str, Any], page: str, step: str = "envoyer") -> Any:
        """Send a form whose page shows it again first, and send that page's."""
        check = self.post(path, fields, page)
        assert (check.status_code, "encore enregistré" in check.text) == (200, True)
        kept = re.findall(r'<textarea name="(\w+)" hidden>\n(.*?)</textarea>', check.text, re.DOTALL)
        again = {name: unescape(value) for name, value in kept}
        return self.post(path, again | {"geste": step}, check.text)

    def _sent(self, method: str, path: str, **told: Any) -> Any:
        self.client.cookies.clear()
        kept = {"cookie": self.cookie} if self.cookie else {}
        headers = BROWSER | kept | told.pop("headers", {})
        reply = self.client.request(method, path, headers=headers, follow_redirects=False, **told)
        for name, value in reply.cookies.items():
            others = [part for part in self.cookie.split("; ") if part and not part.startswith(f"{name}=")]
            self.cookie = "; ".join([*others, f"{name}={value}"])
        return reply
