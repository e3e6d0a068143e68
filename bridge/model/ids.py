"""Identifiers: what the protocols call an EVSE, a contract, an operator, a token.

Each is a ``str`` and equals the exact text as it was read, so nothing is lost on the way through. Where two
spellings name the same thing (``de*abc*e1`` and ``DEABCE1``), compare ``.key``.

Two families of rules meet here. ISO 15118-2:2014, annex H (taken over by eMI3, OCHP, OCPI and OICP) begins
with an alpha-2 country code. DIN SPEC 91286, its forerunner, begins an EVSE or operator id with a telephone
country code, and has a shorter contract id with another check digit. The protocols narrow both differently:
``parse`` takes what any of them allows, and the writer of a protocol checks what that protocol demands.

``parse`` is the only way that validates. The parts of an id that was made without it (``EvseId("?")``) raise
``IdError`` when they are asked for.
"""

import re
from functools import lru_cache
from typing import ClassVar, Final, Literal, NamedTuple, Self

from attrs import frozen

Standard = Literal["ISO", "DIN"]

_CACHE: Final = 16384  # the EVSEs of a large operator; more would be memory that a stream of records only grows


class IdError(ValueError):
    """A text is not the identifier it should be. ``kind``, ``text`` and ``reason`` say what, and why not.

    The uid of a token is a secret: ``text`` holds it masked.
    """

    def __init__(self, kind: str, text: str, reason: str) -> None:
        super().__init__(kind, text, reason)
        self.kind = kind
        self.text = text
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.text!r} is no {self.kind}: {self.reason}"


def mask(text: str) -> str:
    """Make the uid of any token fit for a log: ``****`` and the last two characters, none of a short one."""
    return "****" + text[-2:] if len(text) >= 5 else "****"


@frozen(order=True)
class PartyId:
    """A party as OCPI names it: country and three characters (OCPI 2.2.1, credentials role).

    The constructor takes the values as they are; ``of`` and ``parse`` check them.
    """

    country_code: str
    party_id: str

    @classmethod
    def of(cls, country_code: str, party_id: str) -> "PartyId":
        """Check both halves and make them upper case (OCPI compares without case).

        Raises ``IdError`` unless they are two letters, and one to three letters or digits.
        """
        return _party(f"{country_code.strip()}*{party_id.strip()}")

    @classmethod
    def parse(cls, text: str) -> "PartyId":
        """Read ``DE*ABC``, ``DE-ABC`` or ``DEABC``; raises ``IdError``."""
        return _party(text.strip())

    @property
    def key(self) -> str:
        """``DEABC``: equal to the key of the ``OperatorId`` or ``ProviderId`` of the same party."""
        return f"{self.country_code}{self.party_id}".upper()

    def __str__(self) -> str:
        return f"{self.country_code}*{self.party_id}"


@lru_cache(_CACHE)
def _party(text: str) -> PartyId:
    match = _PARTY.fullmatch(text)
    if match is None:
        raise IdError("party id", text, _why_not_party(text, "party", range(1, 4)))
    return PartyId(match[1].upper(), match[2].upper())


class _Id(str):
    """What all checked identifiers share."""

    __slots__ = ()

    @staticmethod
    def _read(text: str) -> object:
        """Take the text apart, or raise ``IdError``."""
        raise NotImplementedError

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check ``text`` and keep it as it is, but for white space around it.

        Raises ``IdError`` with the reason when it does not have the form that the class describes.
        """
        text = text.strip()
        cls._read(text)
        return cls(text)


class _Operator(NamedTuple):
    country: str
    operator: str


@lru_cache(_CACHE)
def _operator(text: str) -> _Operator:
    match = _OPERATOR.fullmatch(text)
    if match is None:
        why = _why_not_din(text) if _looks_din(text) else _why_not_party(text, "operator", range(3, 4))
        raise IdError("operator id", text, why)
    country, operator, phone, number = match.groups()
    return _Operator("+" + phone, number) if phone else _Operator(country.upper(), operator.upper())


class OperatorId(_Id):
    """Who runs charge points: ``DE*ABC``, ``DEABC``, or with a telephone code ``+49*536``, ``49*536``.

    ISO 15118-2, annex H.2; DIN SPEC 91286; OICP 2.3, OperatorIDType. A DIN number has three digits in OICP
    2.3 and three to six in OICP 2.0. ``parse`` raises ``IdError`` for anything else.
    """

    __slots__ = ()
    _read = staticmethod(_operator)

    @property
    def standard(self) -> Standard:
        """``ISO``, or ``DIN`` when it begins with a telephone country code."""
        return "DIN" if _operator(str(self)).country[0] == "+" else "ISO"

    @property
    def country(self) -> str:
        """``DE``, or ``+49``."""
        return _operator(str(self)).country

    @property
    def operator(self) -> str:
        """``ABC``, or ``536``."""
        return _operator(str(self)).operator

    @property
    def party(self) -> PartyId | None:
        """The same as an OCPI party; None for DIN, since a telephone code is not always one country's."""
        country, operator = _operator(str(self))
        return None if country[0] == "+" else PartyId(country, operator)

    @property
    def key(self) -> str:
        """For comparing: ``DEABC``, or ``+49*536``."""
        return str(self.compact())

    def separated(self) -> "OperatorId":
        """``DE*ABC``, or ``+49*536``."""
        return OperatorId("*".join(_operator(str(self))))

    def compact(self) -> "OperatorId":
        """``DEABC``; a DIN id keeps its separator, without which nobody could read it: ``+49*536``."""
        country, operator = _operator(str(self))
        return OperatorId(f"{country}*{operator}" if country[0] == "+" else country + operator)


