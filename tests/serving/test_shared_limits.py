"""Limits that servers on one PostgreSQL count together, and that each counts alone while it is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from rag.archive.catalog import Catalog
from rag.errors import Busy, StorageError
from rag.serving import shared_limits
from rag.serving.rate_limits import RateLimiter
from rag.serving.shared_limits import SharedRateLimiter, limiter_of

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


@pytest.fixture
def catalogs(url: str, tmp_path: Path) -> Iterator[list[Catalog]]:
    """The same catalogue, as two servers open it."""
    with closing(Catalog(tmp_path / "one", url=url)) as one, closing(Catalog(tmp_path / "other", url=url)) as other:
        yield [one, other]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for the database, however busy the machine is."""
    monkeypatch.setattr(shared_limits, "ANSWER_SECONDS", 20.0)


async def passes(limiter: RateLimiter, client: str = "desk") -> bool:
    try:
        await limiter.take(client)
    except Busy:
        return False
    return True


async def passed(limiters: list[RateLimiter], times: int, client: str = "desk") -> int:
    """How many of so many requests to each, all at once, are let through."""
    return sum(await asyncio.gather(*(passes(one, client) for one in limiters * times)))


def test_without_a_limit_or_a_shared_catalogue_nothing_is_asked_of_a_database(
    catalogs: list[Catalog], tmp_path: Path
) -> None:
    assert type(limiter_of(catalogs[0], 0)) is RateLimiter
    assert "dateline_buckets" not in catalogs[0].database.tables()
    with closing(Catalog(tmp_path / "c")) as local:
        assert type(limiter_of(local, 60)) is RateLimiter


@pytest.mark.usefixtures("patient")
def test_servers_let_through_together_what_one_would(catalogs: list[Catalog]) -> None:
    async def run() -> None:
        limiters = [limiter_of(catalog, 60) for catalog in catalogs]
        began = time.monotonic()
        through = await passed(limiters, 100)
        assert 60 <= through <= 60 + (time.monotonic() - began) * 1 + 1  # one token a second comes back
        with pytest.raises(Busy, match="More than 60 requests a minute came from you") as busy:
            await limiters[1].take("desk")
        assert busy.value.retry_seconds in (1, 2)
        assert await passes(limiters[1], "another")
        assert await passes(limiter_of(catalogs[1], 60, "wrong keys"))  # counted for itself
        await asyncio.sleep(1.1)
        assert await passed(limiters, 1) == 1

    asyncio.run(run())


@pytest.mark.usefixtures("patient")
def test_a_slow_client_gets_all_that_comes_back(catalogs: list[Catalog]) -> None:
    async def run() -> None:
        limiters = [limiter_of(catalog, 1200) for catalog in catalogs]
        assert await passed(limiters, 600) == 1200
        while await passes(limiters[0]):  # what has come back since
            pass
        for number in range(20):  # twenty a second come back
            await asyncio.sleep(0.06)
            assert await passes(limiters[number % 2])

    asyncio.run(run())


@pytest.mark.usefixtures("patient")
def test_many_clients_of_several_servers_at_once_do_not_stand_in_each_others_way(catalogs: list[Catalog]) -> None:
    async def run() -> int:
        limiters = [limiter_of(catalog, 3) for catalog in catalogs for _ in range(2)]
        names = [f"client{number}" for number in range(40)]
        return sum(await asyncio.gather(*(passed(limiters, 5, name) for name in (*names, *reversed(names)))))

    assert 120 <= asyncio.run(run()) <= 130


@pytest.mark.usefixtures("patient")
def test_an_address_of_any_length_is_counted_and_none_is_stored(catalogs: list[Catalog]) -> None:
    async def run() -> list[bool]:
        limiter = limiter_of(catalogs[0], 1)
        return [await passes(limiter, "203.0.113.7" + "x" * 20_000 + end) for end in ("\0", "\0", "\ud800")]

    assert asyncio.run(run()) == [True, False, True]
    rows = catalogs[0].database.read("SELECT bucket FROM dateline_buckets", (), lambda row: str(row[0]))
    assert len(rows) == 2
    assert "203.0.113" not in "".join(rows)


