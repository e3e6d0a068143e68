"""Code tables against pycountry, which is made from Debian's iso-codes."""

from zoneinfo import ZoneInfo

import pycountry
import pytest

from bridge.model.tables import ALPHA2, ALPHA3, CURRENCY_DIGITS, LANGUAGE2, LANGUAGE3, is_zone

# ISO 4217 list one, minor unit "N.A.": metals, bond units, funds, testing and none.
NOT_MONEY = {"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"}


def test_countries() -> None:
    assert {country.alpha_2: country.alpha_3 for country in pycountry.countries} == ALPHA3
    assert len(ALPHA3) == 249
    assert {two: ALPHA2[three] for two, three in ALPHA3.items()} == {two: two for two in ALPHA3}


def test_currencies() -> None:
    assert set(CURRENCY_DIGITS) == {currency.alpha_3 for currency in pycountry.currencies} - NOT_MONEY
    # pycountry has no minor units: these are from list one, through moneyphp/iso-currencies.
    by_digits = {
        digits: " ".join(code for code in sorted(CURRENCY_DIGITS) if CURRENCY_DIGITS[code] == digits)
        for digits in set(CURRENCY_DIGITS.values()) - {2}
    }
    assert by_digits == {
        0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
        3: "BHD IQD JOD KWD LYD OMR TND",
        4: "CLF UYW",
    }


def test_languages() -> None:
    two_letters = [language for language in pycountry.languages if hasattr(language, "alpha_2")]
    assert {language.alpha_2: language.alpha_3 for language in two_letters} == LANGUAGE3
    both = {language.alpha_3: language.alpha_2 for language in two_letters}
    both |= {lang.bibliographic: lang.alpha_2 for lang in two_letters if hasattr(lang, "bibliographic")}
    assert both == LANGUAGE2
    assert len(LANGUAGE3) == 184
    assert [LANGUAGE2[code] for code in ("deu", "ger", "fre", "dut", "rum")] == ["de", "de", "fr", "nl", "ro"]


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC", "CET", "Europe/Kiev"])
def test_zones(name: str) -> None:
    assert is_zone(name)
    assert ZoneInfo(name).key == name


@pytest.mark.parametrize(
    "name",
    ["", "europe/berlin", "Europe", "Europe/Bern", "UTC+01:00", "localtime", "Factory", "../UTC", "CEST"],
)
def test_no_zones(name: str) -> None:
    assert not is_zone(name)
