"""Findings of misbehaviour, told and read: proof against a log or a witness becomes an entry of the finder's own log.

So the finding itself cannot be hidden: it is mirrored by all, and everybody who reads it checks the evidence, raises an alert
of its own and cosigns that log no more. It is told under the platform form PLT-03 by the node's submission key, through the one
door, once for each key that is convicted, however often the node starts; what another State told already, byte for byte, is not
told again. Where the record does not let the node's key sign that form, the alert stays local, and says what to do.
"""

import hashlib
import logging
import secrets
import threading
from concurrent.futures import TimeoutError as Late

from exchange.core.document import SMALL_DOCUMENT
from exchange.core.dsse import format_envelope, sign_payload
from exchange.core.evidence import FINDING, InconsistentCheckpoints, evidence_id, parse_evidence, verify_evidence
from exchange.core.keys import Kind
from exchange.core.note import format_vkey
from exchange.errors import BadProof, ExchangeError, KeyNotAllowed, Malformed, Misuse, NotFound, Unavailable
from exchange.node.draft import BODY, Draft, prepare
from exchange.node.judge import whole
from exchange.node.keyfile import open_key
from exchange.node.node import Node
from exchange.node.submit import door_of
from exchange.store import log as logs
from exchange.store.alerts import Alert
from exchange.store.convictions import convict, convictions
from exchange.store.database import Transaction
from exchange.store.findings import Unread, keep_finding, told_of, unread_findings
from exchange.trust.quorum import keys_of

READ_AT_ONCE = 64  # entries of one transaction
TELL_SECONDS = 10.0

_logger = logging.getLogger("exchange.findings")


class Findings:
    """What was not told in the node's own log (yet), and why, stands in `node.local_findings` by the accused key."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._alone = threading.Lock()

    def look(self) -> None:
        """After each round of visits: 1. what others found counts here, too; 2. what was found here is told, or later where it cannot be."""
        try:
            with self._alone:
                self._read_all()  # 1
                self._node.stop_if_convicted()  # our own log may be what others found
                if self._tell():  # 2
                    self._read_all()  # which makes our own entry one of those that tell of it
        except ExchangeError as error:
            _logger.error("findings are left for the next round: %s", error)

    def _read_all(self) -> None:
        while self._read():
            pass

    def _read(self) -> bool:
        """Some of those unread. True where there may be more."""
        with self._node.db.read() as tx:
            unread = unread_findings(tx, READ_AT_ONCE)
        read = [(entry, _judged(entry)) for entry in unread]
        if read:
            with self._node.db.write() as tx:
                for entry, evidence in read:
                    self._take(tx, entry, evidence)
        return len(unread) == READ_AT_ONCE

    def _take(self, tx: Transaction, entry: Unread, evidence: InconsistentCheckpoints | None) -> None:
        digest = hashlib.sha256(entry.evidence or b"").digest()
        keep_finding(tx, entry, digest, None if evidence is None else evidence.accused)
        if evidence is None:
            _logger.warning("a finding of %s, entry %d of its log, convicts nobody", entry.participant, entry.index)
            return
        try:
            log = logs.log_of(tx, _origin_of(evidence))
        except NotFound:
            return  # of another federation
        witness = None
        if evidence.cosigner_vkey is not None:
            witness = self._witness(evidence.cosigner_vkey)
        if witness is not None or (evidence.cosigner_vkey is None and evidence.log_vkey == log.vkey):
            summary = convict(tx, log, evidence, self._node.clock(), witness)
            if entry.participant != self._node.settings.participant:
                _logger.error("%s found, and this node has checked: %s", entry.participant, summary)

    def _witness(self, vkey: str) -> str | None:
        """Whose witness key that is, or was."""
        participants = self._node.participants
        for record in participants.records.values():
            if any(format_vkey(key) == vkey for key in keys_of(participants.federation, record)):
                return record.participant
        return None

    def _tell(self) -> bool:
        """True where anything was."""
        with self._node.db.read() as tx:
            found = convictions(tx)
            told = told_of(tx, {evidence.accused for _, evidence, _ in found})
        mine = {one.accused for one in told if one.participant == self._node.settings.participant}
        texts, before = {one.evidence_id for one in told}, len(mine)
        for text, evidence, alert in found:
            if evidence.accused in mine or evidence_id(text) in texts:
                self._node.local_findings.pop(evidence.accused, None)
                continue
            try:
                self._publish(text, evidence, alert)
            except ExchangeError as error:
                self._stays(evidence.accused, error)
            else:
                mine.add(evidence.accused)
                self._node.local_findings.pop(evidence.accused, None)
        return len(mine) > before

    def _publish(self, text: bytes, evidence: InconsistentCheckpoints, alert: Alert) -> None:
        """Through the one door, as whatever this State submits. Raises what the door holds against it."""
        node = self._node
        settings, form = node.settings, node.catalogue.newest(FINDING)
        if form is None or len(text) > SMALL_DOCUMENT:
            raise Misuse(f"there is no form {FINDING} here, or the evidence is larger than {SMALL_DOCUMENT} bytes")
        node.appender.check()
        of_log = evidence.cosigner_vkey is None
        header = {
            "federation": settings.federation,
            "origin": node.origin,
            "participant": settings.participant,
            "kind": "full",
            "message": "original",
            "status": "actual",
            "languages": ["en"],
        }
        body = {
            "evidence": evidence_id(text),
            "finding": "log signed two histories" if of_log else "witness vouched for two histories",
            "participant": alert.participant,
            "log": alert.origin,
            "found_on": alert.raised[:10],
        }
        draft = Draft(header, body, (("evidence.json", BODY, None),))
        payload, documents = prepare(
            draft, form, [("evidence.json", text)], node.clock(), lambda: secrets.token_bytes(32)
        )
        key = open_key(settings.keys / "node-submission.key", kind=Kind.NODE_SUBMISSION).key
        candidate = whole(door_of(node), format_envelope(sign_payload(payload, [key])), documents)
        try:
            recorded = node.appender.submit(candidate).result(timeout=TELL_SECONDS)
        except Late:
            raise Unavailable("the log did not take it in time; the next round sees whether it did") from None
        _logger.error("told in this State's log, entry %d: %s", recorded.index, alert.summary)

    def _stays(self, accused: str, error: ExchangeError) -> None:
        why = f"not told in this State's log: {error}"
        if isinstance(error, KeyNotAllowed):
            why += (
                f"; an officer can tell it (`cbm alerts --evidence DIR`, then `cbm new {FINDING}` with that file attached as "
                f"evidence.json), or a new record lists a node submission key that may sign {FINDING}"
            )
        if self._node.local_findings.get(accused) != why:
            _logger.warning("%s", why)
        self._node.local_findings[accused] = why


def _origin_of(evidence: InconsistentCheckpoints) -> str:
    """The log of which there are two histories."""
    return evidence.log_vkey.partition("+")[0]


def _judged(entry: Unread) -> InconsistentCheckpoints | None:
    """The evidence, if it convicts."""
    try:
        evidence = parse_evidence(entry.evidence or b"")
        verify_evidence(evidence)
    except (Malformed, BadProof):
        return None
    return evidence
