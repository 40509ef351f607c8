"""Capacity on paper: bytes, hours, queries a second and machines of archives larger than the project can fill.

Constants are read from published results; what no result holds is a parameter. Lengths are in bytes, GB are 10^9 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.performance import size
from eval.performance.bench import OURS
from eval.reporting import outcome
from rag.errors import SettingsError

SIZES = (10**5, 10**7, 10**9)  # passages
# Bytes of each number of a vector in memory. The catalogue holds every vector in float16 besides, from which an index
# is rebuilt, and from which the candidates that 1 bit a number finds are scored again.
FORMS = {"float32": 4.0, "float16": 2.0, "int8": 1.0, "1 bit, rescored": 1 / 8}
NEIGHBOURS = 20  # of a vector in each upper layer of the graph (M of HNSW): those of Chroma's and of the one in memory
MONTH = 730  # hours: 365 · 24 / 12
_GB = 1e9
_LINK = 4  # bytes of a link and of the length of a list of links
# Of each vector in the files of hnswlib (hnswalg.h of Chroma's fork), beside its numbers and links: label 8, norm 4,
# length of the upper lists 4. Of each in FAISS (HNSW.h), in memory and in its file: where its links begin 8, level 4;
# and beside it the columns of which filters ask, key 8, article 8, day 4, outlet 4, language 4, whether it is live 1,
# and what tells equal vectors, node 4, digest 8, node of the digest 4.
_RECORD_OF_CHROMA, _RECORD_OF_FAISS = 16, 12 + 29 + 16
SHARE = 0.95  # of the queries that are answered within the latency


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one machine, which is also the machine that is counted in `Plan`."""

    cores: int
    dim: int  # numbers of a vector
    catalogue: float  # bytes a passage: its text, without the vector
    stored_vector: float  # bytes a passage: its vector in the catalogue
    filters: float  # bytes a passage: ids, and values to filter by, beside the graph
    words: float  # bytes a passage
    graph_files: float  # bytes a passage of Chroma's graph with float32 vectors: what `disk` must explain
    kept: float  # bytes a passage of the graph that is read into memory, with float16 vectors: the same
    reading: float  # bytes a passage in the memory of a process that searches, with float16 vectors
    embedded: float  # passages a second from article to searchable, with the packaged embedder
    stored: float  # passages a second of the same without an embedder
    small: float  # passages of the smaller archive that was searched
    search_small_ms: float  # median of a search in it
    large: float
    search_large_ms: float
    exponent: float  # b of milliseconds = a · passages^b
    searches: float  # a second over HTTP, question embedded, in a small archive, clients on the same machine
    server_mb: float  # memory of a server of a small archive
    extracted: float  # answers a second, taken from the articles' sentences
    written: float  # answers a second, written by the packaged model


@dataclass(frozen=True, slots=True)
class Assumed:
    """What the reader decides. `machine_price` is what a machine costs an hour, in any currency; None where unknown."""

    machine_gb: float = 16.0
    fill: float = 0.7  # share of a machine's memory that may be filled: the rest is for growth and a rebuild
    latency_ms: float = 500.0  # within which SHARE of the searches are answered
    queries: float = 10.0  # a second
    ingest_machines: int = 10
    machine_price: float | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes on disk."""

    chroma: float  # its graph with float32 vectors
    kept: float  # the graph that is read into memory, with its vectors
    filters: float
    words: float
    catalogue: float  # with its float16 vectors

    @property
    def total(self) -> float:
        """Bytes of all parts."""
        return self.chroma + self.kept + self.filters + self.words + self.catalogue


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in memory for quick searches: graph and vectors are random reads, words are read through the page cache."""

    vectors: float
    graph: float
    words: float
    rest: float  # what was measured beside them, such as caches

    @property
    def total(self) -> float:
        """Bytes of all parts."""
        return self.vectors + self.graph + self.words + self.rest


@dataclass(frozen=True, slots=True)
class Plan:
    """The machines of an archive. Where no number of machines keeps the latency, `machines` is None."""

    shards: int  # machines that hold the index once
    shard_ms: float  # median of a search in one of them
    queries: float  # a second that the index, held once, serves within the latency
    machines: int | None  # for the assumed queries a second, faces included

    @property
    def machine_hours(self) -> float | None:
        """Machine-hours a month."""
        return None if self.machines is None else float(self.machines * MONTH)


def links(neighbours: int, *, counted: bool) -> float:
    """Average bytes of the links of a vector in an HNSW graph as hnswlib stores them, `counted`, or FAISS, which does
    not store their number.

    The bottom layer has room for 2M links and their number. A vector is in the layer above with probability 1/M, in the
    next one with 1/M², and so on, 1/(M-1) layers on average (level = floor(-ln(random) / ln(M))), each with room for M
    links and their number. Malkov and Yashunin (2016, arXiv 1603.09320, 4.2.3) give (2M + M/ln(M)) links, which counts
    the upper layers before rounding down.
    """
    bottom = _LINK * (2 * neighbours + counted)
    above = _LINK * (neighbours + counted) / (neighbours - 1)
    return bottom + above


def disk(measured: Measured, passages: float, form: str) -> Disk:
    """Bytes on disk with vectors of a form in FORMS in memory."""
    of_chroma = measured.dim * FORMS["float32"] + links(NEIGHBOURS, counted=True) + _RECORD_OF_CHROMA
    return Disk(
        chroma=passages * of_chroma,
        kept=passages * (measured.dim * FORMS[form] + _graph_in_memory()),
        filters=passages * measured.filters,
        words=passages * measured.words,
        catalogue=passages * (measured.catalogue + measured.stored_vector),
    )


