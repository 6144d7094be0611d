"""A client for third parties, in two flavours with the same methods: `Client`, and `AsyncClient` whose answers are awaited.

    with Client("https://cbm.xr.example") as node:
        for contact in node.contacts("XR", role="technical")["items"]:
            print(contact["phone"], contact["reachable"])

    async with AsyncClient("https://cbm.xr.example") as node:
        async for item in node.submissions(form="ICT-03", current=True):
            proven = await node.verified(item["id"], [pinned])

What is asked and what an answer must be stands once, without input or output: `asks.py` over `wire.py` and `answers.py`. Around
it are two thin shells, `blocking.py` and `awaiting.py`, and nothing else here knows httpx.

Guarantees: every answer is bounded in bytes and in time and is what it should be, or an error of exchange.errors is raised. A
refusal of the node is the class whose code it carries; a node that does not answer, or answers with something else, is
`Unreachable`. A list is read page by page, as far as its reader
goes on. Redirects are not followed, compressed answers not taken, cookies not kept, and no proxy of the environment is asked.

What a node says is not proof. `verified` believes only records that the caller pins (`pinned_records`), and raises
`Unverified` where they do not lead to what the node said.
"""

from exchange.client.answers import (
    Alert,
    Contact,
    Contacts,
    DocumentState,
    Entry,
    Findings,
    FormState,
    Found,
    Head,
    Node,
    ObligationState,
    Participants,
    Peer,
    Recorded,
    Source,
    Submission,
    SubmissionWhole,
    Visit,
)
from exchange.client.async_client import AsyncClient
from exchange.client.client import Client
from exchange.client.documents import HeldDocument, Proven
from exchange.client.verified import Verified, pinned_records

__all__ = [
    "Alert",
    "AsyncClient",
    "Client",
    "Contact",
    "Contacts",
    "DocumentState",
    "Entry",
    "Findings",
    "FormState",
    "Found",
    "Head",
    "HeldDocument",
    "Node",
    "ObligationState",
    "Participants",
    "Peer",
    "Proven",
    "Recorded",
    "Source",
    "Submission",
    "SubmissionWhole",
    "Verified",
    "Visit",
    "pinned_records",
]
