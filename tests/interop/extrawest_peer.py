"""A peer made of extrawest-ocpi, in memory. Runs in an environment of its own, without the bridge; started by ``extrawest.py``.

``python extrawest_peer.py SETTINGS.json``: ``port``, ``version``, ``role`` (cpo, emsp), ``token_a``, ``token_c`` (good from the
beginning; may be empty), ``party`` (country, party) and ``objects`` (by module). ``GET /_peer/state`` tells what it was given.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
HOST = f"127.0.0.1:{SETTINGS['port']}"
os.environ |= {"OCPI_HOST": HOST, "PROTOCOL": "http", "COUNTRY_CODE": SETTINGS["party"][0], "PARTY_ID": SETTINGS["party"][1],
               "CI_STRING_LOWERCASE_PREFERENCE": "False"}  # fmt: skip

import uvicorn  # noqa: E402
from py_ocpi.core.endpoints import ENDPOINTS  # noqa: E402
from py_ocpi.core.enums import Action, ModuleID, RoleEnum  # noqa: E402
from py_ocpi.core.exceptions import AuthorizationOCPIError  # noqa: E402
from py_ocpi.main import get_application  # noqa: E402
from py_ocpi.modules.versions.enums import VersionNumber  # noqa: E402

STORE: dict[str, dict[str, Any]] = {name: {_id: o for o in held if (_id := str(o.get("id") or o.get("uid")).upper())}
                                    for name, held in SETTINGS["objects"].items()}  # fmt: skip
TOKENS: dict[str, dict[str, Any]] = {SETTINGS["token_c"]: {}} if SETTINGS["token_c"] else {}
"""The tokens that open more than versions and credentials, with what their partner told of itself."""


class Authenticator:
    """Who is let in."""

    @classmethod
    async def authenticate(cls, auth_token: str) -> None:
        """Raises AuthorizationOCPIError."""
        if auth_token not in TOKENS:
            raise AuthorizationOCPIError

    @classmethod
    async def authenticate_credentials(cls, auth_token: str) -> str | dict[str, Any] | None:
        """The registered token; an empty object for a registration token; None for any other."""
        if auth_token in TOKENS:
            return auth_token
        return {} if auth_token == SETTINGS["token_a"] else None


class Crud:
    """What the framework leaves to whoever uses it: to keep things."""

    @classmethod
    async def get(cls, module: Any, role: Any, id: Any, *args: Any, **more: Any) -> Any:  # noqa: A002
        """One object; our credentials; the result of a command."""
        if module is ModuleID.credentials_and_registration:
            return credentials(id) if id in TOKENS else None
        if module is ModuleID.commands:
            return {"result": "ACCEPTED"}
        return STORE.get(module.value, {}).get(str(id).upper())

    @classmethod
    async def list(cls, module: Any, role: Any, filters: dict[str, Any], *args: Any, **more: Any) -> tuple[list[Any], int, bool]:
        """A page."""
        since, until = filters["date_from"], filters["date_to"]
        found = [one for one in STORE.get(module.value, {}).values() if _within(one["last_updated"], since, until)]
        page = found[filters["offset"] : filters["offset"] + filters["limit"]]
        return page, len(found), filters["offset"] + filters["limit"] >= len(found)

    @classmethod
    async def create(cls, module: Any, role: Any, data: dict[str, Any], *args: Any, **more: Any) -> Any:
        """Keep an object; register a partner, whose token is new."""
        if module is ModuleID.credentials_and_registration:
            token = secrets.token_hex(16)
            TOKENS[token] = data
            return credentials(token)
        if module is ModuleID.commands:
            return {}
        STORE.setdefault(module.value, {})[str(data.get("id") or data.get("uid")).upper()] = data
        return data

    @classmethod
    async def update(cls, module: Any, role: Any, data: dict[str, Any], id: Any, *args: Any, **more: Any) -> Any:  # noqa: A002
        """The same for what is there already."""
        if module is ModuleID.credentials_and_registration:
            TOKENS.pop(more["auth_token"], None)
        return await cls.create(module, role, data)

    @classmethod
    async def delete(cls, module: Any, role: Any, id: Any, *args: Any, **more: Any) -> None:  # noqa: A002
        """Forget an object, or a partner."""
        if module is ModuleID.credentials_and_registration:
            TOKENS.pop(id, None)
        else:
            STORE.get(module.value, {}).pop(str(id).upper(), None)

    @classmethod
    async def do(cls, module: Any, role: Any, action: Any, data: Any = None, *args: Any, **more: Any) -> Any:
        """Answer a command, an authorisation, or what token a partner wants."""
        if action is Action.get_client_token:
            return TOKENS[more["auth_token"]].get("credentials", {}).get("token", "")
        if action is Action.authorize_token:
            return {"allowed": "ALLOWED", "token": STORE["tokens"][str(data["token_uid"]).upper()]}
        return {"result": "ACCEPTED", "timeout": 30}


def _within(told: str, since: datetime | None, until: datetime | None) -> bool:
    at = datetime.fromisoformat(told.replace("Z", "+00:00"))
    return (since is None or at >= since) and (until is None or at < until)


def credentials(token: str) -> dict[str, Any]:
    """What the peer says of itself."""
    country, party = SETTINGS["party"]
    own = {"party_id": party, "country_code": country, "business_details": {"name": "A peer of extrawest-ocpi"}}
    told = {"token": token, "url": f"http://{HOST}/ocpi/versions"}
    return told | (own if SETTINGS["version"] == "2.1.1" else {"roles": [own | {"role": SETTINGS["role"].upper()}]})


MODULES = [ModuleID.credentials_and_registration, ModuleID.locations, ModuleID.sessions, ModuleID.cdrs, ModuleID.tariffs,
           ModuleID.tokens, ModuleID.commands]  # fmt: skip
if SETTINGS["role"] == "cpo":  # it serves commands, but does not list them: without this no eMSP would find them
    of = ENDPOINTS[VersionNumber(SETTINGS["version"])][RoleEnum.cpo]
    tokens = of[ModuleID.tokens]
    of[ModuleID.commands] = tokens.copy(update={"identifier": ModuleID.commands, "url": tokens.url.replace("tokens", "commands")})
app = get_application([VersionNumber(SETTINGS["version"])], [RoleEnum(SETTINGS["role"].upper())], Crud, MODULES, Authenticator)


async def state() -> dict[str, Any]:
    """What it holds, and who is registered."""
    return {"store": STORE, "registered": len([one for one in TOKENS.values() if one])}


app.add_api_route("/_peer/state", state)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=SETTINGS["port"], log_level="warning")
