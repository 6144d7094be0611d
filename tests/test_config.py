"""Settings: out of the file and the environment, each bad one named, no secret among them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.config import SETTINGS_FILE, Settings, read_settings
from exchange.errors import Misuse

pytestmark = pytest.mark.once

GOOD: dict[str, Any] = {
    "participant": "XR",
    "federation": "test.example",
    "url": "https://cbm.xr.example",
    "origin": "cbm.xr.example/log",
}


def toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | float | int) else "'" + str(value) + "'"


def node(directory: Path, /, **changes: Any) -> Path:
    directory.mkdir(exist_ok=True)
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    (directory / SETTINGS_FILE).write_text("".join(f"{name} = {toml(value)}\n" for name, value in fields.items()))
    return directory


def test_a_file_with_the_four_names_is_enough(tmp_path: Path) -> None:
    settings = read_settings(node(tmp_path))
    assert (settings.participant, settings.federation) == ("XR", "test.example")
    assert (settings.host, settings.port) == ("127.0.0.1", 8750)
    assert settings.database_file == tmp_path / "data" / "cbm.sqlite"
    assert {settings.documents, settings.keys, settings.peers, settings.forms} == {
        tmp_path / "data" / "documents",
        tmp_path / "keys",
        tmp_path / "peers.json",
        tmp_path / "forms",
    }


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CBM_LISTEN", "[::1]:9000")
    monkeypatch.setenv("CBM_PULL_EVERY", "12.5")
    monkeypatch.setenv("CBM_PULL_AT_START", "false")
    settings = read_settings(node(tmp_path, listen="127.0.0.1:8000", pull_every=60))
    assert (settings.host, settings.port) == ("::1", 9000)
    assert (settings.pull_every, settings.pull_at_start) == (12.5, False)


def test_the_environment_does_not_move_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cbm node run DIR` runs DIR: a variable left over from another node must not run that one."""
    monkeypatch.setenv("CBM_DIRECTORY", str(tmp_path / "elsewhere"))
    assert read_settings(node(tmp_path / "XR")).directory == tmp_path / "XR"


@dataclass(frozen=True)
class Bad:
    name: str
    value: Any


BAD = [
    Bad("participant", "ruritania"),
    Bad("participant", "X"),
    Bad("participant", "ORG-"),
    Bad("participant", 7),
    Bad("federation", "Test.example"),
    Bad("federation", ""),
    Bad("federation", "a" * 65),
    Bad("origin", "https://cbm.xr.example/log"),
    Bad("origin", "CBM.xr.example/log"),
    Bad("origin", "cbm xr/log"),
    Bad("origin", "a" * 129),
    Bad("url", "cbm.xr.example"),
    Bad("url", "ftp://cbm.xr.example"),
    Bad("url", "https://"),
    Bad("url", "https://cbm.xr.example/?a=b"),
    Bad("url", "https://cbm.xr.example/#a"),
    Bad("url", "https://officer:secret@cbm.xr.example"),
    Bad("url", "https://cbm.xr.example:port"),
    Bad("url", "https://cbm.xr.example:99999"),
    Bad("url", "https://[::1"),
    Bad("url", "https://cbm.xr.example/a b"),
    Bad("url", 'https://cbm.xr.example/"'),
    Bad("url", "https://cbm.xr.example/\u202e"),
    Bad("listen", "8750"),
    Bad("listen", ":8750"),
    Bad("listen", "127.0.0.1:"),
    Bad("listen", "127.0.0.1:0"),
    Bad("listen", "127.0.0.1:65536"),
    Bad("listen", "127.0.0.1:٨٧"),
    Bad("listen", "127.0.0.1:" + "9" * 5000),
    Bad("listen", '127.0.0.1 "x":80'),
    Bad("pull_every", 0),
    Bad("pull_every", -1),
    Bad("pull_every", 86_401),
    Bad("pull_every", float("nan")),
    Bad("pull_every", float("inf")),
    Bad("pull_every", "often"),
    Bad("peer_timeout", 0.5),
    Bad("peer_timeout", 601),
    Bad("pull_at_start", "perhaps"),
    Bad("log_level", "loud"),
    Bad("log_level", "info "),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.name}={str(bad.value)[:24]}")
def test_a_bad_value_in_the_file_is_named(tmp_path: Path, bad: Bad) -> None:
    with pytest.raises(Misuse, match=f"the setting '{bad.name}'"):
        read_settings(node(tmp_path, **{bad.name: bad.value}))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.name}={str(bad.value)[:24]}")
def test_a_bad_value_in_the_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Bad) -> None:
    monkeypatch.setenv(f"CBM_{bad.name.upper()}", str(bad.value))
    with pytest.raises(Misuse, match=f"the setting '{bad.name}'"):
        read_settings(node(tmp_path))


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_name_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misuse, match=f"the setting '{name}'"):
        read_settings(node(tmp_path, **{name: None}))


@pytest.mark.parametrize("name", ["listn", "passphrase", "directory", "Participant", "model_config"])
def test_an_unknown_setting_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misuse, match=name):
        read_settings(node(tmp_path, **{name: "x"}))


@pytest.mark.parametrize(
    "content",
    [b"participant =", b"\xff\xfe", b"participant = 'XR'\nparticipant = 'XA'", b"a = " + b"[" * 5000, b"a = 1" * 5000],
    ids=["cut off", "no UTF-8", "twice", "deep", "long number"],
)
def test_a_file_that_is_no_toml_is_misuse(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(content)
    with pytest.raises(Misuse, match=SETTINGS_FILE):
        read_settings(tmp_path)


def test_a_folder_without_a_node_tells_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cbm node init"):
        read_settings(tmp_path)
    (tmp_path / SETTINGS_FILE).mkdir()
    with pytest.raises(Misuse, match="holds no node"):
        read_settings(tmp_path)


def test_the_closing_slash_of_an_address_goes(tmp_path: Path) -> None:
    assert read_settings(node(tmp_path, url="https://cbm.example/xr/")).url == "https://cbm.example/xr"


def test_no_secret_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CBM_PASSPHRASE", "four random words do well")
    settings = read_settings(node(tmp_path))
    assert "four random words" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert not any(word in name for name in Settings.model_fields for word in ("key", "secret", "pass", "token"))