class _Provider(NamedTuple):
    country: str
    provider: str


@lru_cache(_CACHE)
def _provider(text: str) -> _Provider:
    match = _PROVIDER.fullmatch(text)
    if match is None:
        raise IdError("provider id", text, _why_not_party(text, "provider", range(3, 4)))
    return _Provider(match[1].upper(), match[2].upper())


class ProviderId(_Id):
    """Whose customer a driver is: ``DE-ABC``, ``DE*ABC`` or ``DEABC``.

    ISO 15118-2, annex H.1; DIN SPEC 91286; OICP 2.3, ProviderIDType. ``parse`` raises ``IdError`` for
    anything else.
    """

    __slots__ = ()
    _read = staticmethod(_provider)

    @property
    def standard(self) -> Standard:
        """``DIN`` when written with a ``*``, which ISO 15118 does not allow here; else ``ISO``."""
        return "DIN" if "*" in self else "ISO"

    @property
    def country(self) -> str:
        """``DE``."""
        return _provider(str(self)).country

    @property
    def provider(self) -> str:
        """``ABC``."""
        return _provider(str(self)).provider

    @property
    def party(self) -> PartyId:
        """The same as an OCPI party."""
        return PartyId(*_provider(str(self)))

    @property
    def key(self) -> str:
        """For comparing: ``DEABC``."""
        return "".join(_provider(str(self)))

    def hyphenated(self) -> "ProviderId":
        """``DE-ABC``."""
        return ProviderId("-".join(_provider(str(self))))

    def separated(self) -> "ProviderId":
        """``DE*ABC``."""
        return ProviderId("*".join(_provider(str(self))))

    def compact(self) -> "ProviderId":
        """``DEABC``."""
        return ProviderId(self.key)


class _Place(NamedTuple):
    country: str
    operator: str
    instance: str


class _PlaceId(_Id):
    """An operator, a letter that says what it is, and the operator's own name for it."""

    __slots__ = ()
    _letter: ClassVar[str]

    @staticmethod
    def _read(text: str) -> _Place:
        raise NotImplementedError

    @property
    def country(self) -> str:
        """``DE``; of a DIN id ``+49``."""
        return self._read(str(self)).country

    @property
    def operator(self) -> str:
        """``ABC``; of a DIN id ``536``."""
        return self._read(str(self)).operator

    @property
    def operator_id(self) -> OperatorId:
        """``DE*ABC``; of a DIN id ``+49*536``."""
        country, operator, _ = self._read(str(self))
        return OperatorId(f"{country}*{operator}")

    @property
    def party(self) -> PartyId | None:
        """The operator as an OCPI party; None for DIN, since a telephone code is not always one country's."""
        country, operator, _ = self._read(str(self))
        return None if country[0] == "+" else PartyId(country, operator)

    @property
    def instance(self) -> str:
        """What follows the letter (of a DIN id, the operator), as written."""
        return self._read(str(self)).instance

    @property
    def key(self) -> str:
        """For comparing: the compact form in upper case."""
        return self.compact().upper()

    def separated(self) -> Self:
        """With a ``*`` after country and operator, and the instance as written: ``DE*ABC*E123*1``."""
        country, operator, instance = self._read(str(self))
        letter = "" if country[0] == "+" else self._letter
        return type(self)(f"{country}*{operator}*{letter}{instance}")

    def compact(self) -> Self:
        """Without separators: ``DEABCE1231``.

        A DIN id keeps the two around the operator, without which nobody could read it: ``+49*536*1234``.
        """
        country, operator, instance = self._read(str(self))
        instance = instance.replace("*", "")
        if country[0] == "+":
            return type(self)(f"{country}*{operator}*{instance}")
        return type(self)(f"{country}{operator}{self._letter}{instance}")


