"""All verbs under one name, and one place where errors become words and exit codes."""

import sys
from typing import Annotated

import typer

from exchange import __version__
from exchange.cli import (
    acts,
    alerts,
    audit,
    backup,
    ceremony,
    check,
    close,
    contacts,
    demo,
    draft,
    erase,
    federation,
    key,
    listing,
    login,
    new,
    node,
    obligations,
    pack,
    participant,
    pull,
    recover,
    restore,
    seal,
    show,
    sign,
    submit,
    succeed,
    verify,
    withhold,
)
from exchange.cli import open as opening
from exchange.cli.output import Exit, explain, say
from exchange.errors import ExchangeError

app = typer.Typer(
    name="cbm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Confidence-building measures between States: write, sign, submit, pull, look up and verify.",
)
app.add_typer(node.app, name="node")
app.add_typer(key.app, name="key")
app.add_typer(federation.app, name="federation")
node.app.command("check")(check.check)
node.app.command("backup")(backup.backup)
node.app.command("restore")(restore.restore)
node.app.command("recover")(recover.recover)
node.app.command("withhold")(withhold.withhold)
node.app.command("succeed")(succeed.succeed)
node.app.command("acts")(acts.acts)
key.app.command("close")(close.close)
federation.app.command("init")(ceremony.init)
federation.app.command("propose")(ceremony.propose_next)
federation.app.command("sign")(ceremony.sign)
federation.app.command("merge")(ceremony.merge)
federation.app.command("publish")(ceremony.publish_list)
federation.app.command("audit")(ceremony.audit_list)
federation.app.command("fetch")(ceremony.fetch)
app.add_typer(participant.app, name="participant")
app.add_typer(draft.app, name="draft")
app.command("demo")(demo.demo)
app.command("login")(login.login)
app.command("new")(new.new)
app.command("sign")(sign.sign)
app.command("seal")(seal.seal)
app.command("erase")(erase.erase)
app.command("submit")(submit.submit)
app.command("open")(opening.open_letter)
app.command("pull")(pull.pull)
app.command("contacts")(contacts.contacts)
app.command("list")(listing.list_submissions)
app.command("obligations")(obligations.obligations)
app.command("show")(show.show)
app.command("pack")(pack.pack)
app.command("verify")(verify.verify)
app.command("alerts")(alerts.alerts)
app.command("audit")(audit.audit)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Global options."""


def main() -> None:
    """The entry point `cbm`."""
    try:
        app(prog_name="cbm")  # under `python -m exchange` too, since every word of advice says cbm
    except ExchangeError as error:
        sys.exit(explain(error))
    except OSError as error:
        # A folder that is not there, a disk that is full: the operator's side, and no reason for a traceback.
        say(f"cbm: {error.filename or 'the system says'}: {error.strerror or error}")
        sys.exit(Exit.MISUSE)
