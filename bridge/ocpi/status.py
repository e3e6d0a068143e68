"""Telling the status of EVSEs: by PATCH, and by PUT where a partner does not take that (mod_locations, PATCH)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bridge.errors import Declined
from bridge.ocpi import parts
from bridge.ocpi.client import OcpiClient
from bridge.ocpi.envelope import Refusal
from bridge.ocpi.version import owned_key

_NO_SUCH_METHOD = frozenset({405, 501})
_NO_SUCH_OBJECT = 404


class StatusTeller:
    """Tells one partner. ``location`` gives a location as the partner is shown it, ``takes_patch`` whether it is known not to
    take PATCH, and ``no_patch`` remembers that."""

    def __init__(self, client: OcpiClient, location: Callable[[str], bytes | None], takes_patch: Callable[[], bool],
                 no_patch: Callable[[], Awaitable[None]]) -> None:  # fmt: skip
        self._client = client
        self._location = location
        self._takes_patch = takes_patch
        self._no_patch = no_patch

    async def tell(self, owner: tuple[str, str], location: str, evse: str, change: bytes) -> None:
        """The status of an EVSE. Raises Unreachable or Declined.

        Where a PATCH is refused, the EVSE is looked up there: if the partner has it, it is PUT, else its location is.
        """
        if self._takes_patch():
            try:
                return await self._client.patch_evse(*owner, location, evse, change)
            except Refusal as why:
                refused: Refusal | None = why
        else:
            refused = None
        whole = self._location(owned_key(*owner, location))
        mine = parts.evse(whole, evse) if whole is not None else None
        if whole is None or mine is None:
            raise refused or Declined("it is told by PUT, and its location is not shown to the partner")
        if refused is None or await self._has(owner, location, evse):
            try:
                await self._client.put_evse(*owner, location, evse, mine)
            except Refusal as why:
                if why.status != _NO_SUCH_OBJECT:
                    raise
                await self._client.put_location(*owner, location, whole)
        else:
            await self._client.put_location(*owner, location, whole)
        if refused is not None and refused.status in _NO_SUCH_METHOD:
            await self._no_patch()
        return None

    async def _has(self, owner: tuple[str, str], location: str, evse: str) -> bool:
        """Whether the partner has an EVSE; one that does not let us look may have it."""
        try:
            return await self._client.get_evse(*owner, location, evse) is not None
        except Refusal:
            return True