@lru_cache(_CACHE)
def _evse(text: str) -> _Place:
    match = _EVSE.fullmatch(text)
    if match is None:
        why = _why_not_din(text, 32) if _looks_din(text) else _why_not_place(text, "E", 31)
        raise IdError("EVSE id", text, why)
    country, operator, instance, phone, number, outlet = match.groups()
    if phone:
        return _Place("+" + phone, number, outlet)
    return _Place(country.upper(), operator.upper(), instance)


class EvseId(_PlaceId):
    """One charge point, worldwide: ``DE*ABC*E123*1``, or by DIN SPEC 91286 ``+49*536*123*4``.

    ISO 15118-2, annex H.2; OCHP 1.4, EvseId; OICP 2.3, EvseIDType. Case does not matter, each ``*`` may be
    left out. After the ``E`` come 1 to 31 letters, digits and ``*``, not only ``*``: OCHP and ISO allow 31,
    OICP 30 (and OICP alone allows a ``*`` first). In a DIN id the ``+`` may be left out, the operator has 3
    to 6 digits, and 1 to 32 digits and ``*`` follow. ``parse`` raises ``IdError`` for anything else.
    """

    __slots__ = ()
    _read = staticmethod(_evse)
    _letter = "E"

    @property
    def standard(self) -> Standard:
        """``ISO``, or ``DIN`` when it begins with a telephone country code."""
        return "DIN" if _evse(str(self)).country[0] == "+" else "ISO"


@lru_cache(_CACHE)
def _pool(text: str) -> _Place:
    match = _POOL.fullmatch(text)
    if match is None:
        raise IdError("pool id", text, _why_not_place(text, "P", 30))
    return _Place(match[1].upper(), match[2].upper(), match[3])


class PoolId(_PlaceId):
    """A group of stations at one place: ``DE*ABC*P1234TEST*1`` (OICP 2.3, ChargingPoolIDType).

    Case does not matter, each ``*`` may be left out; 1 to 30 letters, digits and ``*`` follow the ``P``.
    ``parse`` raises ``IdError`` for anything else.
    """

    __slots__ = ()
    _read = staticmethod(_pool)
    _letter = "P"


@lru_cache(_CACHE)
def _parking(text: str) -> _Place:
    match = _PARKING.fullmatch(text)
    if match is None:
        raise IdError("parking id", text, _why_not_place(text, "P", 31))
    return _Place(match[1].upper(), match[2].upper(), match[3])


class ParkingSpotId(_PlaceId):
    """One parking spot of a parking spot operator: ``DE*ABC*P15`` (OCHP 1.4, ParkingId).

    Case does not matter, each ``*`` may be left out; 1 to 31 letters, digits and ``*`` follow the ``P``.
    ``parse`` raises ``IdError`` for anything else.
    """

    __slots__ = ()
    _read = staticmethod(_parking)
    _letter = "P"


class _Contract(NamedTuple):
    standard: Standard
    country: str
    provider: str
    instance: str
    check: str | None


@lru_cache(_CACHE)
def _contract(text: str) -> _Contract:
    match = _CONTRACT.fullmatch(text)
    if match is None:
        raise IdError("contract id", text, _why_not_contract(text))
    groups = match.groups()
    standard: Standard = "ISO" if groups[0] else "DIN"
    country, provider, instance, check = groups[:4] if groups[0] else groups[4:]
    return _Contract(standard, country.upper(), provider.upper(), instance.upper(), check and check.upper())


