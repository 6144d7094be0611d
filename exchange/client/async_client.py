"""The client whose answers are awaited: the methods of client.py, each of them asking the same question."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Literal, Unpack

from exchange.client import answers, asks, batches
from exchange.client.asks import ContactQuestion, Filter, Question
from exchange.client.awaiting import Awaiting
from exchange.client.client import Client
from exchange.client.documents import HeldDocument, Proven
from exchange.client.verified import Verified, verified
from exchange.core.catalogue import Catalogue
from exchange.core.checkpoint import Checkpoint
from exchange.core.note import Vkey
from exchange.core.pack import Pack
from exchange.trust.anchor import Anchor


class AsyncClient(Awaiting):
    """One node: `async with AsyncClient("https://cbm.xr.example") as node: ...`. Safe to share between tasks of one loop."""

    async def node(self) -> answers.Node:
        return await self.ask(asks.node())

    async def heads(self) -> list[answers.Head]:
        return await self.ask(asks.all_of("/v1/heads", answers.Head))

    async def peers(self) -> list[answers.Peer]:
        return await self.ask(asks.all_of("/v1/peers", answers.Peer))

    async def participants(self) -> answers.Participants:
        return await self.ask(asks.participants())

    async def forms(self) -> list[answers.FormState]:
        return await self.ask(asks.all_of("/v1/forms", answers.FormState))

    async def obligations(
        self, *, obligation: str | None = None, participant: str | None = None
    ) -> list[answers.ObligationState]:
        question = {"obligation": obligation, "participant": participant}
        return await self.ask(asks.all_of(asks.path_of(asks.OBLIGATIONS, question), answers.ObligationState))

    async def form(self, code: str, version: int | None = None) -> bytes:
        return await self.ask(asks.form(code, version))

    async def contacts(self, participant: str | None = None, **question: Unpack[ContactQuestion]) -> answers.Contacts:
        return await self.ask(asks.contacts(participant, question))

    def submissions(self, **question: Unpack[Question]) -> AsyncIterator[answers.Submission]:
        return self.each(asks.listed(asks.SUBMISSIONS, answers.Submission, question))

    async def search(self, text: str, *, limit: int = 100, **question: Unpack[Filter]) -> answers.Findings:
        return await self.gather(asks.search(text, limit, question))

    async def submission(self, ident: str) -> answers.SubmissionWhole:
        return await self.ask(asks.submission(ident))

    async def envelope(self, ident: str) -> bytes:
        return await self.ask(asks.envelope(ident))

    async def receipt(self, ident: str) -> bytes:
        return await self.ask(asks.receipt(ident))

    async def pack(self, ident: str) -> bytes:
        return await self.ask(asks.pack(ident))

    async def verified(self, ident: str, anchors: Sequence[Anchor], catalogue: Catalogue | None = None) -> Verified:
        return await self.ask(verified(ident, anchors, catalogue))

    async def document(self, commitment: str) -> HeldDocument:
        return await self.ask(asks.document(commitment))

    async def download(self, commitment: str, write: Callable[[bytes], object]) -> Proven:
        return await self.ask(asks.download(commitment, write))

    async def checkpoint(self, vkey: Vkey) -> Checkpoint:
        return await self.ask(asks.checkpoint(vkey))

    def entries(
        self, verdict: Literal["refused", "waiting", "disputed"], origin: str, start: int = 0
    ) -> AsyncIterator[answers.Entry]:
        return self.each(asks.entries(verdict, origin, start))

    def alerts(self) -> AsyncIterator[answers.Alert]:
        return self.each(asks.listed("/v1/alerts", answers.Alert))

    async def submit(self, parcel: Pack) -> answers.Recorded:
        return await self.ask(asks.submit(parcel))

    def submit_all(self, parcels: Iterable[Pack]) -> AsyncIterator[batches.Outcome]:
        return self.each(batches.submit_all(parcels))

    async def pull(self, token: str) -> list[answers.Visit]:
        return await self.ask(asks.pull(token))


for name, asked in vars(Client).items():  # the words for both stand there
    if name in vars(AsyncClient) and not name.startswith("_"):
        getattr(AsyncClient, name).__doc__ = asked.__doc__