def memory(measured: Measured, passages: float, form: str) -> Memory:
    """Bytes in memory with vectors of a form in FORMS, without processes; the catalogue is read from disk by key.

    The rest is what a process was measured to hold beside float16 vectors, graph and words; for other forms the same.
    """
    reckoned = measured.dim * FORMS["float16"] + _graph_in_memory() + measured.words
    return Memory(
        vectors=passages * measured.dim * FORMS[form],
        graph=passages * _graph_in_memory(),
        words=passages * measured.words,
        rest=passages * max(0.0, measured.reading - reckoned),
    )


def _graph_in_memory() -> float:
    """Bytes of each vector in FAISS, beside its numbers."""
    return links(NEIGHBOURS, counted=False) + _RECORD_OF_FAISS


def hours(passages: float, rate: float, machines: int = 1) -> float:
    """Hours for so many passages at a rate a second of each machine."""
    return passages / (rate * machines * 3600)


def search_ms(measured: Measured, passages: float) -> float:
    """Median milliseconds of a search, from the largest archive that was measured: larger ones are extrapolated."""
    return measured.search_large_ms * math.pow(passages / measured.large, measured.exponent)


def rate_within(service_ms: float, latency_ms: float, share: float = SHARE) -> float:
    """Queries a second of which this share is answered within the latency; 0 where one alone takes too long.

    The response time of a queue with one server, arrivals at random and random service times (M/M/1) is exponential
    with the rate μ-λ, so λ = μ - ln(1/(1-share)) / latency. Real service times vary less: this is on the safe side.
    """
    return max(0.0, 1000 / service_ms - 1000 * math.log(1 / (1 - share)) / latency_ms)


def plan(measured: Measured, assumed: Assumed, passages: float, form: str) -> Plan:
    """The machines for an archive. Raises SettingsError when a machine cannot hold the server alone.

    Where one machine holds the index, each machine does everything. Otherwise faces ask every shard and wait for the
    slowest: faces and shards have half of the latency each, and each meets it so often that both do with SHARE.
    """
    room = assumed.fill * assumed.machine_gb * _GB - measured.server_mb * 1e6
    if room <= 0:
        raise SettingsError(
            f"--machine-gb {assumed.machine_gb:g} with --fill {assumed.fill:g} is less than the "
            f"{measured.server_mb / 1000:.2f} GB that a server takes without an archive. Name a larger machine."
        )
    shards = math.ceil(memory(measured, passages, form).total / room)
    shard_ms = search_ms(measured, passages / shards)
    face_ms = 1000 / measured.searches
    if shards == 1:
        growth = max(0.0, shard_ms - measured.search_small_ms)  # the rate over HTTP holds the search of a small archive
        rate = rate_within(face_ms + growth, assumed.latency_ms)
        return Plan(1, shard_ms, rate, math.ceil(assumed.queries / rate) if rate else None)
    both = (1 + SHARE) / 2  # each fails in half of the cases that may fail, so together they fail in no more
    face = rate_within(face_ms, assumed.latency_ms / 2, both)
    shard = rate_within(shard_ms, assumed.latency_ms / 2, both ** (1 / shards))
    if not face or not shard:
        return Plan(shards, shard_ms, shard, None)
    return Plan(
        shards, shard_ms, shard, math.ceil(assumed.queries / face) + shards * math.ceil(assumed.queries / shard)
    )


def measured_in(folder: Path) -> Measured:
    """The constants from the published results in a folder. Raises SettingsError naming what is missing."""
    sizes, query, load, ingest = (
        _Result(folder / f"{name}.json") for name in ("bench-size", "bench-query", "load", "bench-ingest")
    )
    points = query.part("growth")[f"{OURS} p50"]
    (small, small_ms), (large, large_ms) = points[0], points[-1]
    return Measured(
        cores=query.part("machine")["cores"],
        dim=sizes.part("data")["numbers a vector"],
        catalogue=sizes.value(size.CATALOGUE),
        stored_vector=sizes.value(size.STORED_VECTORS),
        filters=sizes.value(size.BESIDE_GRAPH),
        words=sizes.value(size.WORDS),
        graph_files=sizes.value(size.GRAPH_FILES),
        kept=sizes.value(size.KEPT),
        reading=sizes.value(size.MEMORY),
        embedded=ingest.value("passages a second"),
        stored=large / query.value(f"fill s at {large:,.0f}"),
        small=small,
        search_small_ms=small_ms,
        large=large,
        search_large_ms=large_ms,
        exponent=query.part("slopes")[f"{OURS} p50"],
        searches=load.value("requests a second", "search"),
        server_mb=load.value("memory MB at start", "search"),
        extracted=load.value("requests a second", "extraction"),
        written=load.value("requests a second", "model"),
    )


class _Result:
    """A published result whose parts must be there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: Mapping[str, Any] = outcome.load(path)

    def value(self, measure: str, system: str = OURS) -> float:
        for row in self._found["rows"]:
            if row["measure"] == measure and row["system"] == system:
                return float(row["value"])
        raise self._lacks(f"'{measure}' of {system}")

    def part(self, name: str) -> Any:
        if name not in self._found:
            raise self._lacks(f"'{name}'")
        return self._found[name]

    def _lacks(self, what: str) -> SettingsError:
        return SettingsError(f"{self._path} has no {what}. Measure it with python -m eval bench, then eval keep.")
