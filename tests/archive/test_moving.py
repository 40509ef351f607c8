"""Moving house: an archive comes out of its export as it was, also where it was killed; what is damaged is refused."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fakes import WordEmbedder

from app import main
from ingest.pipeline import ingest, remove
from ingest.reindex import reindex
from rag.archive.archive import Archive
from rag.archive.moving.contents import CONTENTS
from rag.archive.moving.exporting import export
from rag.archive.moving.importing import ImportReport, import_into
from rag.archive.moving.manifest import Sum, line_of
from rag.archive.moving.manifest import read as read_manifest
from rag.assistant import Assistant
from rag.errors import ArchiveBusy, ArchiveMismatch, ArchiveMissing, BadInput, SettingsError, StorageError
from rag.schema import Article, Filters
from rag.settings import Settings

SMALL = 1500  # bytes of a part, so that the few articles make many


def opened(folder: Path) -> Archive:
    return Archive(Settings(data_dir=folder, llm="none"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Iterator[Archive]:
    """An archive with versions, a withdrawal, a removal, near-duplicates, a story, undated and foreign articles."""
    with closing(opened(tmp_path_factory.mktemp("source") / "archive")) as archive:
        ingest(articles, archive, WordEmbedder())
        ingest([replace(articles[0], text=articles[0].text + " Nobody knows why.")], archive, WordEmbedder())
        ingest([replace(articles[6], status="withdrawn")], archive, WordEmbedder())
        remove(archive, "a10")
        archive.wait_until_threaded()
        yield archive


@pytest.fixture(scope="module")
def exported(source: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of it in many parts; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("export") / "export"
    export(source, folder, part_bytes=SMALL)
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "copied")


def tables(archive: Archive) -> dict[str, list[tuple[Any, ...]]]:
    """The whole content of the catalogue, table by table."""
    names = ("articles", "signature_marks", *(content.table for content in CONTENTS))
    return {
        name: sorted(archive.catalog.database.read(f"SELECT * FROM {name}", (), tuple), key=repr) for name in set(names)
    }


def imported(archive: Path, folder: Path, **options: Any) -> ImportReport:
    with closing(opened(archive)) as new:
        return import_into(new, folder, **options)


# --- there and back -------------------------------------------------------------------------------


def test_an_archive_comes_back_table_by_table_and_finds_the_same(
    source: Archive, exported: Path, tmp_path: Path
) -> None:
    report = imported(tmp_path / "new", exported)
    assert (report.manifest.articles, report.manifest.contents["versions"].rows) == (9, 11)
    assert report.parts == len(report.manifest.parts) > 20
    settings = Settings(data_dir=tmp_path / "new", llm="none")
    embedder = WordEmbedder()
    with closing(Archive(settings)) as new:
        new.wait_until_threaded()
        assert tables(new) == tables(source)
        for table in ("near_duplicates", "signature_marks", "stories", "story_links", "vectors"):
            assert tables(new)[table], table
        for question in ("ferry aground off Port Selwyn", "muelle de Almenara", "捷運新線", "lighthouse at Cape Orrin"):
            there, here = (
                Assistant(archive, embedder, None, settings).search(question, Filters()) for archive in (source, new)
            )
            assert [hit.passage.id for hit in here] == [hit.passage.id for hit in there]
            # Vectors in memory have 16 bits a number, those in Chroma 32; which are searched depends on the time since.
            assert [hit.score for hit in here] == pytest.approx([hit.score for hit in there], abs=1e-3)
            assert here
        assert new.health().sound
    assert embedder.embedded == []  # the questions alone


def test_an_archive_that_goes_on_keeps_its_keys_apart(source: Archive, exported: Path, tmp_path: Path) -> None:
    imported(tmp_path / "new", exported)
    with closing(opened(tmp_path / "new")) as new:
        before = set(new.catalog.passage_keys())
        report = ingest([Article(id="b1", title="Snow", text="It snowed.", language="en")], new, WordEmbedder())
        assert report.kept == 1
        (key,) = set(new.catalog.passage_keys()) - before
        assert key > max(before)
        assert new.health().sound


def test_the_same_archive_makes_the_same_files(source: Archive, exported: Path, tmp_path: Path) -> None:
    export(source, tmp_path / "again", part_bytes=SMALL)
    parts = sorted(path.name for path in exported.glob("*.gz"))
    assert parts == sorted(path.name for path in (tmp_path / "again").glob("*.gz"))
    assert all((exported / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in parts)


def test_others_can_read_it(source: Archive, exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    texts, lines = {}, 0
    for part in manifest["parts"]:
        content = (exported / part["name"]).read_bytes()
        assert sha256(content).hexdigest() == part["sha256"]
        for line in gzip.decompress(content).splitlines():
            row, lines = json.loads(line), lines + 1
            if part["content"] == "versions":
                texts[row["article_id"], row["version"]] = row["text"]
    assert texts["a1", 2] == source.catalog.article("a1").text  # type: ignore[union-attr]
    assert lines == sum(content["rows"] for content in manifest["contents"].values())


def test_an_ingest_during_the_export_does_not_show(tmp_path: Path, articles: list[Article]) -> None:
    with closing(opened(tmp_path / "archive")) as archive:
        ingest(articles[:3], archive, WordEmbedder())
        before = {name: rows for name, rows in tables(archive).items() if name in ("versions", "passages", "changes")}
        new = iter(articles[3:])

        def ingest_one(part: object) -> None:
            ingest([article for article in [next(new, None)] if article], archive, WordEmbedder())

        export(archive, tmp_path / "export", part_bytes=SMALL, progress=ingest_one)
        assert len(archive.catalog.articles()) > 3
    imported(tmp_path / "new", tmp_path / "export")
    with closing(opened(tmp_path / "new")) as archive:
        assert {name: tables(archive)[name] for name in before} == before


def test_the_commands_say_what_they_moved_and_verified(
    source: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATELINE_EMBEDDER", raising=False)  # that of the archive, which nothing here could load
    folder, archive = str(tmp_path / "export"), str(tmp_path / "new")
    assert main(["export", folder, "--data-dir", str(source.folder)]) == 0
    assert "Exported 9 articles (11 versions)" in capsys.readouterr().out
    assert main(["import", folder, "--data-dir", archive, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["articles"] == 9
    assert report["parts"] == report["of_parts"]
    assert report["verified"]
    assert main(["import", folder, "--data-dir", archive]) == 0  # again: nothing to do
    out = capsys.readouterr().out
    assert f"0 of {report['of_parts']} parts were stored now" in out
    assert "Verified: SHA-256 of each part" in out


# --- killed ---------------------------------------------------------------------------------------

_EXPORT = """
import sys
import time
from pathlib import Path
from rag.archive.archive import Archive
from rag.archive.moving.exporting import export
from rag.settings import Settings
archive = Archive(Settings(data_dir=Path(sys.argv[1]), llm="none"))
def told(part):
    print(part.name, flush=True)
    time.sleep(0.03)  # so that a kill comes before the next parts
