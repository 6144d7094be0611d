"""Records under a founders' root: an anchor for whoever verifies, out of that root and of files that may come from anywhere.

Guarantees: the root is the only thing that is believed, for it was handed over and its fingerprint compared; every file of the list
proves itself up from it (choice.py), those that came with what is verified too. Nothing here is refused for its age: a list that
nobody vouches for any more still says who could sign when it was made, and `as_of` says when that was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from exchange.errors import UnknownKey
from exchange.trust.bundle import parse_bundle
from exchange.trust.choice import choose, pin
from exchange.trust.findings import EQUIVOCATION, ROLLED_BACK
from exchange.trust.participants import Participants


@dataclass(frozen=True, slots=True)
class Listed:
    """The records that the root leads to. `as_of`: when a relay last said that this was the newest, None where none ever did;
    `stale_since`: since when none does; `faults`: who contradicted itself in these files."""

    participants: Participants
    fingerprint: str
    version: int
    as_of: datetime | None
    stale_since: datetime | None
    faults: tuple[str, ...]

    @property
    def words(self) -> str:
        """Of which list this is said, and how old it is."""
        when = "of a date for which no relay vouches" if self.as_of is None else f"as of {self.as_of:%Y-%m-%d}"
        return f"the founders' list number {self.version}, {when}, under the root given (sha256 {self.fingerprint})"


@dataclass(frozen=True, slots=True)
class FoundersRoot:
    """A root that was handed over, and the files of the list that are at hand besides: `read` adds those that came with a pack."""

    root: bytes
    files: tuple[tuple[str, bytes], ...]
    now: datetime

    def read(self, bundle: bytes | None = None) -> Listed:
        """Raises Malformed where the bundle is none, UnknownKey where nothing here leads up to the root, and what is wrong with the root itself."""
        files = [*self.files, *(parse_bundle(bundle) if bundle is not None else ())]
        return _listed(self.root, files, self.now)


def _listed(root: bytes, files: Iterable[tuple[str, bytes]], now: datetime) -> Listed:
    chosen = choose(files, pin(root), now)
    fingerprint, held = sha256(root).hexdigest(), chosen.held
    if chosen.participants is None or held.targets is None:
        raise UnknownKey(f"no founders' list that the root given (sha256 {fingerprint}) signed is here")
    return Listed(
        participants=chosen.participants,
        fingerprint=fingerprint,
        version=held.targets.version,
        as_of=max((word.said for word in held.words.values()), default=None),
        stale_since=held.stale_since,
        faults=tuple(one.summary for one in chosen.findings if one.kind in (EQUIVOCATION, ROLLED_BACK)),
    )


Anchor = Participants | FoundersRoot
"""What a verifier holds from elsewhere: records compared with the States themselves, or the founders' root."""


def records_of(anchor: Anchor, bundle: bytes | None = None) -> Participants | None:
    """Those that an anchor vouches for; None where nothing leads up to its root."""
    if isinstance(anchor, Participants):
        return anchor
    try:
        return anchor.read(bundle).participants
    except UnknownKey:
        return None
