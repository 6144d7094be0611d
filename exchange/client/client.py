"""The client that waits: each method asks one question of asks.py, and returns what its answer must be."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Unpack

from exchange.client import answers, asks, batches
from exchange.client.asks import ContactQuestion, Filter, Question
from exchange.client.blocking import Blocking
from exchange.client.documents import HeldDocument, Proven
from exchange.client.verified import Verified, verified
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint
from exchange.core.note import Vkey
from exchange.core.pack import Pack
from exchange.trust.anchor import Anchor


class Client(Blocking):
    """One node of the exchange: `with Client("https://cbm.xr.example") as node: ...`. Safe to share between threads."""

    def node(self) -> answers.Node:
        """Who runs it, and the log it keeps."""
        return self.ask(asks.node())

    def heads(self) -> list[answers.Head]:
        """Every log it knows: two nodes that agree give the same."""
        return self.ask(asks.all_of("/v1/heads", answers.Head))

    def peers(self) -> list[answers.Peer]:
        """How its last visit to each other node went."""
        return self.ask(asks.all_of("/v1/peers", answers.Peer))

    def participants(self) -> answers.Participants:
        """The records in force there; to pin them, compare them with the States themselves."""
        return self.ask(asks.participants())

    def forms(self) -> list[answers.FormState]:
        """Every form that it takes, in every version."""
        return self.ask(asks.all_of("/v1/forms", answers.FormState))

    def obligations(
        self, *, obligation: str | None = None, participant: str | None = None
    ) -> list[answers.ObligationState]:
        """The clauses of the decisions, the forms that serve each, and what each participant chose to share."""
        question = {"obligation": obligation, "participant": participant}
        return self.ask(asks.all_of(asks.path_of(asks.OBLIGATIONS, question), answers.ObligationState))

    def form(self, code: str, version: int | None = None) -> bytes:
        """The form file itself, the newest unless a version is named."""
        return self.ask(asks.form(code, version))

    def contacts(self, participant: str | None = None, **question: Unpack[ContactQuestion]) -> answers.Contacts:
        """Contact points in force, those reachable at that moment first."""
        return self.ask(asks.contacts(participant, question))

    def submissions(self, **question: Unpack[Question]) -> Iterator[answers.Submission]:
        """All pages of the list, newest arrival first; what arrives meanwhile shifts nothing."""
        return self.each(asks.listed(asks.SUBMISSIONS, answers.Submission, question))

    def search(self, text: str, *, limit: int = 100, **question: Unpack[Filter]) -> answers.Findings:
        """The newest submissions whose texts have all of `text`, at most `limit`, narrowed as `submissions` are."""
        return self.gather(asks.search(text, limit, question))

    def submission(self, ident: str) -> answers.SubmissionWhole:
        """With its statement, its body where it is held there, and the history of its series."""
        return self.ask(asks.submission(ident))

    def envelope(self, ident: str) -> bytes:
        """The signed envelope as it stands in the log, not yet verified."""
        return self.ask(asks.envelope(ident))

    def receipt(self, ident: str) -> bytes:
        """The C2SP tlog-proof, not yet verified."""
        return self.ask(asks.receipt(ident))

    def pack(self, ident: str) -> bytes:
        """The evidence pack, not yet verified."""
        return self.ask(asks.pack(ident))

    def verified(self, ident: str, anchors: Sequence[Anchor], catalogue: Catalogue | None = None) -> Verified:
        """The submission, proven under records that you pin (`pinned_records`); whatever does not prove it is raised."""
        return self.ask(verified(ident, anchors, catalogue))

    def document(self, commitment: str) -> HeldDocument:
        """A document, proven to be the one committed to."""
        return self.ask(asks.document(commitment))

    def download(self, commitment: str, write: Callable[[bytes], object]) -> Proven:
        """The same piece by piece into `write`, such as that of a file; what was written counts once this returns."""
        return self.ask(asks.download(commitment, write))

    def checkpoint(self, vkey: Vkey) -> Checkpoint:
        """The head of a log that the node keeps or mirrors, signed by the key that you hold."""
        return self.ask(asks.checkpoint(vkey))

    def entries(
        self, verdict: Literal["refused", "waiting", "disputed"], origin: str, start: int = 0
    ) -> Iterator[answers.Entry]:
        """The entries of a log that were not admitted there, each with the reason."""
        return self.each(asks.entries(verdict, origin, start))

    def alerts(self) -> Iterator[answers.Alert]:
        """What the node found wrong elsewhere, oldest first."""
        return self.each(asks.listed("/v1/alerts", answers.Alert))

    def submit(self, parcel: Pack) -> answers.Recorded:
        """Submit a signed parcel. The same parcel again is no error, and answered with the first receipt.

        So it may be repeated after any `Unavailable`; where the connection breaks off, this is done once without being told.
        """
        return self.ask(asks.submit(parcel))

    def submit_all(self, parcels: Iterable[Pack]) -> Iterator[batches.Outcome]:
        """Submit many parcels of small documents, up to 1,000 in a request: what becomes of each, in their order.

        A refusal is given and not raised, and harms no other. After any `Unavailable`, given or raised, repeat them all.
        """
        return self.each(batches.submit_all(parcels))

    def pull(self, token: str) -> list[answers.Visit]:
        """Have the node visit its peers now; for its operator."""
        return self.ask(asks.pull(token))
