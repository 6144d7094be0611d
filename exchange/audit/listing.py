"""What a node lists: the lines of its registry and its contacts, brought beside what its logs say.

A line becomes a fact among the facts of the entries (series.py), under the same series, so that both meet again there.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from exchange.audit.ledger import Ledger
from exchange.audit.outside import PAGE, Reader, body_digest, line_digest
from exchange.audit.quorums import Claims
from exchange.audit.run import Progress
from exchange.audit.series import bucket_of, pack_line
from exchange.core.form import NOT_STATED
from exchange.errors import Malformed

STATUSES = ("actual", "exercise", "test")
SHOWN = ("role", "phone", "email", "institution", "languages")  # parts of a contact that are answered beside its body
MORE = 100_000  # lines beyond twice the entries there are, after which a list has no end

Contacts = dict[tuple[int, int], tuple[bytes, bytes]]
"""(id, body) of each contact that is answered, by the number of its log and its index."""


def list_registry(reader: Reader, ledger: Ledger, claims: Sequence[Claims], progress: Progress) -> int:
    """Every line of the registry, as a fact among the facts of the entries; what it says of witnesses goes to the claims of its log.
    Returns how many there are."""
    numbers = {log.origin: number for number, log in enumerate(ledger.logs)}
    most, count = 2 * sum(log.size for log in ledger.logs) + MORE, 0
    for status in STATUSES:
        for item in reader.items("/v1/submissions", status=status, limit=PAGE):
            count += 1
            if count > most:
                raise Malformed(f"{reader.url} lists submissions without an end")
            try:
                fact = _line(item, numbers, status)
                wrong = claims[numbers[item["origin"]]].take(item)
            except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
                ledger.fault("registry", f"a line does not read ({type(error).__name__} {error}): {str(item)[:80]}")
                continue
            ledger.keep(bucket_of(fact), fact)
            if wrong is not None:
                ledger.fault("cosignature", wrong, log=numbers[item["origin"]], index=item["index"])
            progress("registry", count, most)
    return count


def list_contacts(reader: Reader, ledger: Ledger) -> Contacts:
    """(id, body) of each contact that is answered, by the place of its entry."""
    numbers = {log.origin: number for number, log in enumerate(ledger.logs)}
    found: Contacts = {}
    for item in reader.items("/v1/contacts", status=list(STATUSES)):
        try:
            source, body = item["source"], item["contact"]
            number, index = numbers[source["origin"]], int(source["index"])
            found[number, index] = bytes.fromhex(source["id"])[:16], body_digest(body)
            wrong = [name for name in SHOWN if item.get(name) != body.get(name, NOT_STATED)]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            ledger.fault("contact", f"one does not read ({type(error).__name__}): {str(item)[:80]}")
            continue
        if wrong or item.get("participant") != ledger.logs[number].participant:
            detail = f"answered with another {', '.join(wrong) or 'participant'} than its own return states"
            ledger.fault("contact", detail, log=number, index=index)
    return found


def _line(item: Mapping[str, Any], numbers: Mapping[str, int], status: str) -> bytes:
    """Raises KeyError, TypeError, ValueError or struct.error for what is no line of a registry."""
    if item["status"] != status or type(item["current"]) is not bool or type(item["fits"]) is not str:
        raise ValueError("status, current or fits")
    return pack_line(
        bytes.fromhex(item["series"]),
        bytes.fromhex(item["id"]),
        numbers[item["origin"]],
        item["index"],
        current=item["current"],
        delivered=all(document["held"] for document in item["documents"]),
        fits=item["fits"],
        listing=line_digest(item),
    )
