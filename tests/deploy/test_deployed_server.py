"""The server as the files start it: its probes, metrics, backups, and a file system that is read-only."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from conftest import ROOT, Asked, Served
from deploy_files import DEPLOY, RUNBOOK, environment_of_image, of_image, pod

from app import create_installation
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.schema import Article
from rag.serving.api_keys import Keys
from rag.settings import Settings

QUESTION = "Where did the ferry Castellan run aground?"
REPLY = "The ferry Castellan ran aground on a sandbank off Port Selwyn."


def paths_of_probes() -> set[str]:
    container = pod()["containers"][0]
    probes = {container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    return probes | set(re.findall(r"127\.0\.0\.1:7860(/[\w/]+)", of_image("HEALTHCHECK")[0]))


def test_probes_need_no_key_and_metrics_one_that_may_read(serve: Served, written: Assistant) -> None:
    _, secret = Keys(written.archive.folder).create("prometheus")
    url = serve(written)
    assert paths_of_probes() == {"/api/health/live", "/api/health/ready"}
    assert {httpx.get(url + path).status_code for path in paths_of_probes()} == {200}
    assert httpx.get(f"{url}/metrics").status_code == 401
    assert httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_the_check_of_the_image_fails_while_the_server_is_not_ready(serve: Served, assistant: Asked) -> None:
    ready: list[bool] = []
    port = serve(assistant(extraction=True), ready=lambda: bool(ready)).rpartition(":")[2]
    check = json.loads(of_image("HEALTHCHECK")[0].partition(" CMD ")[2])
    command = [sys.executable, *(part.replace(":7860/", f":{port}/") for part in check[1:])]
    assert subprocess.run(command, capture_output=True).returncode != 0
    ready.append(True)
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("file", [DEPLOY / "grafana.json", RUNBOOK], ids=lambda file: file.name)
def test_every_metric_is_exported_with_these_labels(file: Path, serve: Served, assistant: Asked) -> None:
    url = serve.app(create_installation(assistant(REPLY, "Zebras won the Lunada cup."), with_page=False))
    for _ in range(2):
        httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    exported = httpx.get(f"{url}/metrics").text
    names = {*re.findall(r"^(dateline_\w+)", exported, re.M), *re.findall(r"^# TYPE (dateline_\w+)", exported, re.M)}
    text = file.read_text()
    named = set(re.findall(r"\bdateline_[a-z_]+\b", text))
    assert len(named) >= 7
    assert named - names == set()
    labels = {label for found in re.findall(r"\{(.+)\}", exported) for label in re.findall(r"(\w+)=", found)}
    asked = re.findall(r"by \(([\w, ]+)\)", text)
    assert {label for group in asked for label in group.split(", ")} <= labels
    for label, value in re.findall(r'(until|answered)=\\?"(\w+)\\?"', text):
        assert f'{label}="{value}"' in exported


def test_panels_of_the_dashboard_do_not_overlap_and_each_says_what_it_shows() -> None:
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] and panel["targets"] for panel in panels)


def test_a_backup_made_while_the_archive_is_written_to_is_restored_as_the_runbook_says(
    archive: Archive, articles: list[Article], tmp_path: Path, child_environment: dict[str, str]
) -> None:
    snippet = re.findall(r"```python\n(.*?)```", RUNBOOK.read_text(), re.S)[0]
    environment = child_environment | {"DATELINE_DATA_DIR": str(archive.folder)}
    with archive.catalog.transaction() as open_writer:
        open_writer.execute("DELETE FROM versions")
        subprocess.run([sys.executable, "-"], input=snippet, text=True, env=environment, check=True)
        open_writer.execute("ROLLBACK")
        open_writer.execute("BEGIN")
    backup = archive.folder / "backup.sqlite"
    assert backup.stat().st_mode & 0o077 == 0
    lost = tmp_path / "volume" / "archive"
    (lost / "words").mkdir(parents=True)
    catalogue, keys = re.findall(r"--entrypoint sh \S+ -ec '([^']+)'", RUNBOOK.read_text())
    subprocess.run(["sh", "-ec", catalogue], input=backup.read_bytes(), cwd=lost.parent, check=True)
    subprocess.run(["sh", "-ec", keys], input=b'{"keys": []}', cwd=lost.parent, check=True)
    modes = {one.name: one.stat().st_mode & 0o777 for one in (lost, *lost.iterdir())}
    assert modes == {"archive": 0o700, "catalogue.sqlite": 0o600, "keys.json": 0o600}
    with closing(Archive(Settings(data_dir=lost))) as again:
        assert again.health().sound
        assert again.catalog.coverage().articles == len(articles)


def wait_until_ready(address: str) -> None:
    until = time.monotonic() + 60
    while httpx.get(f"{address}/api/health/ready").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


# Makes everything read-only but the folder that is named first, and runs the rest of the arguments.
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
for place in $(cut -d ' ' -f 2 /proc/mounts | sort -u); do
    case $place in "$1"|/proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
shift
exec "$@"
"""


@pytest.fixture
def confined(tmp_path: Path) -> list[str]:
    """The beginning of a command that can write to `tmp_path` and nowhere else."""
    begin = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh", str(tmp_path)]
    probe = f"touch {shlex.quote(str(tmp_path))}/x && ! touch {shlex.quote(str(tmp_path.parent))}/x"
    if not shutil.which("unshare") or subprocess.run([*begin, "sh", "-c", probe], capture_output=True).returncode:
        pytest.skip("this system lets no user make a read-only view of its files")
    return begin


def test_the_server_of_the_pod_starts_writes_to_its_volumes_only_and_stops_when_told(
    confined: list[str], tmp_path: Path, tiny_model: Path, child_environment: dict[str, str], python: str
) -> None:
    """The commands and variables of the files, with `tmp_path` for / of the two volumes and a free port."""
    for folder in ("data", "tmp", "first-key"):
        (tmp_path / folder).mkdir()
    _, secret = Keys(tmp_path / "first-key").create("first", ["read", "ingest"])

    def inside(text: str) -> str:
        return re.sub(r"(?<![\w.])/(?=data|tmp|first-key)", f"{tmp_path}/", text)

    first_key = [inside(word) for word in pod()["initContainers"][0]["command"]]
    for _ in range(2):  # a restart of the pod keeps the keys that there are
        subprocess.run([*confined, *first_key], check=True)
    assert (tmp_path / "data" / "archive").stat().st_mode & 0o777 == 0o700
    ours = {name: inside(value) for name, value in environment_of_image().items() if name != "PATH"}
    stands_in = {"TMPDIR": inside("/tmp"), "DATELINE_LLM": "none", "DATELINE_EMBEDDER": str(tiny_model)}
    environment = child_environment | ours | stands_in
    command = [*confined, python, "-m", "app", *pod()["containers"][0]["args"], "--port", "0"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1].replace("0.0.0.0", "127.0.0.1")
            wait_until_ready(address)
            article = {"title": "Rain", "text": "It rained in Millford."}
            asked = httpx.post(f"{address}/api/articles", json=article, headers={"Authorization": f"Bearer {secret}"})
            assert asked.status_code == 202, asked.text
        finally:
            os.kill(server.pid, signal.SIGTERM)
        assert server.wait(timeout=pod()["terminationGracePeriodSeconds"]) == 0
