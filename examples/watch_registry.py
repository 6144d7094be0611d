"""What two States said lately, believed only under records that you pinned: for a ministry's own tool, or a researcher.

    python examples/watch_registry.py http://127.0.0.1:8750 peers.json [FORM]

`peers.json` comes from the States themselves, not from the node that is asked. What does not verify is said and left out.
"""

import sys
from pathlib import Path

from exchange.client import Client, pinned_records
from exchange.errors import ExchangeError


def main(url: str, anchor: Path, form: str | None = None) -> int:
    anchors = [pinned_records(anchor.read_bytes())]
    wrong = 0
    with Client(url) as node:
        for item in node.submissions(form=form, current=True):
            try:
                proven = node.verified(item["id"], anchors)
            except ExchangeError as error:
                wrong += 1
                print(f"NOT VERIFIED {item['id']}: {error} ({error.next_step})", file=sys.stderr)
                continue
            stated = proven.statement
            place = f"entry {proven.index} of {stated.origin}"
            print(f"{stated.participant} {stated.form.code} {stated.issued[:10]} {stated.status} {place} {proven.id}")
        for contact in node.contacts(role="technical", now=True)["items"]:
            print(f"{contact['participant']} answers now: {contact['phone']}")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
