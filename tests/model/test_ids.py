"""Identifiers: published examples, real ones, what is refused and why, and laws that hold for all of them."""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import ids
from bridge.model.ids import (
    ContractId,
    EvseId,
    IdError,
    OperatorId,
    ParkingSpotId,
    PartyId,
    PoolId,
    ProviderId,
    RfidUid,
    mask,
)

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# text; standard, country, operator, instance; key; separated; compact
EVSES = """
DE*XYZ*ETEST1       ISO DE  XYZ    TEST1         DEXYZETEST1        DE*XYZ*ETEST1        DEXYZETEST1
FR*A23*E45B*78C     ISO FR  A23    45B*78C       FRA23E45B78C       FR*A23*E45B*78C      FRA23E45B78C
DEAB7E1             ISO DE  AB7    1             DEAB7E1            DE*AB7*E1            DEAB7E1
DE*DES*E*BMW*0113*2 ISO DE  DES    *BMW*0113*2   DEDESEBMW01132     DE*DES*E*BMW*0113*2  DEDESEBMW01132
CH*REPE020*01*1     ISO CH  REP    020*01*1      CHREPE020011       CH*REP*E020*01*1     CHREPE020011
de*abc*e12a*b       ISO DE  ABC    12a*b         DEABCE12AB         DE*ABC*E12a*b        DEABCE12ab
+41*031*1190*1      DIN +41 031    1190*1        +41*031*11901      +41*031*1190*1       +41*031*11901
49*810548*000*438   DIN +49 810548 000*438       +49*810548*000438  +49*810548*000*438   +49*810548*000438
"""
# From: OICP 2.3, PushEvseData; OCHP 1.4, EvseId; mobilityid, EvseIdSpec (the shortest, and a star after the
# E); Swiss open data (OICP), separators mixed; our own: only ``key`` folds the case of the operator's part;
# Swiss open data; mobilityid: six digits of operator, and no plus.


@pytest.mark.parametrize("row", EVSES.strip().splitlines())
def test_evse_id(row: str) -> None:
    text, standard, country, operator, instance, key, separated, compact = row.split()
    evse = EvseId.parse(f" {text}\n")
    assert evse == text
    assert [evse.standard, evse.country] == [standard, country]
    assert [evse.operator, evse.instance] == [operator, instance]
    assert [evse.key, evse.separated(), evse.compact()] == [key, separated, compact]
    assert evse.operator_id == f"{country}*{operator}"
    assert evse.party == (PartyId(country, operator) if standard == "ISO" else None)


def test_evse_id_lengths() -> None:
    # OCHP and ISO 15118 allow 31 characters after the E; OICP's pattern 30 (its writer has to check).
    assert EvseId.parse("DE*ABC*E" + "1" * 31).instance == "1" * 31
    assert EvseId.parse("+49*536*" + "1" * 32).instance == "1" * 32


def test_din_evse_ids_are_not_mixed_up() -> None:
    # Without the separators both would be +4953612.
    assert EvseId.parse("+49*536*12").key != EvseId.parse("+49*5361*2").key


# The first eight: the tests of ShellRechargeSolutionsEU/mobilityid (CheckDigitSpec) and half a dozen others;
# the one with QGZ is the example worked in "Check Digit Calculation for Contract-IDs" (ochp.eu, 2014). Then
# mobilityid's ContractIdSpec; eMI3 1.0, part 2, 1.2.2.1; OCPI 2.3.0, session_example_1_simple_start.json.
EMAIDS = [
    "NN123ABCDEFGHIT",
    "FRXYZ1234567892",
    "ITA1B2C3E4F5G64",
    "ESZU8WOX834H1DR",
    "PT73902837ABCZZ",
    "DE83DUIEN83QGZD",
    "DE83DUIEN83ZGQM",
    "DE8AA0012345670",
    "NL-TNM-000122045-U",
    "NL-TNM-000722345-X",
    "NL-TNM-C00122045-K",
    "DE-8AA-CA2B3C4D5-L",
    "NL-TST-C12345678-S",
]
# DIN SPEC 91286: mobilityid, CheckDigitSpec ("the old Excel-sheet ways") and ContractIdSpec.
EVCOIDS = [
    "INTNM0000719",
    "INTNM000110X",
    "INTNM0001240",
    "INTNM0001146",
    "INTNM0001915",
    "NL-TNM-012204-5",
    "NL*TNM*122045*0",
]