export(archive, Path(sys.argv[2]), part_bytes=int(sys.argv[3]), progress=told)
archive.close()
"""
_IMPORT = """
import sys
import time
from pathlib import Path
from rag.archive.archive import Archive
from rag.archive.moving.importing import import_into
from rag.settings import Settings
archive = Archive(Settings(data_dir=Path(sys.argv[1]), llm="none"))
def told(part):
    print(part.name, flush=True)
    time.sleep(0.03)  # so that a kill comes before the next parts
import_into(archive, Path(sys.argv[2]), progress=told)
archive.close()
"""


def killed_after(parts: int, pause: float, command: list[str], environment: dict[str, str]) -> list[str]:
    """Kills a process a moment after it has done so many parts; the names of those it did until then."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        assert process.stdout is not None
        done = [process.stdout.readline().strip() for _ in range(parts)]
        time.sleep(pause)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        return [name for name in [*done, *process.stdout.read().splitlines()] if name]


def test_an_export_that_was_killed_is_made_again(
    source: Archive, exported: Path, tmp_path: Path, child_environment: dict[str, str], python: str
) -> None:
    chance = random.Random(14)
    folder = tmp_path / "export"
    command = [python, "-c", _EXPORT, str(source.folder), str(folder), str(SMALL)]
    for _ in range(3):
        assert killed_after(chance.randint(1, 12), chance.uniform(0, 0.06), command, child_environment)
        assert not (folder / "manifest.json").exists()
        with pytest.raises(BadInput, match="is no finished export"):
            imported(tmp_path / "new", folder)
    subprocess.run(command, env=child_environment, check=True, stdout=subprocess.DEVNULL)
    assert read_manifest(folder)[0].parts == read_manifest(exported)[0].parts


