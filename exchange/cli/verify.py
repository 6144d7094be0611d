"""cbm verify: check an evidence pack, or the evidence of an alert. No network, no database."""

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from exchange.cli.federation import pinned
from exchange.cli.options import Json
from exchange.cli.output import Exit, answer, answer_json, say
from exchange.cli.sign import read_bounded
from exchange.core.catalogue import Catalogue
from exchange.core.pack import MAX_PACK, parse_pack
from exchange.errors import Malformed
from exchange.node.founding import read_participants
from exchange.resources import form_files
from exchange.trust.participants import Participants
from exchange.trust.verdict import Check, Verdict, check_evidence, check_pack

_MARK = {True: "ok  ", False: "NO  ", None: "  - "}


def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An evidence pack (.zip), or the evidence of an alert (.json).")
    ],
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="An anchor: a peers.json that you hold from elsewhere than the pack. May be given again."),
    ] = None,
    forms: Annotated[
        Path | None, typer.Option(help="A folder with form files that did not come with this program.")
    ] = None,
    json: Json = False,
) -> None:
    """One line a check, then the verdict. Exit 0 only if everything holds under keys that an anchor vouches for."""
    content = read_bounded(file, MAX_PACK)
    if content[:1] == b"{":
        _tell(check_evidence(content), json)
    anchors = _anchors(trust or [])
    catalogue = Catalogue.from_files(form_files(*([forms] if forms else [])))
    try:
        verdict = check_pack(parse_pack(content), anchors, catalogue)
    except Malformed as error:
        verdict = Verdict((Check(False, f"{error} [{error.code}]"),), False, False, "not an evidence pack", None, ())
    _tell(verdict, json)


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
            say("Then give its record with --trust FILE, or keep it with `cbm federation pin FILE`.")
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


def _anchors(given: list[Path]) -> list[Participants]:
    """Given on the command line, else pinned on this machine."""
    return [read_participants(path) for path in given or pinned()]