@pytest.mark.parametrize("text", EMAIDS + EVCOIDS)
def test_published_check_digits(text: str) -> None:
    contract = ContractId.parse(text)
    assert contract.standard == ("DIN" if text in EVCOIDS else "ISO")
    assert contract.computed_check_digit == text[-1]
    assert contract.check_ok
    bare = ContractId.parse(text[:-1].rstrip("*-"))
    assert bare.check_ok is None
    assert bare.key == contract.key
    assert bare.with_check_digit() == text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("DE-8AA-CA2B3C4D5-N", "L"),  # OCHP 1.4, ContractId: eMI3 has the same example with L
        ("DE-8AA-00123A563-N", "M"),  # OCHP 1.4, ContractId, "Backward Compatibility"
        ("DE-8AA-123A56-3", "5"),  # the same
        ("DE-DCB-C12345678-X", "4"),  # OICP 2.3, all examples
    ],
)
def test_specifications_own_examples_are_wrong(text: str, right: str) -> None:
    contract = ContractId.parse(text)
    assert contract.check_ok is False
    assert contract.with_check_digit() == text[:-1] + right


def test_contract_id_parts() -> None:
    contract = ContractId.parse("de-8aa-ca2b3c4d5-l")
    assert contract == "de-8aa-ca2b3c4d5-l"
    assert (contract.country, contract.provider, contract.instance) == ("DE", "8AA", "CA2B3C4D5")
    assert contract.check_digit == "L"
    assert contract.check_ok
    assert contract.provider_id == "DE-8AA"
    assert contract.party == PartyId("DE", "8AA")
    assert contract.key == "DE8AACA2B3C4D5"
    assert contract.hyphenated() == "DE-8AA-CA2B3C4D5-L"
    assert contract.compact() == "DE8AACA2B3C4D5L"
    assert ContractId.parse("DE8AACA2B3C4D5").hyphenated() == "DE-8AA-CA2B3C4D5"


@pytest.mark.parametrize("text", ["DE*ABC", "DEABC", "de*abc", " DE*ABC "])
def test_operator_id(text: str) -> None:
    operator = OperatorId.parse(text)
    assert operator == text.strip()
    assert (operator.standard, operator.country, operator.operator, operator.key) == (
        "ISO",
        "DE",
        "ABC",
        "DEABC",
    )
    assert (operator.separated(), operator.compact()) == ("DE*ABC", "DEABC")
    assert operator.party == PartyId.of("de", "abc")
    assert operator.party.key == operator.key


@pytest.mark.parametrize("text", ["+49*536", "49*536"])
def test_din_operator_id(text: str) -> None:
    operator = OperatorId.parse(text)
    assert (operator.standard, operator.country, operator.operator, operator.key) == (
        "DIN",
        "+49",
        "536",
        "+49*536",
    )
    assert operator.separated() == operator.compact() == "+49*536"
    assert operator.party is None


@pytest.mark.parametrize("text", ["DE-DCB", "DE*DCB", "DEDCB", "de-dcb"])
def test_provider_id(text: str) -> None:
    provider = ProviderId.parse(text)
    assert provider.standard == ("DIN" if "*" in text else "ISO")
    assert (provider.country, provider.provider, provider.key) == ("DE", "DCB", "DEDCB")
    assert (provider.hyphenated(), provider.separated(), provider.compact()) == ("DE-DCB", "DE*DCB", "DEDCB")
    assert provider.party == PartyId("DE", "DCB")


