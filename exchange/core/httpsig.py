"""Who sends this request: HTTP Message Signatures (RFC 9421) in one fixed profile, with Ed25519.

Guarantees: what `verify_proof` lets through was signed by the key that the caller names for its keyid, for this method, this address
with its query, and this body; it says when it was made and ends within a minute. There is one way to write a proof, and every
other is refused, never repaired. That it was not seen before is for whoever remembers its nonce, after it verified.

Components "@method" "@target-uri", and "content-digest" (sha-256, RFC 9530) where there is a body; parameters in this order, label `cbm`:

    Signature-Input: cbm=("@method" "@target-uri");created=1795231800;keyid="<64 hex digits>";expires=1795231860;nonce="<22 to 64>";tag="cbm-node/1"
    Signature: cbm=:<base64 of 64 bytes>:
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from exchange.core.base64text import format_base64, parse_base64
from exchange.core.keys import SIGNATURE_SIZE, PrivateKey, PublicKey
from exchange.errors import BadSignature, Malformed, ProofRefused

NODE, OFFICER = "cbm-node/1", "cbm-officer/1"
TAGS = (NODE, OFFICER)
MAX_LIFE = 60  # seconds from `created` to `expires`
MAX_AHEAD = 60  # seconds that the clock of whoever signed may be ahead
SIGNATURE_INPUT, SIGNATURE, CONTENT_DIGEST = "signature-input", "signature", "content-digest"
ACCEPT = 'cbm=("@method" "@target-uri");created;keyid;expires;nonce;tag="cbm-node/1"'
"""What `Accept-Signature` says to those whose proof was refused (RFC 9421 section 5.1)."""

_INPUT = re.compile(
    r'cbm=(\("@method" "@target-uri"( "content-digest")?\);created=([1-9][0-9]{0,11});keyid="([0-9a-f]{64})"'
    r';expires=([1-9][0-9]{0,11});nonce="([A-Za-z0-9_-]{22,64})";tag="(cbm-[a-z]{1,16}/1)")'
)
_SIGNATURE = re.compile(r"cbm=:([A-Za-z0-9+/]{86}==):")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_METHOD, _URI = re.compile(r"[A-Z]{1,16}"), re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True)
class Request:
    """`uri` is the address with scheme, host, path and query, as the one asked writes its own; a body is never in a log line."""

    method: str
    uri: str
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof that verified. It counts once: until `expires`, its nonce belongs to this key."""

    keyid: str
    tag: str
    nonce: str
    expires: int


KeyOf = Callable[[str, str], PublicKey | None]
"""The key of that keyid which may prove itself under that tag, or None."""


def sign_request(request: Request, key: PrivateKey, *, tag: str, created: int, nonce: str) -> dict[str, str]:
    """The headers that prove who asks. `nonce` is never used twice."""
    covered, headers = '"@method" "@target-uri"', dict[str, str]()
    if request.body:
        covered += ' "content-digest"'
        headers[CONTENT_DIGEST] = _digest_of(request.body)
    ends = created + MAX_LIFE
    params = f'({covered});created={created};keyid="{key.public.keyid}";expires={ends};nonce="{nonce}";tag="{tag}"'
    signed = _INPUT.fullmatch(f"cbm={params}")
    if signed is None:
        raise Malformed(f"a time, a nonce of 22 to 64 letters and one of {', '.join(TAGS)} were expected")
    headers[SIGNATURE_INPUT] = signed.group()
    headers[SIGNATURE] = f"cbm=:{format_base64(key.sign(_base(request, params)))}:"
    return headers


def verify_proof(request: Request, headers: Mapping[str, Sequence[str]], now: int, key_of: KeyOf) -> Proven:
    """Who asks. `headers` are the lines of these three headers, by name in lower case. Raises ProofRefused.

    1. One signature, in the one spelling. 2. It covers the body, and the digest is that of the body that came. 3. It is of this
    minute. 4. Its key may prove itself under that tag. 5. It verifies over this request, addressed to this node.
    """
    found = _INPUT.fullmatch(_one(headers, SIGNATURE_INPUT))
    if found is None:
        raise ProofRefused(f"Signature-Input is not as the profile of {NODE} has it")
    signature = _SIGNATURE.fullmatch(_one(headers, SIGNATURE))
    if signature is None:
        raise ProofRefused("Signature is not the base64 of 64 bytes, labelled cbm")  # 1
    params, covers_body, created, keyid, expires, nonce, tag = found.groups()
    if bool(covers_body) is not bool(request.body) or (covers_body and not _has_digest(request, headers)):
        raise ProofRefused("the body is not the one that was signed")  # 2
    if int(created) > now + MAX_AHEAD or not int(created) <= int(expires) <= int(created) + MAX_LIFE:
        raise ProofRefused(f"made in the future, or for more than {MAX_LIFE} seconds")
    if now > int(expires):
        raise ProofRefused("its time is over")  # 3
    key = key_of(keyid, tag)
    if key is None:
        raise ProofRefused("no key that is known here proves anything in this way")  # 4
    try:
        key.verify(_base(request, params), parse_base64(signature.group(1), length=SIGNATURE_SIZE))  # 5
    except (BadSignature, Malformed):
        raise ProofRefused("it was not signed by its key for this method and address") from None
    return Proven(keyid, tag, nonce, int(expires))


def _one(headers: Mapping[str, Sequence[str]], name: str) -> str:
    lines = headers.get(name, ())
    if len(lines) != 1:
        raise ProofRefused(f"one {name} was expected, {len(lines)} came")
    return lines[0]


def _has_digest(request: Request, headers: Mapping[str, Sequence[str]]) -> bool:
    line = _one(headers, CONTENT_DIGEST)
    return _DIGEST.fullmatch(line) is not None and line == _digest_of(request.body)


def _digest_of(body: bytes) -> str:
    return f"sha-256=:{format_base64(sha256(body).digest())}:"


def _base(request: Request, params: str) -> bytes:
    """RFC 9421 section 2.5. What has another line in it, or a blank, is no request that anybody makes."""
    if not _METHOD.fullmatch(request.method) or not _URI.fullmatch(request.uri):
        raise ProofRefused("a method and an address in ASCII were expected")
    lines = [f'"@method": {request.method}', f'"@target-uri": {request.uri}']
    if request.body:
        lines.append(f'"content-digest": {_digest_of(request.body)}')
    return "\n".join([*lines, f'"@signature-params": {params}']).encode("ascii")
