"""OICP 2.3 authentication data (eRoamingPushAuthenticationData): tokens that a provider uploads to the hub.

OICP 2.3 gives operators no token list; they ask in real time.
"""

from __future__ import annotations

from bridge.mapping import Mapping, no_place, row
from bridge.model import token as c
from bridge.oicp import wire as w
from mappings.oicp.identification import PARTS, Identification, hints

TOKEN = Mapping(c.Token, w.AuthenticationDataRecord, (
    row(PARTS, "Identification", Identification(full=True), hints=hints()),
    no_place("party", because="the provider of a push is told once per message"),
    no_place("hashed", because="OICP has no hashed uids", refuse_when=c.UidHash.SHA_1),
    no_place("issuer", because="only OCPI has it"),
    no_place("group_id", because="only OCPI has it"),
    no_place("valid", because="a token that is uploaded is valid; one that is not valid is deleted", reads_as=True, refuse_when=False),
    no_place("whitelist", because="the hub answers with uploaded data; OICP has no choice", refuse_when=c.Whitelist.NEVER),
    no_place("language", because="only OCPI has it"),
    no_place("default_profile", because="only OCPI has it"),
    no_place("energy_contract", because="only OCPI has it"),
    no_place("permissions", because="only OCHP 1.4.1 has it"),
    no_place("last_updated", because="OICP's tokens have no time"),
), name="AuthenticationDataRecord")  # fmt: skip