def test_pool_and_parking_ids() -> None:
    pool = PoolId.parse("DE*ABC*P1234TEST*1")  # OICP 2.3, PushEvseData
    assert (pool.country, pool.operator, pool.instance) == ("DE", "ABC", "1234TEST*1")
    assert pool.key == PoolId.parse("deabcp1234test1").key == "DEABCP1234TEST1"
    assert pool.operator_id == "DE*ABC"
    spot = ParkingSpotId.parse("DEZPVP000202")
    assert (spot.separated(), spot.key, spot.party) == ("DE*ZPV*P000202", spot, PartyId("DE", "ZPV"))


def test_party_id() -> None:
    party = PartyId.of(" nl", "tnm")
    assert (party.country_code, party.party_id, str(party), party.key) == ("NL", "TNM", "NL*TNM", "NLTNM")
    assert party == PartyId.parse("NL-TNM") == PartyId.parse("nltnm")
    assert PartyId.of("NL", "1").key == "NL1"
    assert sorted([PartyId("NL", "B"), PartyId("DE", "C"), PartyId("NL", "A")])[0] == PartyId("DE", "C")


def test_rfid_uid() -> None:
    uid = RfidUid.parse("04:a2:b3:C4")
    assert uid == "04:a2:b3:C4"
    assert (uid.hex, uid.key, uid.size, uid.is_random, uid.masked()) == (
        "04A2B3C4",
        "04A2B3C4",
        4,
        False,
        "****C4",
    )
    assert uid.reversed() == "C4:b3:a2:04"
    assert RfidUid.parse("08-11-22-33").is_random
    assert not RfidUid.parse("08 11 22 33 44 55 66").is_random
    assert RfidUid.parse("0102030405060708090A").size == 10


def test_mask() -> None:
    assert [mask(text) for text in ("", "AB", "ABCD", "ABCDE", "DE-8AA-CA2B3C4D5-L")] == [
        "****",
        "****",
        "****",
        "****DE",
        "****-L",
    ]


def refusal(parse: Callable[[str], object], text: str) -> IdError | None:
    try:
        parse(text)
    except IdError as error:
        return error
    return None


