"""What tests of several parts share."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import httpx
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.schema import Article
from rag.settings import Settings


def filled(settings: Settings, name: str, articles: Sequence[Article]) -> None:
    """Stores articles in an archive of an installation, which is made for them."""
    with closing(Archive(settings.of_archive(name), may_be_new=True)) as archive:
        ingest(articles, archive, WordEmbedder())


def zipped(*members: tuple[str, bytes]) -> bytes:
    """A zip file of these members, each a name and its content."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


def settled(url: str, job_id: str) -> dict[str, Any]:
    """The ingest job of this id when it has ended. Raises AssertionError after a minute."""
    for _ in range(3000):
        job: dict[str, Any] = httpx.get(f"{url}/api/jobs/{job_id}").json()
        if job.get("state") not in ("waiting", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError(job)
