"""An officer's desk: a folder with keys, drafts and parcels, and the command line, all in processes of their own."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exchange.config import Settings
from exchange.core.keys import Kind
from exchange.node.founding import default_origin, found, read_officer
from exchange.node.keyfile import create_key
from tests.databases import give_database
from tests.processes import Done, cbm, environment, free_port

FEDERATION = "trial.example"


class Desk:
    """`cbm()` runs in this folder. A State's node lies in a folder named by its code; `node` is its address, once it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node: str | None = None

    def cbm(self, *arguments: object, **env: str) -> Done:
        """Run to the end. Whatever is asked, nobody is ever shown a traceback, and a refusal says what to do next."""
        more = {} if self.node is None else {"CBM_NODE": self.node}
        done = cbm(*arguments, cwd=self.folder, env=environment(self.folder, **(more | env)))
        assert "Traceback" not in done.err, done
        assert done.code in (0, 1, 2, 3), done
        assert done.code == 0 or done.err or done.out, "a refusal without a word"
        return done

    def yes(self, *arguments: object, **env: str) -> Done:
        done = self.cbm(*arguments, **env)
        assert done.code == 0, done
        return done

    def key(self, name: str) -> Path:
        """An officer's key without a passphrase: sealing one takes half a second, and has tests of its own."""
        path = self.folder / f"{name}.key"
        if not path.exists():
            create_key(path, Kind.SIGNING)
        return path

    def state(self, code: str, name: str = "", officers: tuple[str, ...] = ()) -> Path:
        """Lay out a State's node on a port of its own, as `cbm node init` does. Officer o1 is Ruritania's (XR)."""
        officers = officers or ("o1" if code == "XR" else f"{code}-officer",)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = Settings(
            directory=self.folder / code,
            participant=code,
            url=url,
            origin=default_origin(url),
            federation=FEDERATION,
            listen=f"127.0.0.1:{port}",
            pull_at_start=False,
            pull_every=3600.0,
        )
        publics = [read_officer(Path(f"{self.key(name)}.pub")) for name in officers]
        found(settings, name=name or code, officers=publics, now=datetime.now(UTC))
        give_database(settings.directory)
        return settings.directory

    def draft(
        self, answers: Mapping[str, str] = {}, *options: object, form: str = "POC-02", file: str = "contact.toml"
    ) -> Path:
        """`cbm new`, then what an officer types into it: TOML values by the names of questions and of [return]."""
        path = self.folder / file
        self.yes("new", form, "-o", path, *options)
        identifying = {"POC-02": {"role": '"technical"', "institution": '{ en = "CERT-XR" }'}}.get(form, {})
        return fill(path, {**({} if "--update" in options else identifying), **answers})

    def parcel(self, answers: Mapping[str, str] = {}, *, name: str = "contact", key: str = "o1") -> Path:
        """A signed parcel, ready to be submitted."""
        draft = self.draft(answers, file=f"{name}.toml")
        return self.folder / self.yes("sign", draft, "--key", self.key(key), "--yes").out.strip()

    def submit(self, parcel: Path) -> dict[str, Any]:
        recorded: dict[str, Any] = self.yes("submit", parcel, "--json").json
        return recorded


def fill(path: Path, answers: Mapping[str, str]) -> Path:
    """Type answers (TOML) into a draft; [return] stands before [body], and comes first where both have the name."""
    text = path.read_text()
    for name, value in answers.items():
        found = re.search(rf"^{name} = .*$", text, re.MULTILINE)
        assert found, name
        text = f"{text[: found.start()]}{name} = {value}{text[found.end() :]}"
    path.write_text(text)
    return path