NO_COUNTRY = "it does not begin with two letters for the country"
THREE = "where three letters or digits are expected"
THREE_TO_SIX = "where three to six digits are expected"
LENGTH = "letters and digits, where 14 or 15 (or 11 or 12, by DIN) are expected"
NO_CODE = "is not a telephone country code of one to three digits, followed by '*'"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("DE ABC*E1", "' ' at position 3 is not allowed"),
        ("DE*ABC*E1_2", "'_' at position 10 is not allowed"),
        ("D*ABC*E1", NO_COUNTRY),
        ("DE*AB*E1", f"the operator is 'AB*', {THREE}"),
        ("DE**ABC*E1", f"the operator is '*AB', {THREE}"),
        ("NL*TNM*840*6487", "'8' follows the operator, where 'E' is expected"),
        ("DE*ABC", "'' follows the operator, where 'E' is expected"),
        ("DE*ABC*E", "nothing follows the 'E'"),
        ("DE*ABC*E**", "nothing follows the 'E'"),
        ("DE*ABC*E" + "1" * 32, "32 characters follow the 'E', 31 at most are expected"),
        ("+4A*810*1", f"'+4A' {NO_CODE}"),
        ("+49*AB7*840", f"the operator is 'AB7', {THREE_TO_SIX}"),
        ("+49", f"the operator is '', {THREE_TO_SIX}"),
        ("+49*810", "nothing follows the operator"),
        ("+49*810**", "nothing follows the operator"),
        ("+49*645*E840", "'E' follows the operator, where only digits and '*' are expected"),
        ("+49*810*" + "1" * 33, "33 characters follow the operator, 32 at most are expected"),
        # Beyond ASCII: what \d and IGNORECASE would take for a digit, an I and a K.
        ("DE*\u0661\u0662\u0663*E1", "'\u0661' at position 4 is not allowed"),
        ("+49*8\u0661\u0662*1", "'\u0661' at position 6 is not allowed"),
        ("D\u0130*ABC*E1", "'\u0130' at position 2 is not allowed"),
        ("DE*ABC*E\u212a", "'\u212a' at position 9 is not allowed"),
    ],
)
def test_no_evse_id(text: str, reason: str) -> None:
    error = refusal(EvseId.parse, text)
    assert error
    assert error.reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # OCHP 1.4, annex, "valid Contract-Ids": ten characters after the provider; its schema wants nine.
        ("DE-8AC-C12E456L89-Y", f"it has 16 {LENGTH}"),
        ("DE-8AC", f"it has 5 {LENGTH}"),
        ("DE-8AC-C12E45-Y", "the check digit of DIN SPEC 91286 is 'Y', where a digit or 'X' is expected"),
        ("DE*8AA*CA2B3C4D5*L", "'*' is no separator of an eMAID, only '-' is"),
        ("DE-8AC-C12E4567-Y", "a separator is where none is expected"),
        ("NL-T|M-000122045-U", "'|' at position 5 is not allowed"),
        ("12345678901234", NO_COUNTRY),
    ],
)
def test_no_contract_id(text: str, reason: str) -> None:
    error = refusal(ContractId.parse, text)
    assert error
    assert error.reason == reason


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (PoolId.parse, "DE*ABC*E1", "'E' follows the operator, where 'P' is expected"),
        (PoolId.parse, "DE*ABC*P" + "1" * 31, "31 characters follow the 'P', 30 at most are expected"),
        (ParkingSpotId.parse, "DE*ABC*P" + "1" * 32, "32 characters follow the 'P', 31 at most are expected"),
        # Swiss open data (OICP) names an operator so.
        (OperatorId.parse, "CH*ENMOBILECHARGE", f"the operator is 'ENMOBILECHARGE', {THREE}"),
        (OperatorId.parse, "DE-ABC", "'-' is not allowed between country and operator"),
        (OperatorId.parse, "+49*53", f"the operator is '53', {THREE_TO_SIX}"),
        (OperatorId.parse, "49536", f"'49536' {NO_CODE}"),
        (ProviderId.parse, "DE-AB", f"the provider is 'AB', {THREE}"),
        # OICP 2.3, PushPricingProductData: all providers.
        (ProviderId.parse, "*", NO_COUNTRY),
        (PartyId.parse, "DE*ABCD", "the party is 'ABCD', where one to three letters or digits are expected"),
        (PartyId.parse, "DE", "the party is '', where one to three letters or digits are expected"),
        (RfidUid.parse, "", "it is empty"),
        # OICP 2.3, UIDType, the example.
        (RfidUid.parse, "AFFH1768", "it has a character other than hexadecimal digits, ':', '-' and space"),
        (RfidUid.parse, "04A2B3C", "it has an odd number of hexadecimal digits"),
        (RfidUid.parse, "04::A2:B3:C4", "a separator is where none is expected"),
        (RfidUid.parse, "04A2B3C4D5", "5 bytes, where 4, 7 or 10 are expected"),
    ],
)
def test_refused(parse: Callable[[str], object], text: str, reason: str) -> None:
    error = refusal(parse, text)
    assert error
    assert error.reason == reason


def test_error() -> None:
    error = refusal(EvseId.parse, "DE*ABC")
    assert isinstance(error, ValueError)
    assert str(error) == "'DE*ABC' is no EVSE id: '' follows the operator, where 'E' is expected"
    assert (error.kind, error.text) == ("EVSE id", "DE*ABC")
    # It must cross a process border: pytest-xdist, process pools.
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_error_of_an_rfid_uid_keeps_the_secret() -> None:
    error = refusal(RfidUid.parse, "04A2B3C4D5E6F7G8")
    assert error
    assert "04A2" not in repr(error) + str(error)
    assert error.text == "****G8"


