"""API keys in PostgreSQL: every server knows them, one that is revoked is out everywhere, and none opens by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from conftest import Served
from fakes import WordEmbedder
from postgres_server import PostgresServer

from app import main
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.catalog import FORMAT, Catalog
from rag.assistant import Assistant
from rag.errors import CatalogueAway, SettingsError
from rag.schema import Article
from rag.serving import shared_keys
from rag.serving.api_keys import Keys, check_address
from rag.serving.shared_keys import SharedKeys, keys_of, opened_keys
from rag.settings import Settings

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


@pytest.fixture
def catalog(url: str, tmp_path: Path) -> Iterator[Catalog]:
    with closing(Catalog(tmp_path / "c", url=url)) as catalog:
        yield catalog


def test_keys_are_made_listed_and_revoked_by_command(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATELINE_CATALOG", url)
    one, other = (["--data-dir", str(tmp_path / name)] for name in ("one", "other"))
    assert main(["key", "create", "desk", "--scope", "ingest", "--json", *one]) == 0
    made = json.loads(capsys.readouterr().out)
    assert main(["key", "create", "desk", *other]) == 2  # a name of its own, in all folders
    assert "The name 'desk' is empty or taken" in capsys.readouterr().err
    assert main(["key", "list", *other]) == 0
    assert capsys.readouterr().out.startswith(f"{made['id']}  ")
    with opened_keys(Settings(data_dir=tmp_path / "third", catalog=url)) as keys:
        found = keys.check(made["key"])
        assert found is not None
        assert (found.id, found.name, found.scopes) == (made["id"], "desk", ("ingest",))
        assert keys.check("dateline_wrong") is None
    assert main(["key", "revoke", "desk", *other]) == 0
    assert "so nobody is let in. To ask for none again, empty the table api_keys" in capsys.readouterr().err
    assert main(["key", "revoke", "desk", *one]) == 1
    with opened_keys(Settings(data_dir=tmp_path / "third", catalog=url)) as keys:
        assert keys.check(made["key"]) is None
        assert keys.exist()
        with pytest.raises(SettingsError, match="is open to others, and this archive has no API key"):
            check_address("0.0.0.0", keys, without_keys=False)


def test_only_hashes_are_stored(catalog: Catalog, tmp_path: Path) -> None:
    _, secret = SharedKeys(catalog, tmp_path).create("desk")
    stored = catalog.database.read("SELECT * FROM api_keys", (), tuple)
    assert len(stored) == 1
    assert secret not in str(stored)
    assert secret.removeprefix("dateline_") not in str(stored)


def test_a_key_of_one_server_opens_the_other_until_it_is_revoked_there(
    url: str, tmp_path: Path, serve: Served, articles: list[Article]
) -> None:
    settings = [Settings(data_dir=tmp_path / name, llm="none", catalog=url) for name in ("one", "other")]
    with closing(Archive(settings[0])) as one, closing(Archive(settings[1])) as other:
        ingest(articles[:1], one, WordEmbedder())
        _, secret = keys_of(one).create("desk")
        addresses = [
            serve(Assistant(archive, WordEmbedder(), None, own))
            for archive, own in zip((one, other), settings, strict=True)
        ]
        headers = {"Authorization": f"Bearer {secret}"}
        for address in addresses:
            assert httpx.get(f"{address}/api/articles").status_code == 401
            assert httpx.get(f"{address}/api/articles", headers=headers).status_code == 200
        with httpx.Client(base_url=addresses[1]) as browser:
            assert browser.post("/login", data={"key": secret}).status_code == 303
            assert browser.get("/api/articles").status_code == 200
            keys_of(one).revoke("desk")
            time.sleep(shared_keys.FRESH_SECONDS + 0.1)
            for address in addresses:
                assert httpx.get(f"{address}/api/articles", headers=headers).status_code == 401
            assert browser.get("/api/articles").status_code == 401


def test_the_first_key_closes_servers_that_asked_for_none(
    url: str, tmp_path: Path, serve: Served, articles: list[Article]
) -> None:
    settings = Settings(data_dir=tmp_path / "one", llm="none", catalog=url)
    with closing(Archive(settings)) as archive:
        ingest(articles[:1], archive, WordEmbedder())
        address = serve(Assistant(archive, WordEmbedder(), None, settings))
        assert httpx.get(f"{address}/api/articles").status_code == 200
        with opened_keys(Settings(data_dir=tmp_path / "other", catalog=url)) as elsewhere:
            elsewhere.create("desk")
            time.sleep(shared_keys.FRESH_SECONDS + 0.1)
            assert httpx.get(f"{address}/api/articles").status_code == 401
            elsewhere.revoke("desk")
            time.sleep(shared_keys.FRESH_SECONDS + 0.1)
        assert httpx.get(f"{address}/api/articles").status_code == 401


def test_nobody_is_let_in_while_the_database_is_away_and_the_server_lives(
    url: str, tmp_path: Path, serve: Served, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "one", llm="none", catalog=url)
    with closing(Archive(settings)) as archive:
        ingest(articles[:1], archive, WordEmbedder())
        _, secret = keys_of(archive).create("desk")
        address = serve(Assistant(archive, WordEmbedder(), None, settings))
        headers = {"Authorization": f"Bearer {secret}"}
        with monkeypatch.context() as away:

            def gone(self: SharedKeys) -> list[object]:
                time.sleep(0.5)
                raise CatalogueAway("away")

            away.setattr(SharedKeys, "_stored", gone)
            time.sleep(shared_keys.FRESH_SECONDS)
            refused = httpx.get(f"{address}/api/articles", headers=headers)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "5"
            assert "so nobody is let in. Ask again." in refused.json()["detail"]
            began = time.monotonic()
            assert httpx.get(f"{address}/api/articles", headers=headers).status_code == 503
            assert time.monotonic() - began < 0.4  # it is not asked again by each request
            assert httpx.get(f"{address}/api/health/live").status_code == 200
        time.sleep(shared_keys.FRESH_SECONDS)
        assert httpx.get(f"{address}/api/articles", headers=headers).status_code == 200


def test_the_keys_of_a_folder_are_taken_over_once_and_stay_revoked(catalog: Catalog, tmp_path: Path) -> None:
    _, one = Keys(tmp_path / "one").create("desk", ["read", "ingest"])
    _, other = Keys(tmp_path / "other").create("desk")
    for folder in ("one", "other", "one"):
        SharedKeys(catalog, tmp_path / folder).all()
    keys = SharedKeys(catalog, tmp_path / "one")
    assert [key.name for key in keys.all()] == ["desk", "desk"]
    (first, second) = (keys.check(secret) for secret in (one, other))
    assert first is not None
    assert first.scopes == ("read", "ingest")
    assert second is not None
    assert keys.revoke(first.id)
    again = SharedKeys(catalog, tmp_path / "one")  # its file still has it
    assert again.check(one) is None
    assert again.check(other) is not None


def test_a_catalogue_of_the_format_before_gets_the_table_and_the_keys_of_its_folder(url: str, tmp_path: Path) -> None:
    with closing(Catalog(tmp_path / "c", url=url)) as old, old.transaction() as db:
        db.execute("DROP TABLE api_keys")
        db.execute("UPDATE meta SET value = '3' WHERE key = 'format'")
    _, secret = Keys(tmp_path).create("desk")
    with opened_keys(Settings(data_dir=tmp_path, catalog=url)) as keys:
        assert keys.check(secret) is not None
    with closing(Catalog(tmp_path / "c", url=url)) as new:
        assert new.get_meta("format") == str(FORMAT)


def test_a_move_takes_the_keys_along_and_none_comes_back(
    archive: Archive, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = Keys(archive.folder).create("desk", ["ingest"])
    archive.close()
    house, back = str(archive.folder), str(tmp_path / "back")
    assert main(["move", "--data-dir", house, "--to", url]) == 0
    with opened_keys(Settings(data_dir=tmp_path / "there", catalog=url)) as keys:
        assert keys.check(secret) is not None
    monkeypatch.setenv("DATELINE_CATALOG", url)
    assert main(["move", "--data-dir", str(tmp_path / "there"), "--to", back]) == 0
    key = Keys(Path(back)).check(secret)
    assert key is not None
    assert key.scopes == ("ingest",)
    assert Keys(Path(back)).revoke("desk")
    assert main(["move", "--data-dir", str(tmp_path / "there"), "--to", back]) == 0  # it holds all already
    assert Keys(Path(back)).all() == ()


def lets_everybody_in(keys: Keys) -> bool:
    """What a server that starts now would do."""
    return not (keys.all() or keys.exist())


def test_an_archive_whose_keys_are_all_revoked_stays_closed_when_it_moves(
    archive: Archive, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Keys(archive.folder).create("desk")
    Keys(archive.folder).revoke("desk")
    archive.close()
    assert main(["move", "--data-dir", str(archive.folder), "--to", url]) == 0
    assert "The API keys were taken along." in capsys.readouterr().out
    with opened_keys(Settings(data_dir=tmp_path / "there", catalog=url)) as keys:
        assert not lets_everybody_in(keys)
        assert keys.check("") is None
    assert main(["move", "--data-dir", str(archive.folder), "--to", url]) == 0  # it holds all already
    assert "It held all of that already: its API keys are as they were." in capsys.readouterr().out
    monkeypatch.setenv("DATELINE_CATALOG", url)
    assert main(["move", "--data-dir", str(tmp_path / "there"), "--to", str(tmp_path / "back")]) == 0
    assert not lets_everybody_in(Keys(tmp_path / "back"))


def test_a_folder_whose_keys_are_all_revoked_closes_the_catalogue_that_it_turns_to(
    catalog: Catalog, tmp_path: Path
) -> None:
    assert lets_everybody_in(SharedKeys(catalog, tmp_path / "one"))
    assert lets_everybody_in(SharedKeys(catalog, tmp_path / "other"))
    Keys(tmp_path / "one").create("desk")
    Keys(tmp_path / "one").revoke("desk")
    assert SharedKeys(catalog, tmp_path / "one").exist()
    assert not lets_everybody_in(SharedKeys(catalog, tmp_path / "one"))
    assert not lets_everybody_in(SharedKeys(catalog, tmp_path / "other"))  # a machine without that folder


def test_a_key_that_was_revoked_before_a_move_between_databases_does_not_come_back(
    archive: Archive, url: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = Keys(archive.folder).create("desk")
    _, other = Keys(archive.folder).create("paper")
    archive.close()
    assert main(["move", "--data-dir", str(archive.folder), "--to", url]) == 0
    monkeypatch.setenv("DATELINE_CATALOG", url)
    assert main(["key", "revoke", "desk", "--data-dir", str(tmp_path / "there")]) == 0
    second = postgres.empty_catalogue()
    assert main(["move", "--data-dir", str(tmp_path / "there"), "--to", second]) == 0
    with opened_keys(Settings(data_dir=archive.folder, catalog=second)) as keys:  # whose file holds it as live
        assert keys.check(secret) is None
        assert keys.check(other) is not None


def test_a_name_that_another_process_takes_at_the_same_moment_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    one, other = SharedKeys(catalog, tmp_path / "one"), SharedKeys(catalog, tmp_path / "other")
    assert one.all() == other.all() == ()  # both have looked within the last second
    one.create("desk")
    with pytest.raises(SettingsError, match="The name 'desk' is empty or taken"):
        other.create("desk")
    assert [key.name for key in SharedKeys(catalog, tmp_path).all()] == ["desk"]
    assert one.revoke("desk")
    other.create("desk")  # the name is free again
