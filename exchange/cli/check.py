"""cbm node check: is the node well, and what is to be done?"""

from dataclasses import asdict, replace
from datetime import UTC, datetime

import typer

from exchange.cli.options import Directory, Json
from exchange.cli.output import Exit, answer, answer_json
from exchange.config import Settings, read_settings
from exchange.errors import ExchangeError
from exchange.node.checks import Finding, Standing, judge, worst
from exchange.node.facts import TrustFacts
from exchange.node.founding import read_participants
from exchange.trust.participants import ParticipantRecord


def check(directory: Directory, json: Json = False) -> None:
    """One line a check: ok, attention or wrong, and the next step. Looks, and changes nothing.

    Exit 0 where nothing is wrong, 1 where something is, 2 where settings or records cannot be read, 3 where all that is wrong is
    that something cannot be reached.
    """
    try:
        settings = read_settings(directory)
        trust, records = _whom(settings)
    except ExchangeError as error:
        _tell([Finding("settings", Standing.WRONG, str(error), error.next_step)], json)
        raise typer.Exit(Exit.MISUSE) from None
    from exchange.cli.gathering import gather  # here, so that the other verbs start without a database's half second

    facts = replace(gather(settings, dict(records)), trust=trust)
    source = "peers.json" if settings.root is None else "the founders' root"
    said = f"node.toml and {source} can be read; {len(records)} participants"
    findings = [Finding("settings", Standing.OK, said), *judge(facts)]
    _tell(findings, json)
    wrong = [finding for finding in findings if finding.standing is Standing.WRONG]
    if wrong:
        raise typer.Exit(Exit.UNREACHABLE if all(finding.unreachable for finding in wrong) else Exit.NO)


def _whom(settings: Settings) -> tuple[TrustFacts | None, dict[str, ParticipantRecord]]:
    if settings.root is None:
        return None, dict(read_participants(settings.peers).records)
    from exchange.node.gather import trust_facts  # as below

    return trust_facts(settings, datetime.now(UTC))


def _tell(findings: list[Finding], json: bool) -> None:
    if json:
        checks = [{name: value for name, value in asdict(finding).items()} for finding in findings]
        answer_json({"verdict": worst(findings), "checks": checks})
        return
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        step = "" if finding.next_step is None else f" -> {finding.next_step}"
        answer(f"{finding.standing:<9}  {finding.check:<{width}}  {finding.says}{step}")