def test_without_parse_nothing_is_checked_but_parts_raise() -> None:
    assert EvseId("?") == "?"
    with pytest.raises(IdError):
        _ = EvseId("?").key


def test_ids_are_cheap_strings() -> None:
    checked: list[type[str]] = [EvseId, PoolId, ParkingSpotId, ContractId, OperatorId, ProviderId, RfidUid]
    opaque: list[type[str]] = [ids.LocationId, ids.EvseUid, ids.ConnectorId, ids.TariffId, ids.TokenUid]
    opaque += [ids.SessionId, ids.CdrId]
    for kind in checked + opaque:
        id_ = kind("DEABCE1")
        assert id_ == "DEABCE1"
        assert hash(id_) == hash("DEABCE1")
        assert not hasattr(id_, "__dict__")


def text_of(alphabet: str, low: int, high: int | None = None) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=low, max_size=high or low)


LETTERS = DIGITS[10:] + DIGITS[10:].lower()
ALNUM = LETTERS + DIGITS[:10]
star = st.sampled_from(["", "*"])


def place_ids(letter: str, longest: int) -> st.SearchStrategy[str]:
    instance = text_of(ALNUM + "*", 1, longest).filter(lambda text: text.strip("*"))
    letters = st.sampled_from([letter, letter.lower()])
    return st.tuples(text_of(LETTERS, 2), star, text_of(ALNUM, 3), star, letters, instance).map("".join)


din_evse_ids = st.tuples(
    st.sampled_from(["", "+"]),
    text_of(DIGITS[:10], 1, 3),
    st.just("*"),
    text_of(DIGITS[:10], 3, 6),
    st.just("*"),
    text_of(DIGITS[:10] + "*", 1, 32).filter(lambda text: text.strip("*")),
).map("".join)
evse_ids = place_ids("E", 31) | din_evse_ids


def contract_ids(length: int, separators: str, checks: str) -> st.SearchStrategy[str]:
    separator = st.sampled_from(["", *separators])
    check = st.just("") | st.tuples(separator, text_of(checks, 1)).map("".join)
    return st.tuples(text_of(LETTERS, 2), separator, text_of(ALNUM, 3), separator, text_of(ALNUM, length), check).map("".join)


iso_contract_ids = contract_ids(9, "-", ALNUM)
din_contract_ids = contract_ids(6, "*-", DIGITS[:10] + "Xx")
uids = st.tuples(st.sampled_from([4, 7, 10]), st.sampled_from(["", ":", "-", " "]), st.randoms()).map(
    lambda drawn: drawn[1].join(drawn[2].choice(("{:02x}", "{:02X}")).format(drawn[2].randrange(256)) for _ in range(drawn[0]))
)


@given(evse_ids)
def test_evse_forms_have_one_key(text: str) -> None:
    evse = EvseId.parse(text)
    assert evse == text
    for form in (evse.separated(), evse.compact(), text.lower(), text.upper()):
        again = EvseId.parse(form)
        assert again.key == evse.key
        assert again.operator_id == evse.operator_id
        assert again.standard == evse.standard
    assert evse.separated().separated() == evse.separated()
    assert evse.compact().compact() == evse.compact()
    assert evse.separated().compact() == evse.compact()
    assert OperatorId.parse(evse.operator_id).key == evse.operator_id.key
    assert evse.key.startswith(evse.operator_id.key)


@given(place_ids("P", 30))
def test_pool_and_parking_forms_have_one_key(text: str) -> None:
    for kind in (PoolId, ParkingSpotId):
        place = kind.parse(text)
        assert {kind.parse(form).key for form in (place.separated(), place.compact(), text.lower())} == {place.key}


