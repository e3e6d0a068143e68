"""A running session: where its price changes, what its periods are, and when the next change is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.model.ids import TariffId
from bridge.model.session import CdrDimension, ChargingPeriod
from bridge.model.tariff import ReservationKind, Tariff
from bridge.tariff import (
    NoTariffError,
    Outlook,
    PricedSession,
    PricingError,
    RunningSession,
    Sample,
    price_periods,
    price_samples,
    price_session,
)
from tests.tariff.build import BERLIN, HOUR, MINUTE, MONDAY, component, d, element, excl, local, tariff
from tests.tariff.random_cases import case

SECOND = timedelta(seconds=1)


def at(minutes: float) -> datetime:
    return MONDAY + minutes * MINUTE


def sample(minutes: float, kwh: str | int, charging: bool = True, **more: Any) -> Sample:
    return Sample(at(minutes), d(kwh), charging, **{k: d(v) for k, v in more.items()})


def told(one: ChargingPeriod, *wanted: str) -> dict[str, Decimal]:
    return {v.dimension.value: v.volume for v in one.volumes if not wanted or v.dimension.value in wanted}


def session(own: Tariff, *samples: Sample, **more: Any) -> PricedSession:
    return price_session(samples, [own], BERLIN, **more)


def starts(done: PricedSession) -> list[float]:
    return [(p.start - MONDAY) / MINUTE for p in done.periods]


def test_one_period_where_nothing_changes() -> None:
    done = session(tariff("ENERGY 0.5"), sample(0, "1000"), sample(30, "1005.5"), sample(60, "1011"))
    (only,) = done.periods
    assert told(only) == {"ENERGY": 11, "TIME": 1}
    assert (only.start, only.tariff_id) == (MONDAY, TariffId("T"))
    assert (done.start, done.end, done.kwh) == (MONDAY, at(60), d(11))
    assert excl(done.priced.totals.total) == d("5.5")
    assert price_samples([sample(0, 0), sample(60, 2)], [tariff("ENERGY 0.5")], BERLIN).totals.energy is not None


def test_charging_and_parking() -> None:
    done = session(
        tariff("TIME 6", "PARKING_TIME 3"),
        sample(0, 0),
        sample(20, 5, charging=False),
        sample(35, 5),
        sample(50, 9, charging=False),
        sample(60, 9, charging=False),
    )
    assert starts(done) == [0, 20, 35, 50]
    assert [told(p, "TIME", "PARKING_TIME") for p in done.periods] == [
        {"TIME": d("0.3333")},
        {"PARKING_TIME": d("0.25")},
        {"TIME": d("0.25")},
        {"PARKING_TIME": d("0.1667")},
    ]
    assert excl(done.priced.totals.time) == d("3.5")  # 35 minutes, exactly
    assert excl(done.priced.totals.parking) == d("1.25")


def test_the_clock_between_two_samples() -> None:
    own = tariff(element("ENERGY 0.3", start_time="11:30"), "ENERGY 0.2")
    done = session(own, sample(0, 100), sample(60, 110))
    assert starts(done) == [0, 30]
    assert [told(p, "ENERGY") for p in done.periods] == [{"ENERGY": 5}, {"ENERGY": 5}]
    assert excl(done.priced.totals.total) == d("2.5")


def test_a_change_that_changes_no_price_starts_no_period() -> None:
    own = tariff(element("PARKING_TIME 9", start_time="11:30"), element("ENERGY 0.2", "TIME 1"))
    assert starts(session(own, sample(0, 0), sample(60, 10))) == [0]
    assert starts(session(own, sample(0, 0), sample(60, 10, charging=False), sample(61, 10, charging=False))) == [0, 60]


def test_duration() -> None:
    own = tariff(element("TIME 6", max_duration=900), element("TIME 3", max_duration=1800), "TIME 0")
    done = session(own, sample(0, 0), sample(45, 10))
    assert starts(done) == [0, 15, 30]
    assert excl(done.priced.totals.time) == d("2.25")


def test_energy_is_split_exactly_at_a_limit() -> None:
    """3 kWh of 10 in 20 minutes are reached after 6 minutes; 7 seconds more or less would be a guess."""
    own = tariff(element("ENERGY 1", "TIME 60", max_kwh=3), element("ENERGY 2", "TIME 30"))
    done = session(own, sample(0, 50), sample(20, 60))
    assert starts(done) == [0, 6]
    assert [told(p, "ENERGY")["ENERGY"] for p in done.periods] == [3, 7]
    assert excl(done.priced.totals.energy) == 17
    assert excl(done.priced.totals.time) == 6 + 7


def test_an_instant_between_seconds_becomes_the_next_second() -> None:
    own = tariff(element("ENERGY 1", "TIME 3600", max_kwh="1.0001"), element("ENERGY 2", "TIME 0"))
    done = session(own, sample(0, 0), Sample(MONDAY + 10 * SECOND, d(3)))
    assert [p.start - MONDAY for p in done.periods] == [timedelta(0), 4 * SECOND]  # after 3.33 s
    assert [told(p, "ENERGY")["ENERGY"] for p in done.periods] == [d("1.0001"), d("1.9999")]
    assert excl(done.priced.totals.time) == 4


def test_two_limits_within_a_second() -> None:
    own = tariff(element("ENERGY 1", max_kwh="1.1"), element("ENERGY 5", max_kwh="1.2"), "ENERGY 2")
    done = session(own, sample(0, 0), Sample(MONDAY + 10 * SECOND, d(10)))
    assert [told(p, "ENERGY")["ENERGY"] for p in done.periods] == [d("1.1"), d("0.1"), d("8.8")]
    assert excl(done.priced.totals.energy) == d("1.1") + d("0.5") + d("17.6")


def test_power_on_its_way() -> None:
    """From 6 to 26 kW in 20 minutes: 16 kW are reached after 10, and left again on the way back."""
    own = tariff(element("TIME 1", max_power=16), element("TIME 2"))
    done = session(own, sample(0, 0, power="6"), sample(20, 5, power="26"), sample(40, 10, power="6"))
    assert [(p.start - MONDAY).total_seconds() for p in done.periods] == [0, 600, 1801]  # at 30 min it is 16 still
    ranges = [told(p, "MIN_POWER", "MAX_POWER") for p in done.periods]
    assert ranges[0] == {"MIN_POWER": 6, "MAX_POWER": 6}
    assert ranges[1]["MIN_POWER"] == 16
    assert ranges[1]["MAX_POWER"] == 26
    assert ranges[2]["MAX_POWER"] < 16
    assert not done.priced.readings or {r.point for r in done.priced.readings} <= {"ranges"}


def test_current() -> None:
    own = tariff(element("TIME 1", min_current=32), element("TIME 2"))
    done = session(own, sample(0, 0, current="16"), sample(10, 1, current="16"), sample(10, 1, current="32"), sample(20, 3, current="32"))
    assert starts(done) == [0, 10]
    assert told(done.periods[1])["MIN_CURRENT"] == 32


def test_power_that_is_not_told_is_not_guessed() -> None:
    own = tariff(element("ENERGY 5", max_power=16), "ENERGY 1")
    done = session(own, sample(0, 0, power="6"), sample(10, 1), sample(20, 2, power="6"), sample(30, 3, power="6"))
    assert starts(done) == [0, 10, 20]
    assert "MIN_POWER" not in told(done.periods[1])
    assert excl(done.priced.totals.energy) == 5 + 1 + 5


def test_a_session_over_the_end_of_summer_time() -> None:
    own = tariff(element("TIME 1", start_time="02:00", end_time="03:00"), "TIME 0")
    begin = local("2026-10-25 01:30")
    done = price_session([Sample(begin, d(0)), Sample(begin + 4 * HOUR, d(10))], [own], BERLIN)
    assert [p.start for p in done.periods] == [begin, begin + HOUR / 2, begin + 2.5 * HOUR]
    assert excl(done.priced.totals.time) == 2


def test_a_reservation_before_it() -> None:
    own = tariff(
        element(component("TIME 6", 600), "FLAT 1", reservation=ReservationKind.RESERVATION, end_time="10:50"),
        element(component("TIME 3", 600), reservation=ReservationKind.RESERVATION),
        "ENERGY 1",
        element("TIME 1", max_duration=1800),
    )
    done = session(own, sample(0, 0), sample(60, 3), reserved_from=at(-22))
    assert starts(done) == [-22, -10, 0, 30]  # 10:38, 10:50, 11:00, 11:30
    totals = done.priced.totals
    assert excl(totals.reservation) == 1 + d("1.2") + d("0.5") + d("0.4")  # 22 minutes become 30, at the last price
    assert excl(totals.time) == d("0.5")
    assert done.start == at(-22)


def test_a_session_of_one_sample_still_has_its_fee() -> None:
    done = session(tariff("FLAT 2", "ENERGY 1"), sample(0, 7))
    assert excl(done.priced.totals.total) == 2
    assert told(done.periods[0]) == {"ENERGY": 0, "TIME": 0}


def test_a_sample_at_the_end_that_only_says_stop() -> None:
    done = session(tariff("TIME 1", "PARKING_TIME 9"), sample(0, 0), sample(60, 5, charging=False))
    assert starts(done) == [0]
    assert done.priced.totals.parking is None


def test_what_cannot_be_metered() -> None:
    own = tariff("ENERGY 1")
    with pytest.raises(PricingError, match="no sample"):
        session(own)
    with pytest.raises(PricingError, match="goes back from 5 to 4") as caught:
        session(own, sample(0, 5), sample(10, 4))
    assert caught.value.path == "samples[1].kwh"
    with pytest.raises(PricingError, match="before") as caught:
        session(own, sample(0, 5), sample(10, 6), sample(9, 7))
    assert caught.value.path == "samples[2].time"
    naive = datetime(2026, 3, 2, 10)  # noqa: DTZ001
    for samples in ([Sample(naive, d(0))], [sample(0, 0), Sample(naive, d(1))]):
        with pytest.raises(PricingError, match="without a zone"):
            session(own, *samples)
    with pytest.raises(PricingError, match="without a zone"):
        session(own, sample(0, 0), reserved_from=naive)
    with pytest.raises(PricingError, match="after the session"):
        session(own, sample(0, 0), reserved_from=at(1))
    with pytest.raises(NoTariffError):
        price_session([sample(0, 0)], [tariff("ENERGY 1", valid_until=MONDAY)], BERLIN)
    with pytest.raises(NoTariffError):
        price_session([sample(0, 0)], [], BERLIN)


def test_the_tariff_of_the_start_is_kept() -> None:
    old = tariff("ENERGY 1", id=TariffId("OLD"), valid_until=at(30))
    new = tariff("ENERGY 9", id=TariffId("NEW"), valid_from=at(30))
    done = price_session([sample(0, 0), sample(60, 10)], [new, old], BERLIN)
    assert {p.tariff_id for p in done.periods} == {"OLD"}
    assert excl(done.priced.totals.total) == 10


# When the price changes next


def outlooks(own: Tariff, *samples: Sample) -> list[Outlook]:
    running = RunningSession([own], BERLIN)
    return [running.add(s) for s in samples]


def test_the_next_change_by_the_clock() -> None:
    own = tariff(element("ENERGY 0.3", start_time="11:30", end_time="12:00"), "ENERGY 0.2")
    found = outlooks(own, sample(0, 0), sample(10, 1), sample(31, 2), sample(60, 3), sample(61, 4))
    tomorrow = at(30) + timedelta(days=1)
    assert [(o.at, o.why) for o in found] == [
        (at(30), "time"),
        (at(30), "time"),
        (at(60), "time"),
        (tomorrow, "time"),
        (tomorrow, "time"),
    ]


def test_a_border_that_changes_nothing_is_passed_over() -> None:
    own = tariff(element("ENERGY 0.3", start_time="11:30", days=(3,)), "ENERGY 0.2")
    (found,) = outlooks(own, sample(0, 0))
    assert found.at == local("2026-03-04 11:30")


def test_the_next_change_by_duration_and_weekday() -> None:
    own = tariff(element("TIME 1", max_duration=7200), "TIME 2")
    found = outlooks(own, sample(0, 0), sample(119, 1), sample(121, 2))
    assert [o.at for o in found] == [at(120), at(120), None]
    assert found[2].why == ""


def test_the_next_change_by_energy() -> None:
    own = tariff(element("ENERGY 1", max_kwh=10), element("ENERGY 2", max_kwh=20), "ENERGY 3")
    found = outlooks(own, sample(0, 100), sample(10, 102), sample(20, 102), sample(30, 111), sample(40, 125))
    assert [(o.why, o.kwh) for o in found] == [("", 10), ("energy", 10), ("", 10), ("energy", 20), ("", None)]
    assert found[1].at == at(50)  # 8 kWh more at 2 kWh in 10 minutes
    assert found[3].at == at(40)


def test_the_earlier_change_counts() -> None:
    own = tariff(element("ENERGY 1", max_kwh=10, end_time="11:30"), "ENERGY 2")
    slow = outlooks(own, sample(0, 0), sample(10, 1))[1]
    fast = outlooks(own, sample(0, 0), sample(10, 6))[1]
    assert (slow.at, slow.why) == (at(30), "time")
    assert (fast.why, fast.kwh) == ("energy", d(10))
    assert fast.at is not None
    assert at(16) < fast.at < at(17)


def test_no_change_ahead() -> None:
    assert outlooks(tariff("ENERGY 1"), sample(0, 0), sample(10, 5)) == [Outlook(None, "", None)] * 2


def measured(own: Tariff) -> bool:
    """Whether a tariff asks for more than the time: what is announced then holds as far as can be told only."""
    names = ("min_kwh", "max_kwh", "min_power", "max_power", "min_current", "max_current")
    used = [e.restrictions for e in own.elements if e.restrictions is not None]
    return any(getattr(r, name) is not None for r in used for name in names)


def test_what_is_announced_happens() -> None:
    """A change by time that lies before the next sample starts a period at that instant."""
    seen = 0
    for seed in range(1000):
        made = case(Random(seed))
        if measured(made.tariff):
            continue
        running = RunningSession([made.tariff], made.zone)
        announced = [(one.time, running.add(one)) for one in made.samples]
        begins = {p.start for p in running.periods()}
        for (before, outlook), (after, _) in pairwise(announced):
            if outlook.at is not None and before < outlook.at < after:
                seen += 1
                assert outlook.at in begins, seed
                assert not any(before < begin < outlook.at for begin in begins), seed
    assert seen > 50


def test_periods_while_it_runs() -> None:
    own = tariff(element("ENERGY 0.3", start_time="11:30"), "ENERGY 0.2")
    running = RunningSession([own], BERLIN)
    running.add(sample(0, 0))
    running.add(sample(15, 2))
    assert [told(p, "ENERGY", "TIME") for p in running.periods()] == [{"ENERGY": 2, "TIME": d("0.25")}]
    running.add(sample(45, 8))
    assert [told(p, "ENERGY") for p in running.periods()] == [{"ENERGY": 5}, {"ENERGY": 3}]
    assert excl(running.priced().priced.totals.total) == d("1.9")
    assert running.periods()[0].volumes[0].dimension is CdrDimension.ENERGY


def test_another_zone_means_other_prices() -> None:
    own = tariff(element("ENERGY 9", end_time="12:00"), "ENERGY 1")
    samples = [sample(0, 0), sample(60, 1)]
    here = price_session(samples, [own], BERLIN).priced.totals.total
    there = price_session(samples, [own], ZoneInfo("Asia/Tokyo")).priced.totals.total
    assert (excl(here), excl(there)) == (d(9), d(1))


def test_finer_limits_than_interpolated_figures_never_give_negative_energy() -> None:
    """0.01004 kWh are passed before half past; what is interpolated then has four decimals, 0.0100."""
    own = tariff(element("ENERGY 1", max_kwh="0.01004"), element("ENERGY 2", start_time="11:30"), "ENERGY 3")
    done = session(own, sample(0, 0), sample(60, "0.02016"))
    assert [told(p, "ENERGY")["ENERGY"] for p in done.periods] == [d("0.01004"), d("0"), d("0.01012")]
    assert excl(done.priced.totals.energy) == d("0.01004") + 2 * d("0.01012")


def test_a_sample_that_is_refused_changes_nothing() -> None:
    running = RunningSession([tariff("ENERGY 1", valid_from=at(5))], BERLIN)
    with pytest.raises(NoTariffError):
        running.add(sample(0, 0))
    with pytest.raises(PricingError, match="no sample"):
        running.periods()
    running.add(sample(10, 0))
    running.add(sample(20, 2))
    with pytest.raises(PricingError):
        running.add(sample(15, 3))
    running.add(sample(30, 3))
    assert running.priced().kwh == 3
    assert price_periods(running.periods(), at(10), at(30), [tariff("ENERGY 1")], BERLIN).totals == running.priced().priced.totals


# --- another tariff on the way


GREEN = tariff("ENERGY 0.2", id=TariffId("GREEN"))


def test_a_switch_splits_the_energy_at_its_moment_and_prices_each_part_by_its_tariff() -> None:
    done = session(tariff("ENERGY 0.5"), sample(0, "100"), sample(60, "110"), switches=[(at(15), GREEN)])
    assert starts(done) == [0, 15]
    assert [(p.tariff_id, told(p)) for p in done.periods] == [
        ("T", {"ENERGY": d("2.5"), "TIME": d("0.25")}), ("GREEN", {"ENERGY": d("7.5"), "TIME": d("0.75")})]  # fmt: skip
    assert excl(done.priced.totals.total) == d("2.5") * d("0.5") + d("7.5") * d("0.2")
    again = price_periods(done.periods, done.start, done.end, [tariff("ENERGY 0.5"), GREEN], BERLIN)
    assert excl(again.totals.total) == excl(done.priced.totals.total)


@pytest.mark.parametrize(("minute", "parts"), [(-10, [10]), (0, [10]), (20, [4, 6]), (30, [6, 4]), (60, [10]), (90, [10])])
def test_a_switch_at_the_start_at_a_sample_and_after_the_end(minute: int, parts: list[int]) -> None:
    done = session(tariff("ENERGY 0.5"), sample(0, 0), sample(20, 4), sample(30, 6), sample(60, 10), switches=[(at(minute), GREEN)])
    assert [told(p)["ENERGY"] for p in done.periods] == parts
    green = sum(told(p)["ENERGY"] for p in done.periods if p.tariff_id == "GREEN")
    assert green == (10 if minute <= 0 else parts[1] if len(parts) == 2 else 0)
    assert excl(done.priced.totals.total) == d(10) * d("0.5") - green * d("0.3")


def test_there_and_back_again_within_one_sample() -> None:
    own = tariff("ENERGY 0.5")
    done = session(own, sample(0, 0), sample(60, 12), switches=[(at(10), GREEN), (at(10), own), (at(20), GREEN), (at(40), own)])
    assert [(str(p.tariff_id), int(told(p)["ENERGY"])) for p in done.periods] == [("T", 2), ("T", 2), ("GREEN", 4), ("T", 4)]
    assert excl(done.priced.totals.total) == 8 * d("0.5") + 4 * d("0.2")


def test_durations_of_the_new_tariff_count_from_the_start_of_the_session() -> None:
    late = tariff(element("TIME 6", min_duration=1800), "TIME 3", id=TariffId("LATE"))
    done = session(tariff("TIME 1"), sample(0, 0), sample(60, 10), switches=[(at(20), late)])
    assert starts(done) == [0, 20, 30]
    assert excl(done.priced.totals.total) == d("3.833333333333"), "20 minutes at 1, 10 at 3 and 30 at 6 an hour"


def test_switches_out_of_order_and_of_another_currency() -> None:
    with pytest.raises(PricingError, match="order"):
        session(tariff("ENERGY 0.5"), sample(0, 0), switches=[(at(20), GREEN), (at(10), GREEN)])
    with pytest.raises(PricingError, match="cannot be added up"):
        session(
            tariff("ENERGY 0.5"), sample(0, 0), sample(60, 10), switches=[(at(20), tariff("ENERGY 1", id=TariffId("X"), currency="SEK"))]
        )
