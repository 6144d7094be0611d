"""Settings of a node, read once: DIR/node.toml, overridden by environment variables named CBM_...

Private keys are files under DIR/keys and no settings. The address of a database server may carry a password: it is a secret
that never shows when settings are printed, and is best given as CBM_DATABASE.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from exchange.core.checkpoint import parse_origin
from exchange.core.vocabulary import is_federation, is_participant_code
from exchange.errors import Malformed, Misuse

SETTINGS_FILE = "node.toml"
MAX_URL = 256  # characters, as in a participant's record

# What stands here stands in the participant's record too, which takes no other spelling (trust/recordtext.py).
_is_url = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*").fullmatch
_is_listen = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}").fullmatch


def _workers() -> int:
    """One a core, up to four; none where there is but one core: then it is done in the process itself."""
    cores = len(os.sched_getaffinity(0))
    return min(cores, 4) if cores > 1 else 0


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
    database: SecretStr | None = None
    min_free_mb: int = Field(default=200, ge=0, le=1_000_000)  # below it on the disk, the node only reads
    metrics_public: bool = False  # /metrics for everybody, and not for this machine alone
    workers: int = Field(default_factory=_workers, ge=0, le=64)  # processes that check many signatures at once
    trust_root: Path | None = (
        None  # the founders' root, as it was handed over: then they say who participates, not peers.json
    )
    trust_from: tuple[str, ...] = ()  # nodes to ask for the trust list, beside those that it names
    acts_days: int = Field(default=730, ge=30, le=36_500)  # how long the local record of who did what is kept
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
        if not _is_listen(value) or not 0 < int(value.rpartition(":")[2]) < 65_536:
            raise ValueError(f"expected HOST:PORT, such as 127.0.0.1:8750 or [::1]:8750, not {value!r}")
        return value

    @field_validator("trust_from")
    @classmethod
    def _trust_from(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse_url(each) for each in value)

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
        return _Environment(settings_cls), init_settings

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def database_url(self) -> str:
        """Where the data lies: the file in DIR/data, unless `database` names a server."""
        return self.database.get_secret_value() if self.database else f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
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
    def root(self) -> Path | None:
        """The pinned root; a relative path is one in the directory of the node."""
        return None if self.trust_root is None else self.directory / self.trust_root

    @property
    def trust_inbox(self) -> Path:
        """Where an operator puts files of the trust list that came by hand."""
        return self.directory / "trust"

    @property
    def forms(self) -> Path:
        return self.directory / "forms"


class _Environment(EnvSettingsSource):
    """CBM_ variables, but for the directory: a variable left over from another node must not run that one."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return (None, field_name, False) if field_name == "directory" else super().get_field_value(field, field_name)


def parse_url(value: str) -> str:
    """An http or https address in lower case, without query, fragment or credentials; without the closing slash. Raises ValueError."""
    address = value.rstrip("/")
    if len(address) > MAX_URL or not _is_url(address) or urlsplit(address).port == 0:
        raise ValueError(f"expected an address like https://cbm.example, in lower case, not {value!r}")
    return address


def read_settings(directory: Path) -> Settings:
    """The settings of the node in `directory`. Raises Misuse, which names the setting at fault."""
    path = directory / SETTINGS_FILE
    if not path.is_file():
        raise Misuse(
            f"{directory} holds no node: {SETTINGS_FILE} is missing; make one with `cbm node init {directory}`"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, numbers or lists beyond all measure
        raise Misuse(f"{path} is not TOML: {error}") from None
    known = [name for name in Settings.model_fields if name != "directory"]
    for name in values:
        if name not in known:
            raise Misuse(f"the setting {name!r} of {path} is not known; the settings are {', '.join(known)}")
    try:
        return Settings(directory=directory, **values)
    except ValidationError as error:
        name, what = first_fault(error)
        raise Misuse(f"the setting {name!r} of {path} (or its CBM_ variable): {what}") from None


def first_fault(error: ValidationError) -> tuple[str, str]:
    """The first setting at fault, and what is wrong with it."""
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, ")