def test_an_import_that_was_killed_goes_on(
    source: Archive, exported: Path, tmp_path: Path, child_environment: dict[str, str], python: str
) -> None:
    chance = random.Random(14)
    command = [python, "-c", _IMPORT, str(tmp_path / "new"), str(exported)]
    all_parts = [part.name for part in read_manifest(exported)[0].parts]
    done: list[str] = []
    for _ in range(3):
        left = len(all_parts) - len(set(done))
        done += killed_after(chance.randint(1, max(1, left // 3)), chance.uniform(0, 0.06), command, child_environment)
        assert len(set(done)) < len(all_parts)
    with closing(opened(tmp_path / "new")) as half, pytest.raises(ArchiveMismatch, match="is unfinished. Run the same"):
        half.claim({"embedder": "fake/words"})
    left = len(all_parts) - len(set(done))
    # Now while it checks, or builds the indexes. A part may have been stored and not told of when the kill came.
    killed_after(max(1, left - 4), chance.uniform(0.2, 0.6), command, child_environment)
    ran = subprocess.run(command, env=child_environment, check=True, capture_output=True, text=True)
    assert len(ran.stdout.split()) < len(all_parts)
    with closing(opened(tmp_path / "new")) as new:
        new.wait_until_threaded()
        assert tables(new) == tables(source)
        assert new.health().sound


# --- refused --------------------------------------------------------------------------------------


class Interrupted(Exception):
    """In the middle of an import."""


def interrupted(archive: Path, folder: Path) -> None:
    def stop(part: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        imported(archive, folder, progress=stop)


def test_an_archive_in_the_middle_of_an_import_is_not_used(
    exported: Path, tmp_path: Path, articles: list[Article]
) -> None:
    interrupted(tmp_path / "new", exported)
    with closing(opened(tmp_path / "new")) as archive:
        for use in (
            lambda: ingest(articles[:1], archive, WordEmbedder()),
            lambda: archive.rebuild(),
            lambda: reindex(archive, WordEmbedder()),
            lambda: Assistant(archive, WordEmbedder(), None, Settings(data_dir=archive.folder, llm="none")),
            lambda: export(archive, tmp_path / "other"),
        ):
            with pytest.raises(ArchiveMismatch, match="is unfinished. Run the same dateline import again"):
                use()
    assert main(["doctor", "--data-dir", str(tmp_path / "new")]) == 2


def test_another_export_does_not_go_on_with_it(
    exported: Path, tmp_path: Path, source: Archive, articles: list[Article]
) -> None:
    export(source, tmp_path / "other", part_bytes=10 * SMALL)
    interrupted(tmp_path / "new", exported)
    with pytest.raises(ArchiveMismatch, match="import of another export"):
        imported(tmp_path / "new", tmp_path / "other")


def test_an_archive_with_other_articles_is_left_alone(exported: Path, archive: Archive) -> None:
    archive.wait_until_threaded()  # or else it changes by itself
    before = tables(archive)
    with pytest.raises(ArchiveMismatch, match="holds other articles than the export"):
        import_into(archive, exported)
    assert tables(archive) == before


def test_another_embedder_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveMismatch, match="The settings name the embedder 'other'.*are of 'fake/words'"):
        imported(tmp_path / "new", exported, embedder="other")
    with closing(opened(tmp_path / "begun")) as begun:
        begun.claim({"embedder": "other", "chunking": "1"})
        with pytest.raises(ArchiveMismatch, match="was begun with the embedder 'other'"):
            import_into(begun, exported)


def test_an_archive_that_another_process_serves_is_refused(exported: Path, tmp_path: Path) -> None:
    with closing(opened(tmp_path / "new")) as server:
        server.own_indexes()
        with pytest.raises(ArchiveBusy, match="in use by another process"):
            imported(tmp_path / "new", exported)


def test_an_export_is_not_written_over(source: Archive, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds a finished export"):
        export(source, exported)
    (tmp_path / "letter.txt").write_text("Dear reader")
    with pytest.raises(SettingsError, match=r"it holds 'letter\.txt'"):
        export(source, tmp_path)
    assert (tmp_path / "letter.txt").exists()


def test_an_export_to_where_nothing_can_be_written_says_so(source: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="The export .* cannot be written: .*or name another folder"):
        export(source, tmp_path / "file" / "export")


def test_two_exports_do_not_write_to_one_folder(source: Archive, tmp_path: Path) -> None:
    def begin_another(part: object) -> None:
        with pytest.raises(ArchiveBusy, match="Another dateline export writes to"):
            export(source, tmp_path / "export")

    export(source, tmp_path / "export", progress=begin_another)
    assert not (tmp_path / "export" / "export.lock").exists()


def test_an_empty_archive_is_not_exported(empty_archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing, match="there is nothing to export"):
        export(empty_archive, tmp_path / "export")


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _linked(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [_flipped, Path.unlink, _linked, _pipe, lambda path: path.write_bytes(path.read_bytes()[:-9])],
    ids=["a bit", "missing", "a link", "a pipe", "cut off"],
)
def test_a_damaged_part_is_named_and_nothing_is_stored(
    copied: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(copied / "versions-000002.jsonl.gz")
    with closing(opened(tmp_path / "new")) as archive:
        before = tables(archive)
        with pytest.raises(BadInput, match=r"versions-000002\.jsonl\.gz cannot be used: .*Copy this file again"):
            import_into(archive, copied)
        assert tables(archive) == before


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        inner: Any = manifest
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("parts", 0, "name", to="../x"), "is no name of a part"),
        (_set("parts", 0, "name", to="/etc/passwd"), "is no name of a part"),
        (_set("parts", 0, "name", to="vectors-000001.jsonl.gz/../../x"), "is no name of a part"),
        (_set("parts", 1, "name", to="vectors-000001.jsonl.gz"), "twice"),
        (_set("parts", 0, "unpacked_bytes", to=1 << 40), "is larger than"),
        (_set("parts", 0, "bytes", to=-1), "is no count"),
        (_set("parts", 0, "rows", to=True), "is no count"),
        (_set("parts", 0, "sha256", to="00"), "is no SHA-256"),
        (_set("parts", to=[]), "its parts hold 0 rows of vectors"),
        (_set("parts", to={"a": 1}), "cannot be used"),
        (_set("contents", to=[1]), "cannot be used"),
        (_set("contents", "vectors", "rows", to=7), "rows of vectors, and it says 7"),
        (_set("format", to="zip"), "it does not say"),
        (_set("format_version", to=2), "has format 2; this program reads format 1"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(
    copied: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    change(manifest)
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises((BadInput, ArchiveMismatch), match=message):
        imported(tmp_path / "new", copied)


@pytest.mark.parametrize("content", ["", "[", "[" * 100_000, "null", "\udcff"])
def test_a_manifest_that_is_none_is_refused(copied: Path, tmp_path: Path, content: str) -> None:
    (copied / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput, match="cannot be used"):
        imported(tmp_path / "new", copied)


def forged(folder: Path, name: str, change: Callable[[list[dict[str, Any]]], object], **manifest_says: int) -> None:
    """Changes the first part of a kind and makes the manifest agree, as someone would who means harm."""
    path = folder / f"{name}-000001.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    change(rows)
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    path.write_bytes(gzip.compress(lines))
    manifest = json.loads((folder / "manifest.json").read_text())
    part = next(part for part in manifest["parts"] if part["name"] == path.name)
    content = path.read_bytes()
    manifest["contents"][name]["rows"] += len(rows) - part["rows"]
    part |= {"rows": len(rows), "bytes": len(content), "unpacked_bytes": len(lines)}
    part |= {"sha256": sha256(content).hexdigest()} | manifest_says
    added = Sum()
    for one in manifest["parts"]:
        if one["content"] == name:
            for line in gzip.decompress((folder / one["name"]).read_bytes()).splitlines():
                with suppress(UnicodeEncodeError):
                    added.add(line_of(json.loads(line)))
    manifest["contents"][name]["digest"] = added.total.digest
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("versions", lambda rows: rows[0].update(text="Something else."), "has another digest"),
        ("versions", lambda rows: rows[0].update(title="\ud800"), "row 1: "),
        ("versions", lambda rows: rows[0].update(published="soon"), "row 1: "),
        ("versions", lambda rows: rows[0].update(uncitable="[[[" * 50_000), "row 1: "),
        ("versions", lambda rows: rows[0].pop("url"), "expected the fields article_id"),
        ("versions", lambda rows: rows.__setitem__(0, ["a"]), "expected the fields article_id"),
        ("vectors", lambda rows: rows[0].update(vector="AH4="), "no finite number"),
        ("vectors", lambda rows: rows[0].update(vector="no base64"), "row 1: "),
        ("passages", lambda rows: rows[0].update(start=9, end=3), "no usable place"),
        ("passages", lambda rows: rows[0].update(key=10**30), "row 1: "),
        ("passages", lambda rows: rows[0].update(key=2**63 - 1), "leaves no room"),
        ("changes", lambda rows: rows[0].update(seq=0), "leaves no room"),
        ("passages", lambda rows: rows[0].update(number=True), "row 1: "),
        ("passages", lambda rows: rows[0].update(end=10**6), "lies outside its text"),
        ("passages", lambda rows: rows.append(dict(rows[0])), "passages of the catalogue are not as its manifest"),
        ("story_links", lambda rows: rows[0].update(likeness=float("nan")), "row 1: "),
        ("story_profiles", lambda rows: rows[0].update(words='{"a": "b"}'), "row 1: "),
        ("stories", lambda rows: rows[0].update(first=99999999), "row 1: "),
        ("signature_marks", lambda rows: rows[0].update(mark=3), "mark is no list"),
        ("followed", lambda rows: rows[0].update(name="words"), "'words' is not carried over"),
        ("meta", lambda rows: rows[0].update(key="format"), "belongs to the archive itself"),
        ("meta", lambda rows: rows[0].update(key="model_since", value="x"), "a count is no number"),
    ],
)
def test_a_forged_row_is_refused(
    copied: Path, tmp_path: Path, name: str, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    forged(copied, name, change)
    with pytest.raises((BadInput, StorageError), match=message):
        imported(tmp_path / "new", copied)
    with closing(opened(tmp_path / "new")) as archive, pytest.raises(ArchiveMismatch, match="is unfinished"):
        archive.claim({"embedder": "fake/words"})


def test_a_part_that_unpacks_to_more_is_refused_before_it_fills_the_memory(copied: Path, tmp_path: Path) -> None:
    forged(copied, "vectors", lambda rows: rows[0].update(vector="A" * 50_000_000), unpacked_bytes=1000)
    with pytest.raises(BadInput, match="it unpacks to more than the manifest says"):
        imported(tmp_path / "new", copied)