@pytest.mark.usefixtures("patient")
def test_old_buckets_are_deleted_and_the_rest_is_bounded(
    catalogs: list[Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> int:
        return catalogs[0].database.read("SELECT count(*) FROM dateline_buckets", (), lambda row: int(row[0]))[0]

    async def run() -> None:
        limiter = limiter_of(catalogs[0], 60)
        assert isinstance(limiter, SharedRateLimiter)
        await asyncio.gather(*(limiter.take(f"old{number}") for number in range(10)))
        with catalogs[0].transaction() as db:
            db.execute("UPDATE dateline_buckets SET at = at - interval '61 seconds'")
        await asyncio.gather(*(limiter.take(f"new{number}") for number in range(10)))
        assert names() == 20
        limiter._tidied -= 61
        await limiter.take("new1")
        await asyncio.sleep(0.2)
        assert names() == 10
        monkeypatch.setattr(shared_limits, "MOST_BUCKETS", 4)
        limiter._tidied -= 61
        await limiter.take("new1")
        await asyncio.sleep(0.2)
        assert names() == 4
        assert limiter._buckets["new1"][0] < 58  # the one that is used stays

    asyncio.run(run())


@pytest.mark.usefixtures("patient")
def test_while_postgresql_is_away_each_server_counts_alone_and_goes_on_from_where_it_was(
    catalogs: list[Catalog], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_limits, "AWAY_SECONDS", 0.5)
    for catalog in catalogs:
        monkeypatch.setattr(catalog.database, "pauses", (0.0, 0.1, 0.2))

    async def run() -> None:
        limiters = [limiter_of(catalog, 60) for catalog in catalogs]
        assert await passed(limiters, 24) == 48
        for limiter in limiters:
            assert await passes(limiter)  # ten are left, as both have heard
        monkeypatch.setattr(shared_limits, "ANSWER_SECONDS", 0.5)
        postgres.kill()
        try:
            began = time.monotonic()
            through = await passed(limiters, 100)
            assert time.monotonic() - began < shared_limits.ANSWER_SECONDS + 1
            assert 18 <= through <= 26  # not 60 of each
            with caplog.at_level(logging.WARNING):
                await asyncio.sleep(1.0)
            assert "requests a minute are counted by this server alone for now: The catalogue" in caplog.text
            assert await passed(limiters, 20) <= 6
        finally:
            postgres.start()
        await asyncio.sleep(shared_limits.AWAY_SECONDS + 1)
        through = 0
        began = time.monotonic()
        for _ in range(20):
            through += await passed(limiters, 5, "someone else")
        assert 60 <= through <= 62 + time.monotonic() - began  # together again

    asyncio.run(run())


def test_a_database_that_does_not_answer_in_time_holds_no_request_up(
    catalogs: list[Catalog], url: str, postgres: PostgresServer
) -> None:
    import psycopg

    async def run() -> None:
        limiter = limiter_of(catalogs[0], 60)
        await limiter.take("desk")
        with closing(psycopg.connect(url)) as other:
            other.execute("LOCK TABLE dateline_buckets IN ACCESS EXCLUSIVE MODE")
            for most in (shared_limits.ANSWER_SECONDS + 1, 0.4):  # the next ones do not wait at all
                began = time.monotonic()
                assert await passed([limiter], 5) == 5
                assert time.monotonic() - began < most
        await asyncio.sleep(0.3)
        assert await passed([limiter_of(catalogs[1], 60)], 60) <= 56

    asyncio.run(run())


def test_the_table_is_made_once_and_beside_a_catalogue_that_is_empty(
    catalogs: list[Catalog], url: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    for catalog in catalogs:
        limiter_of(catalog, 60)
    kept = postgres.run("SELECT relpersistence FROM pg_class WHERE relname = 'dateline_buckets'", url=url)
    assert set(kept) == {("u",)}
    tables = catalogs[0].database.tables() - {"dateline_buckets"}
    postgres.run(*(f"DROP TABLE {name}" for name in tables), url=url)
    with closing(Catalog(tmp_path / "c", url=url)) as again:
        assert again.coverage().articles == 0


def test_a_table_that_is_gone_is_as_a_database_that_is_away(catalogs: list[Catalog]) -> None:
    async def run() -> int:
        limiter = limiter_of(catalogs[0], 5)
        with catalogs[0].transaction() as db:
            db.execute("DROP TABLE dateline_buckets")
        return await passed([limiter], 10)

    assert asyncio.run(run()) == 5
    with pytest.raises(StorageError):
        catalogs[0].database.read("SELECT 1 FROM dateline_buckets", (), tuple)
