"""cbm verify: check an evidence pack, or the evidence of an alert. No network, no database."""

from pathlib import Path
from typing import Annotated

import typer

from exchange.cli.federation import pinned
from exchange.cli.options import Json
from exchange.cli.output import Exit, answer, answer_json
from exchange.cli.sign import read_bounded
from exchange.core.catalogue import Catalogue
from exchange.core.evidence import parse_evidence, verify_evidence
from exchange.core.note import parse_vkey
from exchange.core.pack import MAX_PACK, parse_pack
from exchange.errors import ExchangeError
from exchange.resources import ROOTS, form_files
from exchange.trust.participants import Participants, parse_participants
from exchange.trust.verdict import check_pack

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
        _verify_evidence(content)
        return
    anchors = _anchors(trust or [])
    verdict = check_pack(parse_pack(content), anchors, Catalogue.from_files(form_files(*([forms] if forms else []))))
    if json:
        checks = [{"passed": check.passed, "line": check.line} for check in verdict.checks]
        answer_json(
            {
                "verified": verdict.holds and verdict.vouched,
                "vouched": verdict.vouched,
                "summary": verdict.summary,
                "id": verdict.id,
                "checks": checks,
            }
        )
    else:
        answer([f"{_MARK[check.passed]}{check.line}" for check in verdict.checks])
        answer(verdict.summary)
        if verdict.holds and not verdict.vouched:
            answer([f"  key {fingerprint}" for fingerprint in verdict.fingerprints])
            answer(
                "Compare these fingerprints with the State itself, then give its record with --trust FILE or `cbm federation pin FILE`."
            )
    raise typer.Exit(Exit.YES if verdict.holds and verdict.vouched else Exit.NO)


def _anchors(given: list[Path]) -> list[Participants]:
    """Given on the command line, else published in keys/roots/, else pinned on this machine."""
    files = given or [*sorted(ROOTS.glob("*.json")), *pinned()]
    return [parse_participants(read_bounded(path, 4 * 1024 * 1024)) for path in files]


def _verify_evidence(content: bytes) -> None:
    """Evidence needs no anchor for what it proves: that the holder of this key contradicted itself."""
    evidence = parse_evidence(content)
    try:
        first, second = verify_evidence(evidence)
    except ExchangeError as error:
        answer(f"{_MARK[False]}{error} [{error.code}]")
        answer("does not convict anybody")
        raise typer.Exit(Exit.NO) from None
    log = parse_vkey(evidence.log_vkey)
    answer(f"{_MARK[True]}the log {log.name} signed size {first.size} with key {log.keyid.hex()}")
    answer(f"{_MARK[True]}the log {log.name} signed size {second.size} with key {log.keyid.hex()}")
    answer(f"{_MARK[True]}no single history leads to both")
    answer(f"convicts: whoever holds the key of {log.name} signed two histories")
