"""A State asks to take part: who it is, and which identity keys, of which how many must sign. Its record comes beside it.

Guarantee: `read_join` takes any parsed JSON and raises only Malformed; nothing in it is believed: people compare the
fingerprints by another channel, and the founders sign what they found.

    {"v": 1, "federation": "cbm.example", "participant": "XR", "kind": "participating State", "operator": "Ministry of XR",
     "identities": ["ECDSA-P256:..."], "threshold": 2, "relay": null}
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exchange.core.identity import IdentityKey, parse_identity
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.trust.identities import FOUNDERS, Identity
from exchange.trust.record import OTHER_KINDS, STATE_KINDS
from exchange.trust.recordtext import parse_integer, parse_list, parse_object, parse_text, parse_words

_FIELDS = ("v", "federation", "participant", "kind", "operator", "identities", "threshold", "relay")


@dataclass(frozen=True, slots=True)
class Join:
    federation: str
    participant: str
    kind: str
    operator: str
    identities: tuple[IdentityKey, ...]
    threshold: int
    relay: IdentityKey | None

    def identity(self, published: datetime) -> Identity:
        """As the charter takes it: the first keys stand on the founders' word."""
        return Identity(self.identities, self.threshold, FOUNDERS, published.replace(microsecond=0), None, {})


def format_join(join: Join) -> dict[str, Any]:
    return {
        "v": 1,
        "federation": join.federation,
        "participant": join.participant,
        "kind": join.kind,
        "operator": join.operator,
        "identities": [key.text for key in join.identities],
        "threshold": join.threshold,
        "relay": join.relay and join.relay.text,
    }


def read_join(value: Any) -> Join:
    fields = parse_object(value, "", _FIELDS)
    parse_integer(fields["v"], "/v", least=1, most=1)
    keys = parse_list(fields["identities"], "/identities", least=1, most=16)
    kinds = STATE_KINDS + OTHER_KINDS
    return Join(
        parse_text(fields["federation"], "/federation", is_federation, "a name such as cbm.example"),
        parse_text(fields["participant"], "/participant", is_participant_code, "a code such as XR"),
        parse_text(fields["kind"], "/kind", kinds.__contains__, f"one of {', '.join(kinds)}"),
        parse_words(fields["operator"], "/operator"),
        tuple(parse_identity(parse_text(item, at, lambda _: True, "a key")) for at, item in keys),
        parse_integer(fields["threshold"], "/threshold", least=1, most=len(keys)),
        None
        if fields["relay"] is None
        else parse_identity(parse_text(fields["relay"], "/relay", lambda _: True, "a key")),
    )
