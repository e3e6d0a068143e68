"""SOAP envelopes, faults and WS-Security: what is written can be read by others, what is hostile is not read."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

import pytest
from lxml import etree

from bridge.codec import soap
from bridge.codec.lenient import Unreadable
from bridge.codec.xml import Hostile
from bridge.errors import Declined, Unreachable
from bridge.transport import wssecurity
from bridge.transport.soap import of_fault
from bridge.transport.wssecurity import WSSE, WSU, Denied

NAMES = {"s": soap.SOAP, "wsse": WSSE, "wsu": WSU, "t": "urn:t"}
OPEN = f'<s:Envelope xmlns:s="{soap.SOAP}">'


def wrapped(body: str, header: str = "") -> bytes:
    return f"{OPEN}{header}<s:Body>{body}</s:Body></s:Envelope>".encode()


def streamed(data: bytes, tags: Iterable[str] = ("r",), step: int = 7, most: int = soap.MOST_BYTES) -> list[str]:
    reader = soap.Stream(frozenset(tags), most)
    found = []
    for i in range(0, len(data), step):
        found += [(element.text or "") for _, element in reader.feed(data[i : i + step])]
    return found + [(element.text or "") for _, element in reader.close()]


# --- writing


def test_an_envelope_is_what_another_parser_reads() -> None:
    made = soap.envelope(soap.element("Ask", "urn:t", (b"<r>1</r>", b"<r>2</r>")), wssecurity.header("me", "pw"))
    root = etree.fromstring(made)
    assert root.tag == f"{{{soap.SOAP}}}Envelope"
    assert [r.text for r in root.iterfind("s:Body/t:Ask/t:r", NAMES)] == ["1", "2"]
    security = root.find("s:Header/wsse:Security", NAMES)
    assert security is not None
    assert security.get(f"{{{soap.SOAP}}}mustUnderstand") == "1"
    token = security.find("wsse:UsernameToken", NAMES)
    assert token is not None
    assert token.get(f"{{{WSU}}}Id") == "UsernameToken-1"


def test_an_envelope_without_a_header_has_no_header_element() -> None:
    assert etree.fromstring(soap.envelope(b"<x/>")).find("s:Header", NAMES) is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [("Client", (soap.SOAP, "Client")), (f"{{{WSSE}}}FailedAuthentication", (WSSE, "FailedAuthentication"))],
)
def test_a_fault_goes_out_and_comes_in(code: str, expected: tuple[str, str]) -> None:
    data = soap.fault(code, "a <bad> & \x00 thing")
    found = soap.as_fault(soap.parse(data))
    assert found is not None
    assert (found.namespace, found.code) == expected
    assert found.text == "a <bad> & \ufffd thing"
    assert etree.fromstring(data).find("s:Body/s:Fault/faultstring", NAMES) is not None


@pytest.mark.parametrize(
    ("body", "code", "definite"),
    [
        ("<s:Fault><faultcode>s:Client.Format</faultcode><faultstring>x</faultstring></s:Fault>", "Client.Format", True),
        ("<s:Fault><faultcode>Client</faultcode></s:Fault>", "Client", True),
        ("<s:Fault><faultcode>s:Server</faultcode><faultstring>x</faultstring></s:Fault>", "Server", False),
        ('<s:Fault><faultcode xmlns:a="urn:a">a:Client</faultcode></s:Fault>', "Client", False),
        ("<s:Fault/>", "", False),
    ],
)
def test_faults_say_whether_trying_again_helps(body: str, code: str, definite: bool) -> None:
    found = soap.as_fault(soap.parse(wrapped(body)))
    assert found is not None
    assert (found.code, found.definite) == (code, definite)
    assert isinstance(of_fault(found), Declined if definite else Unreachable)


def test_a_fault_about_credentials_never_gives_a_message_up() -> None:
    found = soap.Fault("Client", "The security token could not be authenticated or authorized")
    assert isinstance(of_fault(found), Unreachable)


def test_no_fault_is_no_fault() -> None:
    assert soap.as_fault(soap.parse(wrapped("<Fault xmlns='urn:t'/>"))) is None


# --- reading what is hostile

BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
DOCTYPES = {
    "plain": "<!DOCTYPE x>",
    "billion laughs": f'<!DOCTYPE x [<!ENTITY e0 "ha">{BOMB}]>',
    "external": '<!DOCTYPE x [<!ENTITY e9 SYSTEM "file:///etc/hostname">]>',
    "external subset": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
    "after comment and instruction": '<?xml version="1.0"?><!-- > --> <?pi x?>\n<!DOCTYPE x [<!ENTITY e9 "x">]>',
    "after a long comment": f'<!--{"-x" * 5000}--><!DOCTYPE x [<!ENTITY e9 "x">]>',
}


@pytest.mark.parametrize("prolog", DOCTYPES.values(), ids=DOCTYPES)
@pytest.mark.parametrize("used", ["", "&e9;"])
def test_a_doctype_is_refused(prolog: str, used: str) -> None:
    if used and "e9" not in prolog:
        used = ""
    data = prolog.encode() + wrapped(f"<r>{used}</r>")
    with pytest.raises(Hostile, match="DOCTYPE"):
        soap.parse(data)
    for step in (1, 7, 4096, len(data)):
        with pytest.raises(Hostile, match="DOCTYPE"):
            streamed(data, step=step)


def test_a_doctype_in_utf_16_is_refused() -> None:
    data = (f'<?xml version="1.0" encoding="utf-16"?>{DOCTYPES["plain"]}' + wrapped("<r/>").decode()).encode("utf-16")
    with pytest.raises(Hostile, match="DOCTYPE"):
        soap.parse(data)


def test_entities_in_the_first_tag_are_not_expanded() -> None:
    data = DOCTYPES["billion laughs"] + f'<s:Envelope xmlns:s="{soap.SOAP}" a="&e9;"><s:Body/></s:Envelope>'
    with pytest.raises((Hostile, Unreadable)):
        soap.parse(data.encode())
    with pytest.raises((Hostile, Unreadable)):
        streamed(data.encode(), step=3)


def test_the_word_doctype_in_a_text_is_no_doctype() -> None:
    assert soap.parse(wrapped("<r><![CDATA[<!DOCTYPE html>]]></r>")).body.text == "<!DOCTYPE html>"


def test_an_undeclared_entity_is_no_xml() -> None:
    with pytest.raises(Unreadable, match="no XML"):
        soap.parse(wrapped("<r>&nope;</r>"))


def test_what_is_too_large_is_refused() -> None:
    data = wrapped("<r>1</r>" * 100)
    assert soap.parse(wrapped("<a><r/></a>"), most=1000).name == "a"
    with pytest.raises(Hostile, match="at most 100"):
        soap.parse(data, most=100)
    with pytest.raises(Hostile, match="more than 300"):
        streamed(data, step=10, most=300)


def test_a_tower_of_elements_is_refused() -> None:
    with pytest.raises(Unreadable, match="no XML"):
        soap.parse(wrapped("<a>" * 5000 + "</a>" * 5000))


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (b"", "no XML"),
        (b"\x00\x01\x02", "no XML"),
        (b"{}", "no XML"),
        (wrapped("<r/>")[:-5], "no XML"),
        (b"<html><body/></html>", "no SOAP envelope, but html"),
        (b'<Envelope xmlns="urn:other"><Body/></Envelope>', "SOAP 1.1 expected"),
        (f"{OPEN}</s:Envelope>".encode(), "no Body"),
        (f"{OPEN}<s:Body/><s:Body/></s:Envelope>".encode(), "one Header, then one Body"),
        (f"{OPEN}<s:Body/><s:Header/></s:Envelope>".encode(), "one Header, then one Body"),
        (f"{OPEN}<x/><s:Body/></s:Envelope>".encode(), "only Header and Body"),
        (wrapped("<a/><b/>"), "2 elements in the Body"),
    ],
)
def test_malformed_messages_say_why(data: bytes, because: str) -> None:
    with pytest.raises(Unreadable, match=because):
        soap.parse(data)


def test_another_version_is_told_apart() -> None:
    with pytest.raises(soap.WrongVersion):
        soap.parse(f'<e:Envelope xmlns:e="{soap.SOAP_12}"><e:Body/></e:Envelope>'.encode())


def test_an_empty_body_is_a_message() -> None:
    message = soap.parse(wrapped(""))
    assert (message.body, message.name, message.namespace) == (None, "", "")


def test_what_must_be_understood() -> None:
    def block(attributes: str) -> str | None:
        given = f'<s:Header><t:Route xmlns:t="urn:t" {attributes}/></s:Header>'
        return soap.not_understood(soap.parse(wrapped("<x/>", given)), frozenset({WSSE}))

    assert block('s:mustUnderstand="1"') == "Route"
    assert block(f's:mustUnderstand="1" s:actor="{soap.NEXT}"') == "Route"
    assert block('s:mustUnderstand="0"') is None
    assert block('s:mustUnderstand="1" s:actor="urn:someone-else"') is None
    assert soap.not_understood(soap.parse(soap.envelope(b"<x/>", wssecurity.header("a", "b"))), frozenset({WSSE})) is None


# --- reading a stream


@pytest.mark.parametrize("step", [1, 2, 3, 50, 10_000])
def test_a_stream_gives_every_record_however_it_is_cut(step: int) -> None:
    records = "".join(f"<r>{i}ü</r>" for i in range(50))
    data = wrapped(f'<List xmlns="urn:t"><result>ok</result>{records}</List>')
    assert streamed(data, ("r", "result"), step) == ["ok", *(f"{i}ü" for i in range(50))]


def test_a_record_inside_a_record_is_part_of_it() -> None:
    reader = soap.Stream(frozenset({"r"}))
    found = [(name, [child.tag for child in element]) for name, element in reader.feed(wrapped("<l><r><r>1</r><x/></r></l>"))]
    assert found == [("r", ["r", "x"])]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_stream_that_ends_early_is_not_whole(cut: int) -> None:
    data = wrapped("<l>" + "<r>1</r>" * 20 + "</l>")
    with pytest.raises(Unreadable, match="no XML"):
        streamed(data[:-cut])


def test_a_stream_of_something_else_is_refused_early() -> None:
    with pytest.raises(Unreadable, match="no SOAP envelope"):
        streamed(b"<html>" + b"<p>x</p>" * 20_000, step=4096)
    with pytest.raises(soap.WrongVersion):
        streamed(b'<Envelope xmlns="urn:x"><r>1</r></Envelope>')


def test_a_fault_in_a_stream_is_raised() -> None:
    with pytest.raises(soap.Fault) as caught:
        streamed(soap.fault("Server", "busy"))
    assert (caught.value.code, caught.value.text) == ("Server", "busy")


# --- WS-Security

ACCOUNTS = {"me": "s<e>&\"'c\r\nret ü ", "you": "other", "none": ""}


def header_of(block: str) -> Any:
    return soap.parse(soap.envelope(b"<x/>", block)).header


def test_a_password_of_any_characters_arrives() -> None:
    assert wssecurity.check(header_of(wssecurity.header("me", ACCOUNTS["me"])), ACCOUNTS) == "me"


@pytest.mark.parametrize(
    ("user", "password"), [("me", "wrong"), ("nobody", "wrong"), ("nobody", ""), ("you", "OTHER"), ("ME", "other"), ("me", "")]
)
def test_wrong_credentials_are_denied_alike(user: str, password: str) -> None:
    with pytest.raises(Denied) as caught:
        wssecurity.check(header_of(wssecurity.header(user, password)), ACCOUNTS)
    assert (caught.value.code, caught.value.because) == ("FailedAuthentication", "user name or password is wrong")


def test_the_comparison_takes_the_same_time_for_unknown_users(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    compare = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        sizes.append((len(a), len(b)))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for user, password in (("me", "x"), ("nobody", "a much longer password"), ("you", "other")):
        try:
            wssecurity.check(header_of(wssecurity.header(user, password)), ACCOUNTS)
        except Denied:
            continue
    assert sizes == [(32, 32)] * 3


TOKEN = (
    f'<wsse:UsernameToken xmlns:wsse="{WSSE}"><wsse:Username>you</wsse:Username>'
    "<wsse:Password{}>other</wsse:Password></wsse:UsernameToken>"
)


def security(*tokens: str) -> Any:
    return header_of(f'<wsse:Security xmlns:wsse="{WSSE}">{"".join(tokens)}</wsse:Security>')


def test_a_token_without_type_or_with_nonce_is_accepted() -> None:
    assert wssecurity.check(security(TOKEN.format("")), ACCOUNTS) == "you"
    more = TOKEN.format("").replace(
        "</wsse:UsernameToken>",
        f'<wsse:Nonce>eA==</wsse:Nonce><u:Created xmlns:u="{WSU}">2026-05-04T12:00:00Z</u:Created></wsse:UsernameToken>',
    )
    assert wssecurity.check(security(more), ACCOUNTS) == "you"


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        ((), "InvalidSecurity"),
        ((TOKEN.format(""), TOKEN.format("")), "InvalidSecurity"),
        ((TOKEN.format(' Type="urn:PasswordDigest"'),), "UnsupportedSecurityToken"),
        ((TOKEN.format("").replace("<wsse:Username>you</wsse:Username>", ""),), "InvalidSecurity"),
        ((TOKEN.format("").replace("other", "<x/>other"),), "InvalidSecurity"),
    ],
)
def test_other_tokens_are_denied(tokens: tuple[str, ...], code: str) -> None:
    with pytest.raises(Denied) as caught:
        wssecurity.check(security(*tokens), ACCOUNTS)
    assert caught.value.code == code


def test_no_header_is_denied() -> None:
    with pytest.raises(Denied, match="no UsernameToken"):
        wssecurity.check(None, ACCOUNTS)


def test_a_password_that_xml_cannot_hold_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        wssecurity.header("me", "a\x00b")