class ContractId(_Id):
    """A driver's contract: eMAID ``DE-8AA-CA2B3C4D5-L``, or EVCO-ID of DIN SPEC 91286, ``NL*TNM*012204*5``.

    ISO 15118-2, annex H.1; eMI3 1.0, part 2, 1.2.2.1; OCHP 1.4, ContractId; OICP 2.3, EvcoIDType. An eMAID
    has nine characters after the provider and may have ``-``, an EVCO-ID has six and may have ``*`` or ``-``;
    so the length tells them apart. Case does not matter, each separator may be left out, and so may the check
    digit (OICP demands it, and a ``C`` as the first of the nine). ``parse`` raises ``IdError`` for anything
    else, but takes a wrong check digit: see ``check_ok``.
    """

    __slots__ = ()
    _read = staticmethod(_contract)

    @property
    def standard(self) -> Standard:
        """``ISO`` with nine characters after the provider, ``DIN`` with six."""
        return _contract(str(self)).standard

    @property
    def country(self) -> str:
        """``DE``."""
        return _contract(str(self)).country

    @property
    def provider(self) -> str:
        """``8AA``."""
        return _contract(str(self)).provider

    @property
    def provider_id(self) -> ProviderId:
        """``DE-8AA``."""
        return ProviderId(f"{self.country}-{self.provider}")

    @property
    def party(self) -> PartyId:
        """The provider as an OCPI party."""
        return PartyId(self.country, self.provider)

    @property
    def instance(self) -> str:
        """What follows the provider, without the check digit, in upper case: ``CA2B3C4D5``."""
        return _contract(str(self)).instance

    @property
    def check_digit(self) -> str | None:
        """The check digit as sent, in upper case; None when there is none."""
        return _contract(str(self)).check

    @property
    def key(self) -> str:
        """For comparing: ``DE8AACA2B3C4D5``, without the check digit, since not every protocol sends it."""
        _, country, provider, instance, _ = _contract(str(self))
        return country + provider + instance

    @property
    def computed_check_digit(self) -> str:
        """What the check digit should be.

        ISO 15118-2, annex H.1.3 (explained in eMI3's "Check Digit Calculation for Contract-IDs"), or DIN SPEC
        91286.
        """
        return (_check_iso if self.standard == "ISO" else _check_din)(self.key)

    @property
    def check_ok(self) -> bool | None:
        """Whether the check digit is right; None when there is none."""
        check = self.check_digit
        return None if check is None else check == self.computed_check_digit

    def hyphenated(self) -> "ContractId":
        """With all separators, in upper case: ``DE-8AA-CA2B3C4D5-L``; no check digit is added."""
        return self._joined("-", self.check_digit)

    def compact(self) -> "ContractId":
        """Without separators, in upper case: ``DE8AACA2B3C4D5L``; no check digit is added."""
        return self._joined("", self.check_digit)

    def with_check_digit(self) -> "ContractId":
        """With the right check digit in place of any, in upper case, and separated as this is, if at all."""
        return self._joined("*" if "*" in self else "-" if "-" in self else "", self.computed_check_digit)

    def _joined(self, separator: str, check: str | None) -> "ContractId":
        _, country, provider, instance, _ = _contract(str(self))
        return ContractId(separator.join(filter(None, (country, provider, instance, check))))


def _check_iso(text: str) -> str:
    # Chen, Niemenmaa and Vinck's code: each character is a row (a, b) over the integers modulo 2 and a row
    # (c, d) modulo 3, being its value 0..35 read as 18a + 9b + 3c + d. The i-th of the fifteen characters is
    # multiplied by the i-th power of P = (0 1; 1 1) modulo 2 and Q = (0 1; 1 2) modulo 3; all must add up to
    # nothing. Going from the last character to the first, one step is "add, then multiply".
    a = b = c = d = 0
    for char in reversed(text):
        twos, threes = divmod(int(char, 36), 9)
        a, b = a + twos // 2, b + twos % 2
        a, b = b, a + b
        c, d = c + threes // 3, d + threes % 3
        c, d = d, c + 2 * d
    # The fifteenth solves it: P to the 15th is the identity and signs are nothing modulo 2; Q to the 16th is
    # the identity, so minus Q to the minus 15th is minus Q.
    return _DIGITS[18 * (a % 2) + 9 * (b % 2) + 3 * (-d % 3) + (-c - 2 * d) % 3]


def _check_din(text: str) -> str:
    # Write every character as its value 0..35 in decimal, so that letters become two digits; weigh these
    # digits by 1, 2, 4, 8, ... from the left; the remainder by eleven is the check digit, ten being X.
    decimals = "".join(str(int(char, 36)) for char in text)
    remainder = sum(int(digit) << place for place, digit in enumerate(decimals)) % 11
    return "X" if remainder == 10 else str(remainder)


def _rfid(text: str) -> str:
    if _HEX.fullmatch(text) is None:
        raise IdError("RFID uid", mask(text), _why_not_hex(text))
    plain = (text if text.isalnum() else _SEPARATOR.sub("", text)).upper()
    if len(plain) not in (8, 14, 20):
        raise IdError("RFID uid", mask(text), f"{len(plain) // 2} bytes, where 4, 7 or 10 are expected")
    return plain


