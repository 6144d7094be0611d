"""Every way this software says no, drawn once.

    ExchangeError
    ├── Malformed                  bytes that are not what they claim to be
    │   └── TooLarge               more bytes than the format or the door allows
    ├── Unverified                 well formed, and the proof does not hold
    │   ├── WeakKey                a public key under which signatures can be forged
    │   ├── UnknownKey             a signature by a key that nobody here vouches for
    │   ├── BadSignature           a signature that does not verify
    │   ├── BadProof               a Merkle proof that does not lead to the signed root
    │   ├── ProofRefused           a signed request that does not prove who asks
    │   ├── WrongCommitment        a document that is not the one the statement commits to
    │   ├── BadSeal                a sealed letter that was changed, or whose keys do not belong to it
    │   ├── WrongLetter            a letter that is not the one its outer submission speaks for
    │   └── NotSignedIn            no officer of this node proved to ask, or their time is over
    ├── NotAdmitted                verified, and the rules say no (reasons: trust/admission.py)
    │   ├── WrongFederation        meant for another federation
    │   ├── WrongOrigin            meant for another log
    │   ├── WrongParticipant       speaks for somebody else
    │   ├── KeyNotAllowed          the record does not let this key sign this form here
    │   ├── TooFewSignatures       fewer keys than the record's threshold for this form
    │   ├── AudienceNotEnforced    an audience that this version cannot keep, or that is wider within
    │   ├── DuplicateSubmission    the same statement already stands in the log
    │   ├── UnknownForm            no such form here, or another version of it
    │   ├── DoesNotFit             a document that its form refuses
    │   ├── ClockOff               issued too long ago, or in the future
    │   ├── UnknownSeries          replaces something that is not there
    │   ├── DocumentsMissing       a document named in the statement did not come along
    │   └── RoleMissing            an officer whose key has no role for this at their own node
    ├── Contradiction              a log that disagrees with what it signed before
    │   ├── RolledBack             a smaller head than one already signed
    │   └── Forked                 two heads that cannot both be true
    ├── WrongOldSize               a request to a witness that begins at another size than it signed last
    ├── ChangedMeanwhile           a change to something that somebody else has changed since it was read
    ├── DraftFrozen                a change to a draft under which signatures stand
    ├── NotFound                   nothing here by that name
    ├── Restricted                 here, and not for whoever asks
    ├── Withheld                   here, and its operator does not hand it out
    ├── Unavailable                right request, wrong moment
    │   ├── InUse                  another process holds this data directory
    │   ├── LogStopped             this node no longer appends, and says why
    │   ├── StorageFailed          the disk or the database server refused to take or give something
    │   └── Unreachable            a peer that does not answer, or answers with nonsense
    └── Misuse                     the operator's side: settings, files, passphrases
        ├── KeyFileExposed         a private key that others can read
        ├── WrongPassphrase        a key file that does not open
        └── RecordRefused          a participant record that breaks the rules of trust/participants.py

Each leaf has a stable `code`, which machines may rely on, and a `next_step` for the person who reads it.
"""

from typing import ClassVar


class ExchangeError(Exception):
    """A refusal. `str(error)` says what was expected and what came; `pointer` names the field (RFC 6901), if one is at fault."""

    code: ClassVar[str] = "error"
    next_step: ClassVar[str] = "Read the detail; if it does not help, send it to the operator of this node."

    def __init__(self, message: str, *, pointer: str | None = None) -> None:
        super().__init__(message)
        self.pointer = pointer


class Malformed(ExchangeError):
    code = "malformed"
    next_step = "Compare the bytes with the format in schemas/README.md; nothing was stored."


class TooLarge(Malformed):
    code = "too-large"
    next_step = "Send less: the limits stand in schemas/README.md; nothing was stored."


class Unverified(ExchangeError):
    code = "unverified"


class WeakKey(Unverified):
    code = "weak-key"
    next_step = "Make a new key with `cbm key new`; this one would let anybody sign."


class UnknownKey(Unverified):
    code = "unknown-key"
    next_step = "Check that the key stands in the participant's record, and that this node holds the newest record."


class BadSignature(Unverified):
    code = "bad-signature"
    next_step = "Sign the unchanged statement again; if you did not alter it, somebody else did."


class BadProof(Unverified):
    code = "bad-proof"
    next_step = "Fetch the receipt again from the log itself; if it still fails, keep both as evidence."


class ProofRefused(Unverified):
    code = "proof-refused"
    next_step = "Sign the request anew with a key of the participant's record, for the address of this node and this minute; check the clock."


class WrongCommitment(Unverified):
    code = "wrong-commitment"
    next_step = "Send each document with the opening made when it was signed, byte for byte."


class BadSeal(Unverified):
    code = "bad-seal"
    next_step = "Fetch it again from the sender's node; if it still does not open, tell the sender: nothing was shown."


class WrongLetter(Unverified):
    code = "wrong-letter"
    next_step = (
        "Do not act on it, and ask the State it names: somebody else may have sealed it anew. Nothing was shown."
    )


class NotSignedIn(Unverified):
    code = "not-signed-in"
    next_step = (
        "Sign in with `cbm login --key officer.key`: the key must stand in the record with a role, and not be closed."
    )


