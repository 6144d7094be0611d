"""Signed requests: one spelling, one verdict, and a library of somebody else that writes and reads the same."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.httpsig import MAX_AHEAD, MAX_LIFE, NODE, OFFICER, Request, sign_request, verify_proof
from exchange.core.keys import PublicKey
from exchange.errors import Malformed, ProofRefused
from tests import key_named

pytestmark = pytest.mark.once

KEY, OTHER = key_named("XA transport"), key_named("XI transport")
NOW = 1_795_231_800
NONCE = "abcdefghijklmnopqrstuv"
URL = "https://cbm.xr.example/v1/documents?participant=XR&origin=cbm.xr.example%2Flog"
GET = Request("GET", URL)
POST = Request("POST", "https://cbm.xr.example/local/pull", b'{"all": true}')
KEYS = {KEY.public.keyid: KEY.public}


def key_of(keyid: str, tag: str) -> PublicKey | None:
    return KEYS.get(keyid)


def signed(request: Request, **changes: Any) -> dict[str, str]:
    return sign_request(request, KEY, **{"tag": NODE, "created": NOW, "nonce": NONCE, **changes})


def lines(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {name.lower(): [value] for name, value in headers.items()}


def refused(request: Request, headers: Mapping[str, str], now: int = NOW) -> str:
    with pytest.raises(ProofRefused) as caught:
        verify_proof(request, lines(headers), now, key_of)
    return str(caught.value)


@pytest.mark.parametrize("request_", [GET, POST, replace(GET, method="HEAD")], ids=lambda one: one.method)
@pytest.mark.parametrize("tag", [NODE, OFFICER])
def test_what_is_signed_is_proven(request_: Request, tag: str) -> None:
    proven = verify_proof(request_, lines(signed(request_, tag=tag)), NOW, key_of)
    assert (proven.keyid, proven.tag, proven.nonce) == (KEY.public.keyid, tag, NONCE)
    assert proven.expires == NOW + MAX_LIFE


def message(request: Request, headers: Mapping[str, str]) -> Any:
    return SimpleNamespace(method=request.method, url=request.uri, headers=dict(headers))


def resolver() -> MappingKeyResolver:
    mine = {KEY.public.keyid: (KEY.public.raw, KEY.seed)}
    return MappingKeyResolver(
        public_keys={keyid: _loaded(raw) for keyid, (raw, _) in mine.items()},
        private_keys={keyid: _private(seed) for keyid, (_, seed) in mine.items()},
    )


def _loaded(raw: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def _private(seed: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)


@pytest.mark.parametrize("request_", [GET, POST], ids=lambda one: one.method)
def test_the_oracle_reads_what_we_write(request_: Request) -> None:
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=resolver())
    body: dict[str, Any] = {"body": request_.body} if request_.body else {}
    needs = ("@method", "@target-uri", *(("content-digest",) if request_.body else ()))
    sent = message(request_, signed(request_, created=now))
    found = verifier.verify(
        sent, expect_tag=NODE, max_age=datetime.timedelta(seconds=60), require_components=needs, **body
    )
    assert [one.nonce for one in found] == [NONCE]


@pytest.mark.parametrize("request_", [GET, POST], ids=lambda one: one.method)
def test_we_read_what_the_oracle_writes(request_: Request) -> None:
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver())
    created = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    sent = message(request_, {})
    signer.sign(
        sent,
        key_id=KEY.public.keyid,
        created=created,
        expires=created + datetime.timedelta(seconds=30),
        nonce=NONCE,
        label="cbm",
        tag=NODE,
        include_alg=False,
        covered_component_ids=("@method", "@target-uri"),
        body=request_.body or None,
    )
    proven = verify_proof(request_, lines(sent.headers), NOW, key_of)
    assert (proven.keyid, proven.expires) == (KEY.public.keyid, NOW + 30)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GET, method="HEAD"),
        replace(GET, uri=URL + "&from=1"),
        replace(GET, uri=URL.replace("%2F", "/")),
        replace(GET, uri=URL.replace("cbm.xr", "cbm.xa")),
        replace(GET, uri=URL.replace("https", "http")),
        replace(GET, body=b"x"),
        replace(GET, method="GET\n"),
        replace(GET, uri=URL + " "),
        replace(GET, uri=URL + "é"),
    ],
    ids=lambda one: f"{one.method} {one.uri[8:20]} {len(one.body)}",
)
def test_a_proof_is_for_one_request(wrong: Request) -> None:
    refused(wrong, signed(GET))


def test_a_body_is_the_one_that_was_signed() -> None:
    headers = signed(POST)
    refused(replace(POST, body=b'{"all": false}'), headers)
    refused(replace(POST, body=b""), headers)
    refused(POST, {name: value for name, value in headers.items() if name != "content-digest"})
    other = signed(replace(POST, body=b"another"))
    refused(POST, headers | {"content-digest": other["content-digest"]})
    uncovered = sign_request(replace(POST, body=b""), KEY, tag=NODE, created=NOW, nonce=NONCE)
    refused(POST, uncovered | {"content-digest": headers["content-digest"]})


@pytest.mark.parametrize("ahead", [-MAX_AHEAD - 1, -MAX_AHEAD, 0, MAX_LIFE, MAX_LIFE + 1])
def test_a_proof_is_of_this_minute(ahead: int) -> None:
    headers = signed(GET)
    if -MAX_AHEAD <= ahead <= MAX_LIFE:
        verify_proof(GET, lines(headers), NOW + ahead, key_of)
    else:
        refused(GET, headers, NOW + ahead)


def test_nobody_signs_for_more_than_a_minute() -> None:
    headers = signed(GET)
    longer = headers["signature-input"].replace(f"expires={NOW + 60}", f"expires={NOW + 61}")
    assert "more than 60 seconds" in refused(GET, headers | {"signature-input": longer})


def test_another_key_proves_nothing_under_that_name() -> None:
    headers = sign_request(GET, OTHER, tag=NODE, created=NOW, nonce=NONCE)
    assert "no key" in refused(GET, headers)
    named = headers["signature-input"].replace(OTHER.public.keyid, KEY.public.keyid)
    assert "not signed by its key" in refused(GET, headers | {"signature-input": named})


SPELLINGS: dict[str, Callable[[str], str]] = {
    "another label": lambda text: text.replace("cbm=", "sig1="),
    "a blank": lambda text: text.replace(";created", "; created"),
    "capitals": lambda text: text.replace("keyid", "Keyid"),
    "components in another order": lambda text: text.replace('"@method" "@target-uri"', '"@target-uri" "@method"'),
    "no method": lambda text: text.replace('"@method" ', ""),
    "a component more": lambda text: text.replace('"@target-uri"', '"@target-uri" "date"'),
    "a parameter on a component": lambda text: text.replace('"@target-uri"', '"@target-uri";req'),
    "no nonce": lambda text: text.replace(f';nonce="{NONCE}"', ""),
    "no tag": lambda text: text.partition(";tag")[0],
    "an algorithm": lambda text: text + ';alg="ed25519"',
    "a tag of something else": lambda text: text.replace(NODE, "web-bot-auth"),
    "a zero in front": lambda text: text.replace("created=", "created=0"),
    "a decimal": lambda text: text.replace(f"created={NOW}", f"created={NOW}.0"),
    "two signatures": lambda text: f"{text}, {text.replace('cbm=', 'two=')}",
    "a line feed at the end": lambda text: text + "\n",
    "digits of another script": lambda text: text.replace("1", "\u0661"),
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("what", SPELLINGS)
def test_there_is_one_spelling(what: str) -> None:
    headers = signed(GET)
    changed = SPELLINGS[what](headers["signature-input"])
    assert changed != headers["signature-input"]
    refused(GET, headers | {"signature-input": changed})


@pytest.mark.parametrize("name", ["signature-input", "signature"])
def test_each_header_comes_once(name: str) -> None:
    headers = lines(signed(GET))
    for some in ([], [*headers[name], *headers[name]]):
        with pytest.raises(ProofRefused):
            verify_proof(GET, {**headers, name: some}, NOW, key_of)


def test_one_flipped_bit_anywhere_is_refused() -> None:
    for name, value in signed(GET).items():
        for at in range(len(value)):
            flipped = value[:at] + chr(ord(value[at]) ^ 1) + value[at + 1 :]
            refused(GET, signed(GET) | {name: flipped})


@given(st.text(max_size=300), st.text(max_size=120))
def test_whatever_comes_is_refused_in_one_way(params: str, signature: str) -> None:
    refused(GET, {"signature-input": params, "signature": signature})


@pytest.mark.parametrize(
    "changes", [{"nonce": "short"}, {"nonce": 'quoted"' + NONCE}, {"tag": "other"}, {"created": 0}]
)
def test_nothing_else_is_ever_written(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        signed(GET, **changes)


def test_a_body_and_a_key_stay_out_of_what_is_printed() -> None:
    assert "true" not in repr(POST)
