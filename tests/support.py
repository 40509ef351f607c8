"""What tests of several parts share."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import httpx


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
