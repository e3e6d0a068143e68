"""Every interface that we serve. A module file that serves more is added here, and nowhere else."""

from __future__ import annotations

from bridge.ocpi import asked, clientinfo, commands, modules, profiles, receivers, tokens
from bridge.ocpi.call import Interface

INTERFACES: tuple[Interface, ...] = (
    *modules.INTERFACES,
    *tokens.INTERFACES,
    *commands.INTERFACES,
    *profiles.INTERFACES,
    *clientinfo.INTERFACES,
    *receivers.INTERFACES,
    *asked.INTERFACES,
)
"""In the order in which version details list them."""
