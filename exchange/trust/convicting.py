"""Check the evidence of an alert: a file in, a verdict out, as with a pack (verdict.py). Two signed heads convict by themselves."""

from collections.abc import Sequence

from exchange.core.base64text import format_base64
from exchange.core.evidence import InconsistentCheckpoints, parse_evidence, verify_evidence
from exchange.core.note import format_vkey, parse_vkey
from exchange.errors import ExchangeError
from exchange.trust.anchor import Anchor, records_of
from exchange.trust.quorum import keys_of
from exchange.trust.verdict import Check, Examination, Verdict


def check_evidence(data: bytes, anchors: Sequence[Anchor] = ()) -> Verdict:
    """The evidence of an alert. It needs no anchor for what it proves: that the holder of this key contradicted itself.
    An anchor says who that is."""
    exam = Examination()
    try:
        evidence = parse_evidence(data)
        accused = parse_vkey(evidence.accused)
        who, did = ("log", "signed") if evidence.cosigner_vkey is None else ("witness", "cosigned")
        exam.fingerprints = (accused.keyid.hex(),)
        for checkpoint in verify_evidence(evidence):
            of = "" if evidence.cosigner_vkey is None else f" of the log {checkpoint.origin}"
            root = format_base64(checkpoint.root)
            exam.passed(
                f"the {who} {accused.name} {did} size {checkpoint.size}{of} with root {root} under key {accused.keyid.hex()}"
            )
    except ExchangeError as error:
        exam.checks.append(Check(False, f"{error} [{error.code}]"))
        return exam.verdict(False, False, "convicts nobody", error)
    exam.passed("no single history leads to both")
    _whose(evidence, anchors, exam)
    told = "signed two histories"
    if evidence.cosigner_vkey is not None:
        told = f"vouched, as a witness, for two histories of {parse_vkey(evidence.log_vkey).name}"
    return exam.verdict(True, True, f"convicts: whoever holds the key of {accused.name} {told}")


def _whose(evidence: InconsistentCheckpoints, anchors: Sequence[Anchor], exam: Examination) -> None:
    """Whose key it is, by those anchors that know it."""
    found = {
        f"that key is {kind} of {record.name()} ({record.participant}), by an anchor given from outside"
        for known in filter(None, map(records_of, anchors))
        for record in known.records.values()
        for kind, vkeys in (
            ("a log key", [log.vkey for log in record.logs]),
            ("a witness key", keys_of(known.federation, record)),
        )
        if any(format_vkey(vkey) == evidence.accused for vkey in vkeys)
    }
    for line in sorted(found):
        exam.passed(line)
    if anchors and not found:
        exam.remark("no anchor here knows whose key that is")
