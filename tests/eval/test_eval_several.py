"""`python -m eval bench several`: what it refuses before anything is started, and what it queues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import WordEmbedder
from postgres_server import PostgresServer

from eval.performance import several
from eval.reporting.progress import silent
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.errors import SettingsError
from rag.schema import Article
from rag.settings import Settings


@pytest.mark.parametrize("named", [{}, {"catalog": "postgresql://a@127.0.0.1:9/b"}, {"index": "milvus://127.0.0.1:9"}])
def test_both_engines_must_be_named(named: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"needs DATELINE_CATALOG=postgresql://… and DATELINE_INDEX=milvus://…"):
        several.run(Settings(data_dir=tmp_path, llm="none", **named), tmp_path / "out", 10, silent)
    assert not (tmp_path / "out").exists()


def test_a_database_with_articles_is_refused(postgres: PostgresServer, articles: list[Article], tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, llm="none", catalog=postgres.empty_catalogue())
    archive = Archive(settings)
    ingest(articles, archive, WordEmbedder())
    archive.close()
    with pytest.raises(SettingsError, match="holds articles. Name an empty one"):
        several.run(settings.model_copy(update={"index": "milvus://127.0.0.1:9"}), tmp_path / "out", 10, silent)


def test_notices_are_short_and_each_is_another_one(tmp_path: Path) -> None:
    lines = several._notices(tmp_path / "notices.jsonl", 12).read_text(encoding="utf-8").splitlines()
    notices = [json.loads(line) for line in lines]
    assert len({one["id"] for one in notices}) == len({one["text"] for one in notices}) == len(notices) == 12
    assert all(10 <= len(one["text"].split()) <= 2 * 21 for one in notices)