class RfidUid(_Id):
    """The number burnt into a card of ISO/IEC 14443-3: 4, 7 or 10 bytes in hexadecimal.

    ``parse`` takes either case and one ``:``, ``-`` or space between bytes, keeps the text as given, and
    raises ``IdError`` for anything else, without showing the uid: who knows it can charge. OICP 2.3, UIDType,
    wants ``hex``.
    """

    # Not cached, as the others are: secrets should not lie about in memory.
    __slots__ = ()
    _read = staticmethod(_rfid)

    @property
    def hex(self) -> str:
        """The bytes in upper case without separators: ``04A2B3C4``."""
        return _rfid(str(self))

    @property
    def key(self) -> str:
        """For comparing: the same as ``hex``."""
        return _rfid(str(self))

    @property
    def size(self) -> int:
        """The number of bytes: 4, 7 or 10."""
        return len(_rfid(str(self))) // 2

    @property
    def is_random(self) -> bool:
        """Whether the card makes up a new uid each time: four bytes that begin with 08 (ISO/IEC 14443-3)."""
        plain = _rfid(str(self))
        return len(plain) == 8 and plain.startswith("08")

    def reversed(self) -> "RfidUid":
        """The bytes in the other order, as some readers send them; case and separators stay as they are."""
        _rfid(str(self))
        pairs: list[str] = _BYTE.findall(self)
        return RfidUid(_BYTE.sub(lambda _: pairs.pop(), self))

    def masked(self) -> str:
        """Fit for a log: ``****C4``."""
        return mask(_rfid(str(self)))


class LocationId(str):
    """The id of a location, as its owner gave it (OCPI 2.2.1, Location.id)."""

    __slots__ = ()


class EvseUid(str):
    """The technical id of an EVSE within its owner's platform, not its ``EvseId`` (OCPI 2.2.1, EVSE.uid)."""

    __slots__ = ()


class ConnectorId(str):
    """The id of a connector within its EVSE (OCPI 2.2.1, Connector.id)."""

    __slots__ = ()


class TariffId(str):
    """The id of a tariff, as its owner gave it (OCPI 2.2.1, Tariff.id)."""

    __slots__ = ()


class TokenUid(str):
    """The id by which a token is known, of whatever kind (OCPI 2.2.1, Token.uid); log it through ``mask``."""

    __slots__ = ()


class SessionId(str):
    """The id of a charging session (OCPI 2.2.1, Session.id; OICP 2.3, SessionID)."""

    __slots__ = ()


class CdrId(str):
    """The id of a charge detail record, as its owner gave it (OCPI 2.2.1, CDR.id; OCHP 1.4, CdrId)."""

    __slots__ = ()


# The forms. All classes are spelt out: ``\d`` and IGNORECASE would let in digits and letters beyond ASCII.
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PARTY: Final = re.compile(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{1,3})")
_PROVIDER: Final = re.compile(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})")
_OPERATOR: Final = re.compile(r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})|\+?([0-9]{1,3})\*([0-9]{3,6})")
_ISO: Final = r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})\*?"
_EVSE: Final = re.compile(_ISO + r"[Ee](?!\*+\Z)([A-Za-z0-9*]{1,31})|\+?([0-9]{1,3})\*([0-9]{3,6})\*(?!\*+\Z)([0-9*]{1,32})")
_POOL: Final = re.compile(_ISO + r"[Pp](?!\*+\Z)([A-Za-z0-9*]{1,30})")
_PARKING: Final = re.compile(_ISO + r"[Pp](?!\*+\Z)([A-Za-z0-9*]{1,31})")
_CONTRACT: Final = re.compile(
    r"([A-Za-z]{2})-?([A-Za-z0-9]{3})-?([A-Za-z0-9]{9})(?:-?([A-Za-z0-9]))?"
    r"|([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})[*-]?([A-Za-z0-9]{6})(?:[*-]?([0-9Xx]))?"
)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}(?:[:\- ]?[0-9A-Fa-f]{2})*")
_BYTE: Final = re.compile(r"[0-9A-Fa-f]{2}")
_SEPARATOR: Final = re.compile(r"[:\- ]")


# Why a text does not have its form: read again, step by step, only when it is refused.


