"""An assistant of an archive that a test writes."""

from __future__ import annotations

from datetime import datetime

from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.schema import Article
from rag.settings import Settings


def assistant_of(archive: Archive, *texts: tuple[datetime, str]) -> Assistant:
    """An assistant of an archive of articles with these days and texts."""
    articles = [
        Article(id=f"a{at}", title="", text=text, language="en", source=f"a{at}", published=day)
        for at, (day, text) in enumerate(texts)
    ]
    ingest(articles, archive, WordEmbedder())
    return Assistant(archive, WordEmbedder(), None, Settings(data_dir=archive.folder, llm="none"))
