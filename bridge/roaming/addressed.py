"""Which EVSE a command means. An OCPI uid is unique with its operator only, and a command names none."""

from __future__ import annotations

from collections.abc import Callable

from bridge.model.command import Command
from bridge.roaming.storage import EvseRow, Storage


def evse_of(store: Storage, command: Command, allowed: Callable[[EvseRow], bool]) -> EvseRow | None:
    """The EVSE that a command names: by its EVSE-ID, else by its uid.

    Of several with that uid it is the first, by operator, that ``allowed`` lets the partner use; the first of all if it may
    use none.
    """
    location = str(command.location_id) if command.location_id is not None else None
    one = store.evse(str(command.evse_id)) if command.evse_id is not None else None
    if one is not None:
        return None if location is not None and one.location.upper() != location.upper() else one
    found = store.evses_by_uid(str(command.evse_uid), location) if command.evse_uid is not None else []
    return next((row for row in found if allowed(row)), found[0] if found else None)
