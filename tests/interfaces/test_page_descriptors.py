"""A question on the page leaves no file open, however many are asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rag.archive.archive import Archive

QUESTIONS = 500
MANY = """
import os, resource, sys
import httpx
from conftest import Served
from fakes import WordEmbedder
from app import create_app
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.settings import Settings

settings = Settings(data_dir=sys.argv[1], llm="none")
served = Served()
url = served.app(create_app(Assistant(Archive(settings), WordEmbedder(), None, settings)))
client = httpx.Client(base_url=url, timeout=60)
ask = next(one["id"] for one in client.get("/config").json()["dependencies"] if one["api_name"] == "ask")

def asked(number):
    session = f"reader{number}"
    body = {"data": ["Who is harbour master?", [], "", "", []], "fn_index": ask, "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    return "Irene Galt" in client.get("/gradio_api/queue/data", params={"session_hash": session}).text

asked(-1)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40,) * 2)
print(sum(asked(number) for number in range(int(sys.argv[2]))))
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_hundreds_of_questions_on_the_page_open_no_more_files(
    archive: Archive, child_environment: dict[str, str]
) -> None:
    archive.close()
    ran = subprocess.run(
        [sys.executable, "-u", "-c", MANY, str(archive.folder), str(QUESTIONS)],
        env=child_environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ran.stdout.strip() == str(QUESTIONS), ran.stderr[-2000:]