def _strange(text: str, signs: str) -> str | None:
    if not text:
        return "it is empty"
    for place, char in enumerate(text, 1):
        if char.upper() not in _DIGITS + signs or not char.isascii():
            return f"{char!r} at position {place} is not allowed"
    return None


def _why_not_country(text: str) -> str | None:
    return None if re.match(r"[A-Za-z]{2}", text) else "it does not begin with two letters for the country"


def _why_not_party(text: str, role: str, lengths: range) -> str:
    why = _strange(text, "*-") or _why_not_country(text)
    if why:
        return why
    found = text[3:] if text[2:3] in ("*", "-") else text[2:]
    if found.isalnum() and len(found) in lengths:
        return f"{text[2]!r} is not allowed between country and {role}"
    wanted = "three" if lengths.start == 3 else "one to three"
    return f"the {role} is {found!r}, where {wanted} letters or digits are expected"


def _looks_din(text: str) -> bool:
    return text[:1] == "+" or text[:1].isdigit()


def _why_not_din(text: str, outlet: int = 0) -> str:
    # ``outlet`` is the longest instance of an EVSE id, or 0 for an operator id.
    if why := _strange(text, "+*"):
        return why
    head, *rest = text.split("*", 2 if outlet else 1)
    if not re.fullmatch(r"\+?[0-9]{1,3}", head):
        return f"{head!r} is not a telephone country code of one to three digits, followed by '*'"
    if not rest or not re.fullmatch(r"[0-9]{3,6}", rest[0]):
        found = rest[0] if rest else ""
        return f"the operator is {found!r}, where three to six digits are expected"
    number = rest[1] if len(rest) == 2 else ""
    if not number.strip("*"):
        return "nothing follows the operator"
    if strange := re.search(r"[^0-9*]", number):
        return f"{strange[0]!r} follows the operator, where only digits and '*' are expected"
    return f"{len(number)} characters follow the operator, {outlet} at most are expected"


def _why_not_place(text: str, letter: str, longest: int) -> str:
    why = _strange(text, "*") or _why_not_country(text)
    if why:
        return why
    rest = text[2:].removeprefix("*")
    operator, rest = rest[:3], rest[3:].removeprefix("*")
    if len(operator) < 3 or "*" in operator:
        return f"the operator is {operator!r}, where three letters or digits are expected"
    if rest[:1].upper() != letter:
        return f"{rest[:1]!r} follows the operator, where {letter!r} is expected"
    instance = rest[1:]
    if not instance.strip("*"):
        return f"nothing follows the {letter!r}"
    return f"{len(instance)} characters follow the {letter!r}, {longest} at most are expected"


def _why_not_contract(text: str) -> str:
    why = _strange(text, "*-") or _why_not_country(text)
    if why:
        return why
    plain = text.replace("*", "").replace("-", "")
    if len(plain) not in (11, 12, 14, 15):
        return f"it has {len(plain)} letters and digits, where 14 or 15 (or 11 or 12, by DIN) are expected"
    if len(plain) == 12 and plain[-1].upper() not in "0123456789X":
        return f"the check digit of DIN SPEC 91286 is {plain[-1]!r}, where a digit or 'X' is expected"
    if len(plain) > 12 and "*" in text:
        return "'*' is no separator of an eMAID, only '-' is"
    return "a separator is where none is expected"


def _why_not_hex(text: str) -> str:
    if not text:
        return "it is empty"
    if any(char not in "0123456789abcdefABCDEF:- " for char in text):
        return "it has a character other than hexadecimal digits, ':', '-' and space"
    if len(_SEPARATOR.sub("", text)) % 2:
        return "it has an odd number of hexadecimal digits"
    return "a separator is where none is expected"


def rfid_key(text: str) -> str:
    """The ``key`` of the RFID uid that a text is; raises ``IdError`` as ``RfidUid.parse`` does."""
    return _rfid(text.strip())


def contract(text: str) -> ContractId | str:
    """A contract id where the text is one, else the text as it is: OCPI only recommends the form."""
    bare = text.strip()
    return text if _CONTRACT.fullmatch(bare) is None else ContractId(bare)


def evse_key(text: str) -> str:
    """How an EVSE is looked up: without case and separators where the text is an EVSE-ID, else in capitals."""
    try:
        return EvseId.parse(text).key
    except IdError:
        return text.upper()


def operator_key(operator: OperatorId | None) -> str:
    """An operator for comparing; empty if unknown, the text itself if it has no known form."""
    if operator is None:
        return ""
    try:
        return operator.key
    except IdError:
        return str(operator)
