"""All settings, with units and bounds. The only reader of the environment's DATELINE_ variables; builds nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Set
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from rag.errors import SettingsError

PREFIX = "DATELINE_"
ARCHIVES = "archives"  # the folder of the named archives in data_dir
SCHEMA_PREFIX = "dateline_"  # of the schemas of the named archives in a PostgreSQL database
_FLAGS = frozenset({"archive", "host", "port"})  # options of commands that bear the name of the setting
_ARCHIVE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def is_archive_name(name: str) -> bool:
    """Whether an archive of an installation may have this name."""
    return _ARCHIVE_NAME.fullmatch(name) is not None


def schema_of(name: str) -> str:
    """The schema in PostgreSQL of an archive of this name; "" for that of the user's search path."""
    return SCHEMA_PREFIX + name.replace("-", "_") if name else ""


def cache_folder() -> Path:
    """Where a user's programs keep what can be made again."""
    return Path(platformdirs.user_cache_dir("dateline", appauthor=False))


class Settings(BaseModel):
    """The settings of one archive and its assistant; each can be set as DATELINE_<NAME> in the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("dateline", appauthor=False)),
        description="folder of the archive, or of the installation with its named archives",
    )
    archive: str = Field(
        default="",
        description="name of one of several archives of an installation (a-z, 0-9 and dashes); unset: the one without "
        "a name",
    )
    embedder: str = Field(
        default="packaged",
        description="'packaged' (that of the archive; multilingual-e5-small for a new one), 'e5' (the same), 'minilm' "
        "(all-MiniLM-L6-v2, English), a folder, a hub name, or a model name at embedder_url",
    )
    embedder_url: str = Field(
        default="", description="OpenAI-compatible endpoint that gets the texts to embed, such as https://…/v1"
    )
    embedder_key: str = Field(default="", repr=False, description="key for embedder_url")
    llm: str = Field(
        default="packaged",
        description="'packaged', a path to a GGUF file, a model name at llm_url, or 'none' (extraction)",
    )
    llm_url: str = Field(default="", description="OpenAI-compatible endpoint, such as http://localhost:11434/v1")
    llm_key: str = Field(default="", repr=False, description="key for llm_url")
    model_cache: Path = Field(
        default_factory=cache_folder,
        description="folder where the packaged language model is joined (1.1 GB) and the embedding model converted",
    )
    llm_timeout_seconds: float = Field(default=120, gt=0, le=3600)
    threads: int = Field(default=0, ge=0, le=512, description="threads of the model server; 0: one for each core")
    top_k: int = Field(default=8, ge=1, le=100, description="hits that a question gets")
    fetch_k: int = Field(default=60, ge=1, le=2000, description="passages each index gives before fusion")
    per_article: int = Field(default=2, ge=1, le=50, description="passages an article may have among the hits")
    dense_weight: float | None = Field(
        default=None, ge=0, le=1, description="share of the vectors in the fused score; unset: by the model"
    )
    evidence_tokens: int = Field(
        default=0, ge=0, le=20000, description="evidence given to the model; 0: fit for the model (rag/models/chat.py)"
    )
    answer_tokens: int = Field(default=160, ge=16, le=4000, description="longest answer")
    max_question_chars: int = Field(default=2000, ge=10, le=100000)
    max_file_mb: float = Field(default=50, gt=0, le=4000, description="a larger file is rejected")
    read_seconds: float = Field(default=30, ge=0.1, le=3600, description="to read one uploaded file or record")
    read_memory_mb: int = Field(default=2000, ge=50, le=1_000_000, description="to read one uploaded file or record")
    spool_mb: int = Field(default=2000, ge=1, le=10_000_000, description="uploads that wait to be read, together")
    catalog: str = Field(
        default="",
        repr=False,  # it holds a password
        description="PostgreSQL database of the catalogue, postgresql://user:password@host:port/name, instead of a "
        "SQLite file in data_dir",
    )
    chroma_url: str = Field(default="", description="Chroma server instead of the embedded index")
    index: str = Field(
        default="",
        repr=False,  # it holds a password
        description="Milvus database of the vectors, milvus://user:password@host:port/database (milvuss:// over TLS), "
        "instead of an index in data_dir",
    )
    host: str = Field(default="127.0.0.1", description="address of the page")
    port: int = Field(default=7860, ge=0, le=65535)
    answer_slots: int = Field(default=2, ge=1, le=256, description="answers written at once; the packaged model has 2")
    answer_queue: int = Field(default=32, ge=0, le=10000, description="questions in line; those beyond get a 429")
    requests_per_minute: int = Field(default=0, ge=0, le=100000, description="of one key or address; 0: no limit")
    trusted_proxies: str = Field(
        default="", description="addresses or networks of proxies whose X-Forwarded-For is believed, comma between"
    )
    log_questions: bool = Field(default=False, description="whether the log of the server may hold questions")

    @property
    def folder(self) -> Path:
        """The folder of the archive: `data_dir`, or for a named one a folder in it."""
        installation = self.data_dir.expanduser().absolute()
        return installation / ARCHIVES / self.archive if self.archive else installation

    @property
    def schema_name(self) -> str:
        """The schema of a named archive in PostgreSQL; "" for that of the user's search path. No two names share one,
        since no name holds an underscore."""
        return schema_of(self.archive)

    @property
    def archive_option(self) -> str:
        """What a command needs to work on the same archive, beside the folder: " --archive NAME", or "" without one."""
        return f" --archive {self.archive}" if self.archive else ""

    @property
    def proxies(self) -> tuple[str, ...]:
        """The addresses and networks in `trusted_proxies`."""
        return tuple(name.strip() for name in self.trusted_proxies.split(",") if name.strip())

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for name in filter(None, map(str.strip, value.split(","))):
            try:
                everybody = ip_network(name, strict=False).prefixlen == 0
            except ValueError:
                raise ValueError(f"'{name}' is no address or network such as 10.0.0.5 or 10.0.0.0/24") from None
            if everybody:
                raise ValueError(f"'{name}' covers every address: any client could then claim to be another")
        return value

    @field_validator("archive")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if value and not is_archive_name(value):
            raise ValueError(
                "it is no name of an archive; expected at most 40 of the letters a to z, digits and dashes, with a "
                "letter or digit first, such as sports-2025"
            )
        return value

    @field_validator("catalog")
    @classmethod
    def _is_database(cls, value: str) -> str:
        """Strict, so that no part of a password can be taken for a host, which messages name."""
        try:
            parts = urlsplit(value)
            known = parts.scheme in ("postgresql", "postgres") and parts.port != 0 and not parts.fragment
            named = bool(parts.path.strip("/")) and not set("@/") & set(parts.path.strip("/"))
            sound = known and named and (not parts.query or bool(parse_qsl(parts.query, strict_parsing=True)))
        except ValueError:
            sound = False
        if value and not sound:
            raise ValueError(
                "it is no address such as postgresql://user:password@host:5432/name (in a password write %40 for @, "
                "%2F for /, %3A for :, %3F for ?, %23 for #)"
            )
        return value

    @field_validator("index")
    @classmethod
    def _is_index(cls, value: str, info: ValidationInfo) -> str:
        try:
            parts = urlsplit(value)
            known = parts.scheme in ("milvus", "milvuss") and bool(parts.hostname) and parts.port != 0
            named = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", parts.path.strip("/") or "default") is not None
            sound = known and named and parts.netloc.count("@") < 2 and not parts.query and not parts.fragment
        except ValueError:
            sound = False
        if value and not sound:
            raise ValueError(
                "it is no address such as milvus://user:password@host:19530/database (in a password write %40 for @, "
                "%2F for /, %3A for :, %3F for ?, %23 for #)"
            )
        if value and info.data.get("chroma_url"):
            raise ValueError("DATELINE_CHROMA_URL names another place for the vectors. Unset one of the two")
        return value

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Settings:
        """Settings from the environment, overridden by `options` that are not None.

        Raises SettingsError naming the variable, its value and what was expected.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for name, value in environ.items():
            if name.startswith(PREFIX):
                key = name.removeprefix(PREFIX).lower()
                if key not in cls.model_fields:
                    raise SettingsError(
                        f"{name} is not a setting of Dateline. "
                        f"Known: {', '.join(PREFIX + k.upper() for k in cls.model_fields)}."
                    )
                if value != "":
                    values[key] = value
        given = {key: value for key, value in options.items() if value is not None}
        return cls._checked(values | given, _FLAGS & given.keys())

    def with_catalog(self, catalog: str, data_dir: Path) -> Settings:
        """The same settings of an archive elsewhere. Raises SettingsError."""
        return self._checked(self.model_dump() | {"catalog": catalog, "data_dir": data_dir})

    def of_archive(self, name: str) -> Settings:
        """The same settings for another archive of the installation, "" for the one without a name. SettingsError."""
        return self._checked(self.model_dump() | {"archive": name})

    @classmethod
    def _checked(cls, values: dict[str, Any], flags: Set[str] = frozenset()) -> Settings:
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            key = str(first["loc"][0]) if first["loc"] else "settings"
            shown = "…" if key in ("llm_key", "embedder_key", "catalog", "index") else _shown(first.get("input"))
            why = first["msg"].removeprefix("Value error, ")  # what pydantic puts before a message of ours
            if why == first["msg"]:
                why = why[:1].lower() + why[1:]
            if key in flags:
                raise SettingsError(f"--{key} is {shown}: {why}. Correct the value or leave it out.") from None
            raise SettingsError(f"{PREFIX}{key.upper()} is {shown}: {why}. Correct the value or unset it.") from None


def _shown(value: object) -> str:
    """A value in a message, which is a line."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:80]}…{text[-1]}"
