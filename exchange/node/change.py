"""A change of a State's identity keys, as it lies on a stick until old and new keys have signed it (trust/identities.py).

    change.json     {"v": 1, "federation": "cbm.example", "participant": "XR", "ordinal": 1, "before": IDENTITY or null,
                     "keys": ["ECDSA-P256:..."], "threshold": 2, "by": "itself" or "founders", "log": null or n}

`before` are the keys that must sign too; null where they are lost and the founders replace them, into the successor log number `log`.
"""

from dataclasses import dataclass
from typing import Any

from exchange.core.identity import IdentityKey, parse_identity
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.node.stick import Stick
from exchange.trust.identities import FOUNDERS, ITSELF, statement_of_change
from exchange.trust.recordtext import parse_integer, parse_list, parse_object, parse_text
from exchange.trust.rolefile import Authority

CHANGE = "change.json"
_FIELDS = ("v", "federation", "participant", "ordinal", "before", "keys", "threshold", "by", "log")


@dataclass(frozen=True, slots=True)
class Change:
    federation: str
    participant: str
    ordinal: int
    before: tuple[tuple[IdentityKey, ...], int] | None
    keys: tuple[IdentityKey, ...]
    threshold: int
    by: str
    log: int | None

    @property
    def name(self) -> str:
        return CHANGE

    @property
    def content(self) -> bytes:
        return statement_of_change(self.federation, self.participant, self.ordinal, self.keys, self.threshold)

    @property
    def asked(self) -> tuple[tuple[str, Authority], ...]:
        new = (f"the new identity keys of {self.participant}", Authority.of(self.keys, self.threshold))
        if self.before is None:
            return (new,)
        return (f"the old identity keys of {self.participant}", Authority.of(*self.before)), new

    @property
    def words(self) -> list[str]:
        how = (
            "THE FOUNDERS REPLACE, after 30 days in public and in a successor log,"
            if self.by == FOUNDERS
            else "a change of"
        )
        lines = [f"{CHANGE}: {how} the identity keys of {self.participant} in {self.federation}"]
        lines.append(f"  from then on {self.threshold} of these {len(self.keys)} must sign its record, and no others:")
        return [*lines, *(f"    {key.algorithm} {key.fingerprint}" for key in self.keys)]


def read_change(stick: Stick) -> Change | None:
    """The change on this stick, if there is one. Raises Malformed."""
    if not (stick.folder / CHANGE).exists():
        return None
    fields = parse_object(stick.read_json(CHANGE), "", _FIELDS)
    before = fields["before"]
    if before is not None:
        named = parse_object(before, "/before", ("keys", "threshold"))
        before = _keys(named["keys"], "/before/keys"), parse_integer(named["threshold"], "/before/threshold", least=1)
    return Change(
        parse_text(fields["federation"], "/federation", is_federation, "a name such as cbm.example"),
        parse_text(fields["participant"], "/participant", is_participant_code, "a code such as XR"),
        parse_integer(fields["ordinal"], "/ordinal", least=1),
        before,
        _keys(fields["keys"], "/keys"),
        parse_integer(fields["threshold"], "/threshold", least=1),
        parse_text(fields["by"], "/by", (ITSELF, FOUNDERS).__contains__, f"{ITSELF} or {FOUNDERS}"),
        None if fields["log"] is None else parse_integer(fields["log"], "/log", least=1),
    )


def _keys(value: Any, at: str) -> tuple[IdentityKey, ...]:
    return tuple(
        parse_identity(parse_text(item, here, lambda _: True, "a key"))
        for here, item in parse_list(value, at, least=1, most=16)
    )


def write_change(stick: Stick, change: Change) -> None:
    before = change.before and {"keys": [key.text for key in change.before[0]], "threshold": change.before[1]}
    stick.write_json(
        CHANGE,
        {
            "v": 1,
            "federation": change.federation,
            "participant": change.participant,
            "ordinal": change.ordinal,
            "before": before,
            "keys": [key.text for key in change.keys],
            "threshold": change.threshold,
            "by": change.by,
            "log": change.log,
        },
    )
