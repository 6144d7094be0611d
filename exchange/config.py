"""Settings of a node, read once: DIR/node.toml, overridden by environment variables named CBM_...

No secret is a setting: private keys are files under DIR/keys, so printing the settings never prints a secret.
"""

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from exchange.core.checkpoint import parse_origin
from exchange.core.statement import is_federation, is_participant_code
from exchange.errors import Malformed, Misuse

SETTINGS_FILE = "node.toml"


class Settings(BaseSettings):
    """What an operator decides. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="CBM_", extra="forbid", frozen=True)

    directory: Path
    participant: str
    url: str
    origin: str
    federation: str
    listen: str = "127.0.0.1:8750"
    pull_every: float = Field(default=300.0, ge=0.5, le=86_400.0)
    pull_at_start: bool = True
    peer_timeout: float = Field(default=30.0, ge=1.0, le=600.0)
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @field_validator("participant")
    @classmethod
    def _participant(cls, value: str) -> str:
        if not is_participant_code(value):
            raise ValueError(f"expected a code like XR or ORG-SECRETARIAT, not {value!r}")
        return value

    @field_validator("federation")
    @classmethod
    def _federation(cls, value: str) -> str:
        if not is_federation(value):
            raise ValueError(f"expected a lower-case name like trial.example, not {value!r}")
        return value

    @field_validator("origin")
    @classmethod
    def _origin(cls, value: str) -> str:
        try:
            return parse_origin(value)
        except Malformed as error:
            raise ValueError(str(error)) from None

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ValueError(f"expected HOST:PORT, not {value!r}")
        return value

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return parse_url(value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which is what `init_settings` carries here."""
        return env_settings, init_settings

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def database(self) -> Path:
        return self.directory / "data" / "cbm.sqlite"

    @property
    def documents(self) -> Path:
        return self.directory / "data" / "documents"

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def peers(self) -> Path:
        return self.directory / "peers.json"

    @property
    def forms(self) -> Path:
        return self.directory / "forms"


def parse_url(value: str) -> str:
    """An http or https address without query, fragment or credentials; without the closing slash. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"expected an address like https://cbm.example, not {value!r}")
    return value.rstrip("/")


def read_settings(directory: Path) -> Settings:
    """The settings of the node in `directory`. Raises Misuse, which names the setting at fault."""
    path = directory / SETTINGS_FILE
    if not path.is_file():
        raise Misuse(
            f"{directory} holds no node: {SETTINGS_FILE} is missing; make one with `cbm node init {directory}`"
        )
    try:
        return Settings(directory=directory, **tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Misuse(f"the setting {name!r} of {path} (or its CBM_ variable): {first['msg']}") from None
