"""Where a partner departs from the specification: settings with names (``[partners.NAME.quirks]``)."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bridge.model import tables


class Quirks(BaseModel):
    """What is known of a partner. Nothing has to be set for one that keeps to the specification."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spelling: Literal["auto", "base64", "raw"] = Field(
        "auto",
        description="how the partner wants our token in the Authorization header; `auto`: as its version says, and where it does not"
        " accept that when registering, the other way",
    )
    accepts: Literal["any", "base64", "raw"] = Field("any", description="how its own Authorization header is read")
    trailing_slash: bool = Field(False, description="URLs that we put together end with a slash")
    patch: Literal["auto", "never"] = Field(
        "auto",
        description="whether it takes PATCH; `auto`: where it refuses one, the object is looked up there and PUT, and a partner that does"
        " not know the method is not asked again until its next registration",
    )
    pull_only: bool = Field(
        False,
        description="it fetches everything and is sent nothing: what its GETs returned counts as delivered, CDRs as acknowledged",
    )
    page_size: int = Field(1000, ge=0, le=10_000, description="how many objects of its lists are asked for at once; 0: it takes no `limit`")
    page_links: Literal["same-host", "own-host", "any-host"] = Field(
        "same-host",
        description="`Link` headers that lead to another host or scheme than the endpoint: not followed, their path and query followed at"
        " the endpoint's host, or followed with our token",
    )
    page_offsets: bool = Field(False, description="its lists have no `Link`: they go on by `offset`, as far as `X-Total-Count` says")
    full_lists: bool = Field(False, description="its `last_updated` is not to be relied on: lists are always asked for as a whole")
    time_zone: str | None = Field(None, description="IANA zone in which it means times without a zone; by default UTC")
    unknown_values: Literal["refuse", "other"] = Field(
        "refuse", description="mandatory values that its version does not know: refuse the object, or read them as `OTHER` or `UNKNOWN`"
    )
    bare_answers: bool = Field(False, description="it answers without an envelope")
    empty_answers: bool = Field(False, description="it answers 2xx to what it was sent without a body")
    wrapped_results: bool = Field(False, description="it expects the result of a command in an envelope")
    no_routing: bool = Field(False, description="it does not take the headers OCPI-to and OCPI-from")
    to_hub: bool = Field(False, description="as a hub it wants everything addressed to itself, nothing to the parties behind it")
    no_type: bool = Field(False, description="it does not take `?type=` when asked to authorise")
    no_location: bool = Field(False, description="it does not take LocationReferences when asked to authorise")
    duplicate_text: str = Field(
        r"already (exist|known|received|present|stored)|duplicate",
        description="what its refusal of a CDR says when it has one with that id (regular expression)",
    )
    duplicate_codes: frozenset[str] = Field(frozenset({"409"}), description="OCPI status codes or HTTP statuses that say so without words")

    @field_validator("duplicate_text")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as why:
            raise ValueError(f"no regular expression: {why}") from why
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and not tables.is_zone(value):
            raise ValueError(f"{value!r} is no IANA time zone")
        return value
