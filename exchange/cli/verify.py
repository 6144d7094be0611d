"""cbm verify: check an evidence pack, a receipt with its envelope, or the evidence of an alert. No network, no database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from exchange.cli.anchors import read_anchors
from exchange.cli.options import Json
from exchange.cli.output import Exit, answer, answer_json, say
from exchange.cli.sign import read_bounded
from exchange.core.catalogue import Catalogue
from exchange.core.dsse import MAX_ENVELOPE
from exchange.core.pack import MAX_PACK, Pack, parse_pack
from exchange.core.receipt import HEADER
from exchange.errors import Malformed, Misuse
from exchange.resources import form_files
from exchange.trust.convicting import check_evidence
from exchange.trust.verdict import Check, Verdict, check_pack

_MARK = {True: "ok  ", False: "NO  ", None: "  - "}


def verify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="An evidence pack (.zip), a receipt (.tlog-proof), or the evidence of an alert (.json).",
        ),
    ],
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            help="An anchor: a peers.json that you hold from elsewhere than the pack; or, under a --root, a founders' list (a bundle, a stick). "
            "May be given again."
        ),
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|NAME",
            help="An anchor: a founders' root that was handed over, as a file, or the name of a federation whose root came with this program. "
            "The list that comes with the pack then counts as far as it is signed above that root.",
        ),
    ] = None,
    envelope: Annotated[Path | None, typer.Option(help="The envelope of which FILE is the receipt.")] = None,
    forms: Annotated[
        Path | None, typer.Option(help="A folder with form files that did not come with this program.")
    ] = None,
    json: Json = False,
) -> None:
    """One line a check, then the verdict. Exit 0 only if everything holds under keys that an anchor vouches for."""
    content = read_bounded(file, MAX_PACK)
    anchors = read_anchors(trust or [], root or [], datetime.now(UTC))
    if content[:1] == b"{":
        _tell(check_evidence(content, anchors), json)
    catalogue = Catalogue.from_files(form_files(*([forms] if forms else [])))
    try:
        verdict = check_pack(_pack(content, envelope), anchors, catalogue)
    except Malformed as error:
        verdict = Verdict((Check(False, f"{error} [{error.code}]"),), False, False, "not an evidence pack", None, ())
    _tell(verdict, json)


def _pack(content: bytes, envelope: Path | None) -> Pack:
    """A receipt with its envelope is a pack without documents."""
    if not content.startswith(HEADER):
        return parse_pack(content)
    if envelope is None:
        raise Misuse("a receipt says that an envelope stands in a log: give it with --envelope FILE")
    return Pack(read_bounded(envelope, MAX_ENVELOPE), (), content, None)


def _tell(verdict: Verdict, json: bool) -> NoReturn:
    good = verdict.holds and verdict.vouched
    if json:
        checks = [{"passed": check.passed, "line": check.line} for check in verdict.checks]
        told = {"verified": good, "vouched": verdict.vouched, "summary": verdict.summary, "id": verdict.id}
        answer_json({**told, **_standing(verdict), "keys": list(verdict.fingerprints), "checks": checks})
    else:
        answer([f"{_MARK[check.passed]}{check.line}" for check in verdict.checks])
        answer(verdict.summary)
        if verdict.holds and not verdict.vouched:
            answer([f"  key {fingerprint}" for fingerprint in verdict.fingerprints])
            say("Compare these fingerprints with the State itself, by another channel than the one the pack came by.")
            say(
                "Then give its record with --trust FILE, or the founders' root with --root FILE; `cbm federation pin FILE` keeps either."
            )
    raise typer.Exit(Exit.YES if good else Exit.NO)


def _standing(verdict: Verdict) -> dict[str, Any]:
    """As the API tells it; null where no anchor judged it."""
    found = verdict.cosigned
    if found is None:
        return dict.fromkeys(("standing", "cosignatures", "not_later_than", "late", "identity_replaced"))
    time = found.not_later_than
    since = None if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"
    replaced = None if verdict.replaced is None else f"{verdict.replaced:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "standing": found.standing,
        "cosignatures": found.words,
        "not_later_than": since,
        "late": verdict.late,
        "identity_replaced": replaced,
    }
