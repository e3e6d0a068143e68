"""OCPI 2.2.1 tokens (mod_tokens)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from bridge.mapping import (
    DEFAULTED,
    MILLISECONDS,
    At,
    Context,
    Converter,
    Mapping,
    Of,
    One,
    by_name,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import token as c
from bridge.model.common import ProfileKind
from bridge.model.ids import ContractId, IdError, PartyId, ProviderId, TokenUid, contract
from bridge.ocpi.wire import v221 as w
from mappings.ocpi.location import TOKEN_KIND

WHITELIST = by_name(c.Whitelist, w.WhitelistType, name="WhitelistType").covers(c.Whitelist, w.WhitelistType)
PROFILE = by_name(ProfileKind, w.ProfileType, name="ProfileType").covers(ProfileKind, w.ProfileType)


def party_of(contract_id: Any) -> PartyId | None:
    """The provider that a contract id names, or None."""
    try:
        return ContractId.parse(contract_id).party if contract_id else None
    except IdError:
        return None


class Owner(Converter):
    """``country_code`` and ``party_id``: as told, else of the provider that the contract id names, else configured."""

    note = "party, else the provider of the contract id"
    key_hint = "provider"
    always = True

    def out(self, value: Any, cx: Context, at: At) -> Any:
        party, contract_id = value
        if party is None:
            party = party_of(contract_id)
            because = "the contract id names the provider"
            if party is None and "provider" in cx.constants:
                party = ProviderId.parse(cx.constants["provider"]).party
                because = "configured: provider"
            if party is not None:
                cx.lose(at.dst[0], DEFAULTED, party.country_code, because)
                cx.lose(at.dst[1], DEFAULTED, party.party_id, because)
        return None if party is None else (party.country_code, party.party_id)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return party_from(value)


@lru_cache(1024)  # a list of tokens has few parties
def party_from(value: tuple[str | None, str | None]) -> PartyId | None:
    """A party from country code and party id, folded to capitals (identifiers are case-insensitive)."""
    country, party = value
    return None if country is None or party is None else PartyId(country.upper(), party.upper())


CONTRACT = Of(contract)

ENERGY_CONTRACT = Mapping(c.EnergyContract, w.EnergyContract, (
    row("supplier", "supplier_name"),
    row("contract_id", "contract_id"),
))  # fmt: skip


def _valid(o: c.Token, cx: Context) -> Any:
    if o.expires is not None:
        return o.expires > cx.facts.now
    return cx.constants.get("token_valid")


_UID_IS_CONTRACT = "a contract named without a card: the contract id stands for the uid"

TOKEN = Mapping(c.Token, w.Token, (
    row("party", ("country_code", "party_id"), Owner(), using="contract_id"),
    row("uid", "uid", Of(TokenUid), or_else=derived(lambda o, cx: o.contract_id, _UID_IS_CONTRACT)),
    row("kind", "type", TOKEN_KIND),
    row("contract_id", "contract_id", CONTRACT),
    row("visual_number", "visual_number"),
    row("issuer", "issuer", or_else=from_partner("issuer")),
    row("group_id", "group_id"),
    row("valid", "valid", or_else=derived(_valid, "whether it has expired; else configured: token_valid")),
    row("whitelist", "whitelist", WHITELIST, or_else=from_partner("whitelist")),
    row("language", "language"),
    row("default_profile", "default_profile_type", PROFILE),
    row("energy_contract", "energy_contract", One(ENERGY_CONTRACT)),
    row("last_updated", "last_updated", MILLISECONDS, or_else=derived(lambda o, cx: cx.facts.now, "the moment of reading")),
    no_place("rfid", because="OCPI does not tell kinds of RFID cards"),
    no_place("hashed", because="a hashed uid cannot be an OCPI uid", refuse_when=c.UidHash.SHA_1),
    no_place("expires", because="OCPI says whether a token is valid, not until when"),
    no_place("permissions", because="only OCHP 1.4.1 has it"),
    no_place("pin", because="OCPI has no PINs"),
    no_place("hashed_pin", because="OCPI has no PINs"),
), name="Token")  # fmt: skip
