"""The files of examples/operate hold what they promise."""

import re
from configparser import RawConfigParser
from pathlib import Path

from typer.main import get_command

from exchange.api import log
from exchange.cli.program import app as cli
from tests.operate.prometheus import rules
from tests.processes import ROOT
from tests.world import World

OPERATE = ROOT / "examples" / "operate"


def unit(name: str) -> dict[str, dict[str, str]]:
    """A systemd unit: sections, names, and the last value of each."""
    parser = RawConfigParser(strict=False, comment_prefixes=("#",), inline_comment_prefixes=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(OPERATE / name)
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_node_runs_as_a_user_of_its_own_shut_in_and_is_started_again() -> None:
    service = unit("cbm-node@.service")["Service"]
    assert service["User"] == service["Group"] == "cbm-%i"
    assert service["ExecStart"] == "/opt/cbm/bin/cbm node run /srv/cbm/%i"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")
    assert service["ReadWritePaths"] == service["BindPaths"] == "/srv/cbm/%i", "no instance sees another's folder"
    assert service["CapabilityBoundingSet"] == "" and service["UMask"] == "0077"
    for name in (
        "NoNewPrivileges",
        "PrivateTmp",
        "PrivateDevices",
        "ProtectHome",
        "ProtectKernelModules",
        "RestrictSUIDSGID",
    ):
        assert service[name] == "yes", name
    assert service["ProtectSystem"] == "strict"


def test_a_backup_is_made_each_night_and_none_is_kept_for_ever() -> None:
    service, timer = unit("cbm-backup@.service")["Service"], unit("cbm-backup@.timer")
    assert "cbm node backup /srv/cbm/%i" in service["ExecStart"] and "--with-keys" not in service["ExecStart"]
    assert service["User"] == "cbm-%i" and "-mtime +30" in service["ExecStartPost"]
    assert timer["Timer"]["Persistent"] == "yes" and timer["Install"]["WantedBy"] == "timers.target"


def test_the_proxy_passes_on_every_public_path_and_no_other(world_of_one: World) -> None:
    text = (OPERATE / "Caddyfile").read_text()
    passed = [path for line in re.findall(r"^\t@public path (.+)$", text, re.MULTILINE) for path in line.split()]
    patterns = [re.compile(re.escape(path).replace(r"\*", ".*")) for path in passed]
    app = world_of_one["XR"].running.app
    described = [*app.openapi()["paths"], *(route.path for route in log.ROUTES), "/openapi.json", "/healthz"]
    for path in described:
        assert any(pattern.fullmatch(path) for pattern in patterns), path
    for path in ("/metrics", "/readyz", "/local/pull", "/", "/docs"):
        assert not any(pattern.fullmatch(path) for pattern in patterns), path
    assert text.count("import public") == text.count("handle @public") == text.count("reverse_proxy") == 2


def test_every_alert_says_what_to_do() -> None:
    text = (OPERATE / "alerts.yml").read_text()
    assert len(set(rules())) == len(rules()) == text.count("annotations: {summary: ")


def test_the_words_name_only_what_is_there() -> None:
    for page in ("README.md", "YEAR.md"):
        text = (OPERATE / page).read_text()
        for name in re.findall(r"`([\w@-]+\.(?:service|timer|yml|md)|Caddyfile)`", text):
            assert (OPERATE / name).exists(), (page, name)
        for name in re.findall(r"`(tests/[\w./]+)`", text):
            assert (ROOT / name).exists(), (page, name)


def test_the_next_steps_name_verbs_that_exist() -> None:
    """Whoever is told to run something finds it."""
    verbs = get_command(cli).commands  # type: ignore[attr-defined]
    said = "".join(
        (ROOT / "exchange" / name).read_text()
        for name in (
            "node/checks.py",
            "node/gather.py",
            "node/recovery.py",
            "node/node.py",
            "cli/close.py",
            "cli/restore.py",
        )
    )
    named = re.findall(r"`cbm (\w+)(?: (\w+))?", said)
    assert len(named) > 8
    for verb, inner in named:
        assert verb in verbs, verb
        if hasattr(verbs[verb], "commands"):
            assert inner in verbs[verb].commands, (verb, inner)
    for name in re.findall(r"examples/operate/([\w@.-]+\w)", said):
        assert (OPERATE / name).exists(), name
    assert Path(OPERATE / "YEAR.md").exists()
