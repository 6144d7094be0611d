"""What an import of the trust list found wrong, with the signed files that show it.

A finding stops nothing: the last good files stay in force. Where two files of one version are signed by the same keys, both
together convict whoever holds those keys, and nobody else could have made them.
"""

from dataclasses import dataclass
from typing import Any

from exchange.trust.rolefile import ROLES, RoleFile

EQUIVOCATION = "trust-list-two-faces"
ROLLED_BACK = "trust-list-rolled-back"
LIST_REFUSED = "trust-list-refused"
RECORD_REFUSED = "record-refused"
REPLACEMENT = "identity-replacement"


@dataclass(frozen=True, slots=True)
class Finding:
    """`participant` is empty where the founders' or a relay's own word is at fault."""

    kind: str
    participant: str
    summary: str
    files: tuple[RoleFile, ...] = ()

    @classmethod
    def of(cls, kind: str, files: tuple[RoleFile, ...], whose: str = "") -> "Finding":
        first = files[0]
        who = whose or ("the founders" if first.role in ROLES else first.role)
        what = "signed two files" if kind == EQUIVOCATION else "took back what it had signed"
        summary = f"{who} {what}: {' and '.join(file.name for file in files)}"
        return cls(kind, "" if first.role in ROLES else first.role, summary, files)

    @property
    def evidence(self) -> dict[str, Any]:
        """For an alert: the files as they are served, and what each is."""
        return {
            "detail": self.summary,
            "files": [
                {"role": file.role, "version": file.version, "sha256": file.digest.hex(), "file": file.raw.decode()}
                for file in self.files
            ],
        }
