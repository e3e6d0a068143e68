"""No CDR is sent whose bytes say anything else than the CDR: what the audit before sending catches, and what it lets through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.mapping.difference import Normal, Steps
from bridge.mapping.shape import shape
from bridge.model.cdr import Cdr, SignedData, SignedValue
from bridge.model.ids import ContractId, EvseId, TokenUid, contract
from bridge.oicp.adapter import OicpPartner
from bridge.roaming.audit import GUARDED, PERMISSIONS, SHIPPED, Unsettled, audit
from bridge.roaming.ports import Encoded, Kind, Partner, ReadsBack
from bridge.roaming.settle import encode_cdr
from tests.laws.generators import objects
from tests.roaming.audit_cases import HUBJECT, SETTINGS, adapters, bytes_of, cdr_of, cdrs, lists_in, other, replaced, wire_of
from tests.roaming.roaming_world import NOON, tariff

_OCPI = ("auth_method", "cdr_location.id", "cdr_location.name", "cdr_location.address", "cdr_location.city", "cdr_location.postal_code",
         "cdr_location.country", "cdr_location.coordinates", "cdr_location.evse_uid", "cdr_location.connector", "last_updated",
         "tariffs.last_updated", "tariffs.tariff_alt_text")  # fmt: skip
FREE = {
    "ocpi": _OCPI,
    "ocpi-2.1.1": (*_OCPI, "location.id", "location.type", "location.name", "location.address", "location.city", "location.postal_code",
                   "location.country", "location.coordinates", "location.time_zone", "location.last_updated", "location.evses.uid",
                   "location.evses.status", "location.evses.connectors", "location.evses.last_updated"),
    "ocpi-2.3.0": _OCPI,
    "oicp": ("CPOPartnerSessionID", "Identification.RFIDIdentification.RFID"),
    "ochp": ("status", "chargePointAddress", "chargePointType", "connectorType", "emtId.tokenSubType"),
}  # fmt: skip
"""What a CDR says besides money, energy, times, identities and signed data, by protocol and in its field names."""

SLOWLY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
PARTNERS = adapters()


def free(family: str, path: Steps) -> bool:
    name = ".".join(str(step) for step in path if isinstance(step, str))
    return any(name.startswith(one) for one in FREE[family])


def encoded(partner: Partner, cdr: Cdr) -> Encoded:
    (made,) = partner.encode(Kind.CDR, cdr)
    return made


@pytest.mark.parametrize("family", PARTNERS)
@given(cdr=cdrs())
@SLOWLY
def test_what_settlement_makes_passes_in_every_protocol(family: str, cdr: Cdr) -> None:
    made, losses = encode_cdr(PARTNERS[family], cdr)
    assert [loss for _, loss in made.losses] == losses  # the mapping's own ledger lacks nothing


@pytest.mark.parametrize("family", PARTNERS)
@given(data=st.data())
@SLOWLY
def test_any_other_value_in_the_record_is_caught(family: str, data: st.DataObject) -> None:
    partner, cdr = PARTNERS[family], data.draw(cdrs())
    made = encoded(partner, cdr)
    wire = wire_of(partner, made)
    assert bytes_of(partner, wire) == made.body
    path = data.draw(st.sampled_from([path for path, _ in Normal().leaves(wire) if not free(family, path)]))
    changed = replaced(wire, path, lambda one: other(one, data.draw))
    with pytest.raises(Unsettled):
        audit(partner, cdr, evolve(made, body=bytes_of(partner, changed)))


def dropped(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return items[:at] + items[at + 1 :]


def doubled(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return (*items[: at + 1], *items[at:])


def swapped(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return (*items[:at], *items[at : at + 2][::-1], *items[at + 2 :])


@pytest.mark.parametrize("family", PARTNERS)
@given(data=st.data())
@SLOWLY
def test_any_item_that_is_missing_doubled_or_elsewhere_is_caught(family: str, data: st.DataObject) -> None:
    partner, cdr = PARTNERS[family], data.draw(cdrs())
    made = encoded(partner, cdr)
    wire = wire_of(partner, made)
    lists = [(path, items) for path, items in lists_in(wire) if not free(family, path)]
    assume(lists)
    path, items = data.draw(st.sampled_from(lists))
    how: Callable[[tuple[Any, ...], int], tuple[Any, ...]] = data.draw(st.sampled_from((dropped, doubled, swapped)))
    changed = how(items, data.draw(st.integers(0, len(items) - 1)))
    assume(changed != items)
    with pytest.raises(Unsettled):
        audit(partner, cdr, evolve(made, body=bytes_of(partner, replaced(wire, path, lambda _: changed))))


SESSION = cdr_of([], NOON + timedelta(hours=1), 10_000, charge=tariff())


@pytest.mark.parametrize(
    ("family", "card", "contract_id", "written"),
    [
        ("ochp", "04a1b2c3d4e5f6", "DE-XYZ-C00000001", b"04A1B2C3D4E5F6"),
        ("oicp", "04:a1:b2:c3:d4:e5:f6", "DE-XYZ-C00000001", b"04A1B2C3D4E5F6"),
        ("oicp", "04A1B2C3D4E5F6", "DEXYZC00000001", ContractId("DEXYZC00000001").with_check_digit().encode()),
        ("ocpi", "04a1b2c3d4e5f6", "de-xyz-c00000001", b"04a1b2c3d4e5f6"),
    ],
)
def test_the_same_driver_in_other_letters_is_not_another(family: str, card: str, contract_id: str, written: bytes) -> None:
    cdr = evolve(SESSION, token=evolve(SESSION.token, uid=TokenUid(card), contract_id=contract(contract_id)))
    made, _ = encode_cdr(PARTNERS[family], cdr)
    assert written in made.body


@pytest.mark.parametrize("written", ["DE*ABC*E1", "DEABCE1", "de*abc*E1", "DE*ABCE1"])
@pytest.mark.parametrize("family", PARTNERS)
def test_the_same_evse_in_another_spelling_is_not_another(family: str, written: str) -> None:
    assert SESSION.location is not None
    (evse,) = SESSION.location.evses
    location = evolve(SESSION.location, evses=(evolve(evse, id=EvseId(written)),))
    encode_cdr(PARTNERS[family], evolve(SESSION, place=evolve(SESSION.place, evse_id=EvseId(written)), location=location))


def test_a_wrong_check_digit_is_another_contract() -> None:
    cdr = evolve(SESSION, token=evolve(SESSION.token, contract_id=contract("DE-XYZ-C00000001-2")))
    made = encoded(PARTNERS["ocpi"], cdr)
    with pytest.raises(Unsettled, match=r"token\.contract_id would be altered"):
        audit(PARTNERS["ocpi"], cdr, evolve(made, body=made.body.replace(b"C00000001-2", b"C00000001-3")))


def test_who_charged_is_not_told_to_a_person_who_reads_why_it_was_kept() -> None:
    made = encoded(PARTNERS["ocpi"], SESSION)
    with pytest.raises(Unsettled) as why:
        audit(PARTNERS["ocpi"], SESSION, evolve(made, body=made.body.replace(b"04A1B2C3D4E5F6", b"04FFFFFFFFFFFF")))
    assert "04A1B2" not in str(why.value)
    assert "04FF" not in str(why.value)


def test_bytes_that_cannot_be_read_are_not_sent() -> None:
    made = encoded(PARTNERS["ochp"], SESSION)
    with pytest.raises(Unsettled, match="could not read it"):
        audit(PARTNERS["ochp"], SESSION, evolve(made, body=made.body[:-9]))


def test_an_adapter_that_does_not_read_back_sends_no_cdr() -> None:
    class Blind:
        name, format, kinds = "blind", "ocpi-2.2.1", frozenset(Kind)

    made = encoded(PARTNERS["ocpi"], SESSION)
    with pytest.raises(Unsettled, match="cannot be read back"):
        audit(cast(Partner, Blind()), SESSION, made)


def test_a_partner_may_be_allowed_to_do_without_signed_data() -> None:
    long = SignedData((SignedValue("OCMF|" + "x" * 3000, "Start"), SignedValue("OCMF|y", "End")), "OCMF")
    cdr = evolve(SESSION, signed_data=long)
    with pytest.raises(Unsettled, match="at most ten values of 3,000 characters"):
        encode_cdr(PARTNERS["oicp"], cdr)
    allowing = OicpPartner(evolve(HUBJECT, settings=evolve(SETTINGS, allow=frozenset({"omit-signed-data"}))))
    made, losses = encode_cdr(allowing, cdr)
    assert b"OCMF|y" in made.body
    assert [one.path for one in losses if one.path.startswith("signed_data")] == ["signed_data.values[0]"]


@pytest.mark.parametrize("path", sorted({*GUARDED, *(path for paths in PERMISSIONS.values() for path in paths)}))
def test_what_is_guarded_and_permitted_is_there(path: str) -> None:
    cls: Any = Cdr
    for name in path.split("."):
        cls = shape(cls)[name].type
    assert any(path.startswith(one) or one.startswith(path) for one in GUARDED)


def test_every_permission_is_shipped_for_something_and_documented() -> None:
    assert {name for names in SHIPPED.values() for name in names} == set(PERMISSIONS)
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for name, paths in PERMISSIONS.items():
        assert f"| `{name}` | {', '.join(f'`{path}`' for path in paths)} |" in page


@pytest.mark.parametrize("family", PARTNERS)
@given(cdr=objects(Cdr))
@SLOWLY
def test_of_any_cdr_at_all_the_audit_says_yes_or_why_not(family: str, cdr: Cdr) -> None:
    partner = PARTNERS[family]
    assert isinstance(partner, ReadsBack)
    try:
        made, losses = encode_cdr(partner, cdr)
    except (Refused, Unsettled):
        return
    read = partner.read_back(Kind.CDR, made).obj
    assert (read.start, read.end) == (cdr.start, cdr.end)
    assert cdr.total_cost is None or read.total_cost is None or read.total_cost.excl == cdr.total_cost.excl
    assert read.total_cost is not None or cdr.total_cost is None or any(one.path == "total_cost" for one in losses)