@given(iso_contract_ids | din_contract_ids)
def test_contract_forms_have_one_key(text: str) -> None:
    contract = ContractId.parse(text)
    assert contract == text
    for form in (contract.hyphenated(), contract.compact(), contract.with_check_digit(), text.lower()):
        again = ContractId.parse(form)
        assert again.key == contract.key
        assert again.standard == contract.standard
        assert ProviderId.parse(again.provider_id).party == contract.party
    assert contract.hyphenated().check_digit == contract.compact().check_digit == contract.check_digit
    assert contract.with_check_digit().check_ok is True
    assert contract.check_ok is (contract.check_digit and contract.check_digit == contract.computed_check_digit)


@given(iso_contract_ids | din_contract_ids)
def test_a_wrong_check_digit_is_noticed(text: str) -> None:
    right = ContractId.parse(text).with_check_digit().compact()
    for digit in DIGITS if right.standard == "ISO" else DIGITS[:10] + "X":
        assert ContractId.parse(right[:-1] + digit).check_ok is (digit == right[-1])


@given(iso_contract_ids, st.integers(0, 14), st.sampled_from(DIGITS))
def test_an_emaid_notices_one_wrong_character(text: str, place: int, char: str) -> None:
    right = ContractId.parse(text).with_check_digit().compact()
    typo = right[:place] + char + right[place + 1 :]
    if place > 1 or char.isalpha():
        assert ContractId.parse(typo).check_ok is (typo == right)


@given(iso_contract_ids, st.integers(2, 13))
def test_an_emaid_notices_two_swapped_characters(text: str, place: int) -> None:
    right = ContractId.parse(text).with_check_digit().compact()
    swapped = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    assert ContractId.parse(swapped).check_ok is (swapped == right)


@given(uids)
def test_rfid_uid_forms(text: str) -> None:
    uid = RfidUid.parse(text)
    assert bytes.fromhex(uid.hex) == bytes.fromhex(uid.reversed().hex)[::-1]
    assert uid.reversed().reversed() == text
    assert RfidUid.parse(uid.reversed()).size == uid.size == len(uid.hex) // 2
    assert RfidUid.parse(uid.hex).key == RfidUid.parse(text.lower()).key == uid.key
    assert uid.masked() == "****" + uid.hex[-2:]


@given(text_of(LETTERS, 2), text_of(ALNUM, 1, 3))
def test_party_id_forms(country: str, party: str) -> None:
    id_ = PartyId.of(country, party)
    assert PartyId.parse(str(id_)) == PartyId.parse(id_.key) == id_
    assert PartyId(country, party).key == id_.key


PARSERS: list[Callable[[str], object]] = [
    EvseId.parse,
    PoolId.parse,
    ParkingSpotId.parse,
    OperatorId.parse,
    ProviderId.parse,
    ContractId.parse,
    RfidUid.parse,
    PartyId.parse,
]
near_misses = st.text("DEabc0149+*-: \u0661\u0130\u212a", max_size=45) | evse_ids.flatmap(
    lambda text: st.integers(0, len(text)).map(lambda place: text[:place] + "*" + text[place:] + "1")
)


@given(st.sampled_from(PARSERS), st.text() | near_misses)
def test_any_text_is_read_or_refused_with_a_true_reason(parse: Callable[[str], object], text: str) -> None:
    error = refusal(parse, text)
    if error is None:
        assert text.strip().isascii()
        return
    # Each step of a diagnosis must have found its fault, and not be reached because no other did.
    assert error.reason
    if "at most" in error.reason:
        words = error.reason.split()
        assert int(words[0]) > int(words[words.index("at") - 1])
    if "the operator is" in error.reason:
        found = error.reason.split("'")[1]
        wrong_length = len(found) not in (range(3, 7) if "six" in error.reason else [3])
        assert wrong_length or not (found.isdecimal() if "six" in error.reason else found.isalnum())
