"""Sessions of officers at their own node: opened by a signature over a challenge, never by a password.

Guarantees: a challenge is this process's own (a MAC under a key that lives only in its memory), for one key, for two minutes, and opens
one session. Nothing is stored for who merely asks for one. A token is 32 random bytes, kept as its hash; it is worth nothing
after 8 hours, after 30 minutes of rest, when it is ended, and from the moment on at which the record closes its key or takes
it from the one in force: roles are looked up at each request. Specification: schemas/README.md section 22.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from exchange.core.base64text import parse_base64
from exchange.core.keys import SIGNATURE_SIZE, PublicKey
from exchange.errors import BadSignature, Malformed, NotSignedIn
from exchange.node.node import Node
from exchange.store import log as logs
from exchange.store.acts import record_act
from exchange.store.database import Transaction
from exchange.store.sessions import (
    Session,
    add_session,
    count_sessions,
    end_session,
    end_sessions,
    forget_sessions,
    session_of,
    touch_session,
)
from exchange.trust.acts import What
from exchange.trust.asker import Asker
from exchange.trust.challenge import Challenge, format_challenge, parse_challenge
from exchange.trust.record import ParticipantRecord
from exchange.trust.roles import BY_TOKEN, Officer, officer_in_force

CHALLENGE_SECONDS = 120
SESSION_SECONDS = 8 * 3600
IDLE_SECONDS = 30 * 60
MAX_SESSIONS = 8  # of one key at a time; a ninth ends the oldest
MAX_OPENED = 64  # of one key within the life of a challenge
_SEEN_SECONDS = 60  # how exactly it is known when a session was used last: not every request is worth a write
_RANDOM, _TOKEN = 16, 32  # bytes


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who asks, by a session that is open now. `began` and `ends` in seconds since 1970."""

    officer: Officer
    asker: Asker
    ends: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session. The token is shown this once; its repr does not show it."""

    token: str
    signed_in: SignedIn

    def __repr__(self) -> str:
        return f"<Opened of {self.signed_in.officer.keyid}>"


class Sessions:
    """Of one running node."""

    def __init__(self, node: Node) -> None:
        self._node, self._secret = node, secrets.token_bytes(32)

    def challenge(self, keyid: str) -> bytes:
        """The text to sign with that key. Given to anybody: who holds the key is seen by the signature alone."""
        ends = datetime.fromtimestamp(self._now() + CHALLENGE_SECONDS, UTC)
        return self._challenge(keyid, secrets.token_bytes(_RANDOM), f"{ends:%Y-%m-%dT%H:%M:%SZ}")

    def _challenge(self, keyid: str, random: bytes, expires: str) -> bytes:
        settings = self._node.settings
        who = (settings.federation, settings.participant, settings.url, keyid)
        bare = Challenge(*who, random.hex() + "0" * 64, expires)
        mac = hmac.digest(self._secret, format_challenge(bare), "sha256")
        return format_challenge(Challenge(*who, random.hex() + mac.hex(), expires))

    def open(self, message: bytes, signature: str) -> Opened:
        """Raises NotSignedIn, Malformed.

        1. The challenge was made here, and is not over. 2. The record has its key now, with a role. 3. The signature is that key's. 4. It
        counts once. All that is written is written behind a good signature.
        """
        said, now = parse_challenge(message), self._now()
        ours = self._challenge(said.keyid, bytes.fromhex(said.nonce[: 2 * _RANDOM]), said.expires)
        if not hmac.compare_digest(ours, message):
            raise NotSignedIn("the challenge is not one of this node since its last start: ask for another")
        if now >= datetime.fromisoformat(said.expires).timestamp():  # 1
            raise NotSignedIn(f"the challenge is over after {CHALLENGE_SECONDS} seconds: ask for another")
        with self._node.db.read() as tx:
            record, officer = self._officer(tx, said.keyid)  # 2
        self._verify(record, said.keyid, message, signature)  # 3
        token = secrets.token_bytes(_TOKEN)
        session = Session(said.keyid, now, now, now + SESSION_SECONDS)
        with self._node.db.write() as tx:
            forget_sessions(tx, now, 2 * CHALLENGE_SECONDS)
            if count_sessions(tx, said.keyid) >= MAX_OPENED:
                raise NotSignedIn("this key opened too many sessions in a few minutes: wait")
            end_sessions(tx, said.keyid, but=MAX_SESSIONS - 1)
            if not add_session(tx, token, said.nonce, session):  # 4
                raise NotSignedIn("a session was opened with this challenge before: ask for another")
            record_act(tx, self._node.clock(), officer, What.SESSION_OPENED)
        return Opened(token.hex(), SignedIn(officer, Asker.officer(record, officer.roles), session.ends))

    def _verify(self, record: ParticipantRecord, keyid: str, message: bytes, signature: str) -> None:
        key = record.key(keyid)
        if key is None or not isinstance(key.public_key, PublicKey):
            raise NotSignedIn("the record does not have this key")
        try:
            key.public_key.verify(message, parse_base64(signature, length=SIGNATURE_SIZE))
        except (BadSignature, Malformed):
            raise NotSignedIn("the challenge is not signed by the key that it names") from None

    def who(self, token: str, operator: str) -> SignedIn:
        """Who holds this token: an officer by an open session, or whoever read the `operator` token of this node. Raises NotSignedIn."""
        record = self._record()
        if hmac.compare_digest(token.encode(), operator.encode()):
            return SignedIn(BY_TOKEN, Asker.officer(record, BY_TOKEN.roles), self._now() + IDLE_SECONDS)
        raw, now = _raw(token), self._now()
        with self._node.db.read() as tx:
            session = session_of(tx, raw)
            if session is None or now >= session.ends:
                raise NotSignedIn("there is no such session, or its time is over")
            if now >= session.seen + IDLE_SECONDS:
                raise NotSignedIn(f"the session is over after {IDLE_SECONDS // 60} minutes without a request")
            record, officer = self._officer(tx, session.key)
        if now >= session.seen + _SEEN_SECONDS:
            with self._node.db.write() as tx:
                touch_session(tx, raw, now)
        return SignedIn(officer, Asker.officer(record, officer.roles), session.ends)

    def end(self, token: str, officer: Officer) -> None:
        """From here on the token is worth nothing."""
        with self._node.db.write() as tx:
            end_session(tx, _raw(token))
            record_act(tx, self._node.clock(), officer, What.SESSION_ENDED)

    def _officer(self, tx: Transaction, keyid: str) -> tuple[ParticipantRecord, Officer]:
        """By the record in force and the log as it stands. Raises NotSignedIn."""
        record, origin = self._record(), self._node.origin
        ordinal = record.log_ordinal(origin)
        position = (len(record.logs) if ordinal is None else ordinal, logs.log_of(tx, origin).size)
        officer = officer_in_force(record, keyid, position)
        if officer is None:
            raise NotSignedIn("the record has no such key with a role for officers that is in force now")
        return record, officer

    def _record(self) -> ParticipantRecord:
        record = self._node.participants.records.get(self._node.settings.participant)
        if record is None:
            raise NotSignedIn("no record of this State is in force here yet")
        return record

    def _now(self) -> int:
        return int(self._node.clock().timestamp())


def _raw(token: str) -> bytes:
    try:
        raw = bytes.fromhex(token)
    except ValueError:
        raw = b""
    if len(raw) != _TOKEN or raw.hex() != token:
        raise NotSignedIn("a session is named by the 64 hex digits that were given when it was opened")
    return raw
