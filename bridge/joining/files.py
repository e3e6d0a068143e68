"""A partner's part of the configuration, as a file of the partner folder."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from attrs import frozen
from pydantic import ValidationError

from bridge.config import PartnerConfig
from bridge.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_OICP = """# what OICP demands and our data do not have: see docs/partners/hubject.md
certificate = "/run/secrets/{name}.pem"
key = "/run/secrets/{name}.key"

[constants]
# hotline = "+4930123456"
# calibration = "NOT_AVAILABLE"
# payment_options = ["CONTRACT"]
# accessibility = "PAYING_PUBLIC"
# hubject_compatible = true
# dynamic_info = "YES"
"""
_OCHP = """# the account: see docs/partners/e-clearing.md
user = "our-account"
password = {{file = "/run/secrets/{name}"}}

[constants]
# language = "en"
# time_zone = "Europe/Berlin"
"""


@frozen
class Draft:
    """What is known of a partner when it is added."""

    name: str
    protocol: str
    operator: str
    url: str = ""
    hub: bool = False
    party: str | None = None
    tariff: str | None = None
    test: bool = False

    def toml(self) -> str:
        """The file. Raises ConfigError if something in it cannot be."""
        if not _NAME.fullmatch(self.name):
            raise ConfigError("NAME", "1 to 64 letters, digits, - and _, beginning with a letter or digit")
        lines = [f"protocol = {_text(self.protocol)}", f"url = {_text(self.url)}"]
        lines += ['role = "hub"'] if self.hub else []
        lines += [f"provider_party = {_text(self.party)}"] if self.party else []
        more = _OICP if self.protocol.startswith("oicp") else _OCHP if self.protocol.startswith("ochp") else ""
        lines += [more.format(name=self.name)] if more else [""]
        lines += ["[[agreements]]", f"operator = {_text(self.operator)}"]
        lines += [f'tariffs = {{"*" = {_text(self.tariff)}}}'] if self.tariff else ['# tariffs = {"*" = "STANDARD"}']
        lines += ["test = true"] if self.test else []
        made = "\n".join(lines) + "\n"
        try:
            PartnerConfig.model_validate(tomllib.loads(made))
        except ValidationError as why:
            first = why.errors()[0]
            raise ConfigError(".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")) from why
        return made

    def write(self, folder: Path) -> Path:
        """Put the file into the partner folder. Raises ConfigError, also if there is one of that name already."""
        made, file = self.toml(), folder / f"{self.name}.toml"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as out:
                out.write(made)
        except OSError as why:
            raise ConfigError(str(file), why.strerror or "cannot be written") from why
        return file


def _text(value: str) -> str:
    """A text as TOML, which takes JSON's for all that can stand in it."""
    return json.dumps(value, ensure_ascii=False)
