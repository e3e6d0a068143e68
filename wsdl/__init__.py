"""Service descriptions the bridge ships: OCHP 1.4 and OCHPdirect 0.2.

Both descriptions share the schema ``ochp-1.4.xsd``, because OCHPdirect defines its messages in the
OCHP namespace ``http://ochp.eu/1.4``. That namespace is used by several incompatible schemas; this is
the corrected 1.4 ("master"). The files are written for this project; on the wire they agree with the
published descriptions, which ``tests/protocol/test_wsdl_ochp.py`` checks.
"""

from pathlib import Path

__all__ = ["path"]


def path(name: str) -> Path:
    """The description file of that name, for example ``path("ochp-1.4.wsdl")``."""
    return Path(__file__).with_name(name)