class NotAdmitted(ExchangeError):
    code = "not-admitted"


class WrongFederation(NotAdmitted):
    code = "wrong-federation"
    next_step = "Sign it anew for this federation: GET /v1/node gives its name."


class WrongOrigin(NotAdmitted):
    code = "wrong-origin"
    next_step = "Sign it anew for this log: GET /v1/node gives its origin."


class WrongParticipant(NotAdmitted):
    code = "wrong-participant"
    next_step = "Submit it to the node of the State that signed it."


class KeyNotAllowed(NotAdmitted):
    code = "key-not-allowed"
    next_step = "Sign with a key that the record allows for this form, or have the record changed first."


class TooFewSignatures(NotAdmitted):
    code = "too-few-signatures"
    next_step = "Have a second officer sign the same parcel with `cbm sign`."


class AudienceNotEnforced(NotAdmitted):
    code = "audience-not-enforced"
    next_step = "Name public, States and Partners, or participating States, and no wider audience for a document than for the statement."


class DuplicateSubmission(NotAdmitted):
    code = "duplicate-submission"
    next_step = "Nothing to do: the first receipt stands."


class UnknownForm(NotAdmitted):
    code = "unknown-form"
    next_step = "GET /v1/forms lists the forms and versions that this node takes."


class DoesNotFit(NotAdmitted):
    code = "does-not-fit"
    next_step = (
        'Correct the named field; "not stated" is an answer to every question that does not identify the return.'
    )


class ClockOff(NotAdmitted):
    code = "clock-off"
    next_step = (
        "Check the date and time of the signing machine and sign again; a return is submitted within 7 days of signing."
    )


class UnknownSeries(NotAdmitted):
    code = "unknown-series"
    next_step = "Name the first submission of the series as it stands in this log: `cbm list` shows it."


class DocumentsMissing(NotAdmitted):
    code = "documents-missing"
    next_step = "Send every document that the statement names, in its order, each with its opening."


class RoleMissing(NotAdmitted):
    code = "role-missing"
    next_step = "Ask an officer whose key has the role, or have a key with it put into the State's record."


class Contradiction(ExchangeError):
    code = "contradiction"


class RolledBack(Contradiction):
    code = "rolled-back"
    next_step = "Keep the alert and ask the State concerned; the mirror stays at the larger head."


class Forked(Contradiction):
    code = "forked"
    next_step = "Keep the alert: it proves that the log signed two histories. Tell every participating State."


class WrongOldSize(ExchangeError):
    """`size` is the one that the witness signed last."""

    code = "wrong-old-size"
    next_step = "Ask again with a consistency proof from the size that the witness names."

    def __init__(self, message: str, size: int = 0, *, pointer: str | None = None) -> None:
        super().__init__(message, pointer=pointer)
        self.size = size


class ChangedMeanwhile(ExchangeError):
    code = "changed-meanwhile"
    next_step = "Read it again, see what the other changed, and send your change with the ETag of now."


class DraftFrozen(ExchangeError):
    code = "draft-frozen"
    next_step = "What is signed stays as it is: release it, or delete it and begin another draft from it."


class NotFound(ExchangeError):
    code = "not-found"
    next_step = "Check the identifier; lists under /v1/ show what is here."


class Restricted(ExchangeError):
    code = "restricted"
    next_step = "Ask your own State's node, as one of its officers; or ask the publisher to release it."


class Withheld(ExchangeError):
    code = "withheld"
    next_step = "Ask the node of the State whose log it is, or another mirror: GET /v1/participants names them."


class Unavailable(ExchangeError):
    code = "unavailable"
    next_step = "Try again in a moment."


class InUse(Unavailable):
    code = "in-use"
    next_step = "Stop the other process first: two nodes on one log would fork it."


class LogStopped(Unavailable):
    code = "log-stopped"
    next_step = "Reading goes on. The operator finds the reason in /readyz and in the node's log."


class StorageFailed(Unavailable):
    code = "storage-failed"
    next_step = "Send it again in a moment: what was kept is found. The operator finds the reason in the node's log."


class Unreachable(Unavailable):
    code = "unreachable"
    next_step = "Check the address and whether the node is running; the other nodes are not affected."


class Misuse(ExchangeError):
    code = "misuse"
    next_step = "`cbm --help` and the README show how it is meant."


class KeyFileExposed(Misuse):
    code = "key-file-exposed"
    next_step = "Run `chmod 600` on the file; if others may have read it, make a new key and close the old one."


class WrongPassphrase(Misuse):
    code = "wrong-passphrase"
    next_step = "Type the passphrase that was chosen with `cbm key new`; it cannot be recovered, only the key replaced."


class RecordRefused(Misuse):
    code = "record-refused"
    next_step = "Ask the participant for a corrected record; the last good one stays in force."


def by_code(code: str) -> type[ExchangeError]:
    """The class of a code, as a peer or node sent it over the wire; ExchangeError itself for one that is not known here."""
    line = [ExchangeError]
    for kind in line:
        if kind.code == code:
            return kind
        line += kind.__subclasses__()
    return ExchangeError
