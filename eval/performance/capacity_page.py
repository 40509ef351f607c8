"""The tables of docs/capacity.md: measured constants, and what follows from them for three sizes of archives."""

from __future__ import annotations

from eval.performance.capacity import (
    FORMS,
    SHARE,
    SIZES,
    Assumed,
    Measured,
    disk,
    hours,
    memory,
    plan,
)
from eval.reporting import outcome
from eval.reporting.published import END
from eval.reporting.tables import NOTHING, Cell, Table, markdown, number

PAGE = outcome.ROOT / "docs" / "capacity.md"
BEGIN = "<!-- made by: python -m eval capacity --write -->"
_GB = 1e9
_FOLDER = "../eval/results/"


def made(measured: Measured, assumed: Assumed) -> str:
    """All tables as Markdown between two marks, each under a line that says what it shows. Raises SettingsError."""
    parts = [
        BEGIN,
        f"Measured on a machine with {measured.cores} cores, which is the machine that is counted below:",
        markdown(constants(measured)),
        f"GB (10⁹ bytes) of vectors of {measured.dim} numbers and of all else, on disk and in memory:",
        markdown(sizes(measured)),
        "Hours to fill the archive. One writer stores at most what the last column says, however many machines embed:",
        markdown(filling(measured, assumed)),
        f"Searches, {SHARE:.0%} of them answered within {assumed.latency_ms:g} ms, on machines with "
        f"{assumed.machine_gb:g} GB of memory of which {assumed.fill:.0%} may be filled:",
        markdown(searching(measured, assumed)),
        "Answers, which do not depend on the size of the archive, at full load and without a limit of latency:",
        markdown(answering(measured, assumed)),
        END,
    ]
    return "\n\n".join(parts)


def constants(measured: Measured) -> Table:
    """The measured constants, each linked to the result that holds it."""
    one, held = disk(measured, 1, "float16"), memory(measured, 1, "float16")
    large, small = f"{measured.large:,.0f}", f"{measured.small:,.0f}"
    rows = (
        ("text and spans in the catalogue, bytes a passage", measured.catalogue, "bench-size"),
        ("vector in the catalogue (float16), bytes a passage", measured.stored_vector, "bench-size"),
        ("ids and filters of the vector index, bytes a passage", measured.filters, "bench-size"),
        ("words, bytes a passage", measured.words, "bench-size"),
        ("graph of Chroma with its vectors (float32), bytes a passage", measured.graph_files, "bench-size"),
        ("… by the formula of the model", one.chroma, ""),
        ("graph that is read into memory with its vectors (float16), bytes a passage", measured.kept, "bench-size"),
        ("… by the formula of the model", one.kept, ""),
        ("memory of a process that searches, bytes a passage", measured.reading, "bench-size"),
        ("… by the formulas of the model, without the rest", held.total - held.rest, ""),
        ("memory of a server without an archive, GB", measured.server_mb / 1000, "load"),
        ("ingest with the packaged embedder, passages a second", measured.embedded, "bench-ingest"),
        (f"ingest without an embedder up to {large} passages, passages a second", measured.stored, "bench-query"),
        (f"search over {small} passages, median ms", measured.search_small_ms, "bench-query"),
        (f"search over {large} passages, median ms", measured.search_large_ms, "bench-query"),
        ("… grows with passages to the power of", measured.exponent, "bench-query"),
        ("searches a second over HTTP in a small archive", measured.searches, "load"),
        ("answers a second, taken from the articles' sentences", measured.extracted, "load"),
        ("answers a second, written by the packaged model", measured.written, "load"),
    )
    return Table(
        (Cell("measured"), Cell("value")),
        tuple((Cell(name, link=f"{_FOLDER}{file}.json" if file else ""), Cell(number(v))) for name, v, file in rows),
    )


def sizes(measured: Measured) -> Table:
    """GB on disk and in memory, by passages and form of the vectors."""
    heads = (
        "passages, vectors in", "disk: Chroma", "kept", "filters", "words", "catalogue", "all",
        "memory: vectors", "graph", "words", "rest", "all",
    )  # fmt: skip
    rows = []
    for passages, form in _cases():
        on_disk, held = disk(measured, passages, form), memory(measured, passages, form)
        bytes_of = (
            on_disk.chroma, on_disk.kept, on_disk.filters, on_disk.words, on_disk.catalogue, on_disk.total,
            held.vectors, held.graph, held.words, held.rest, held.total,
        )  # fmt: skip
        rows.append((Cell(f"{passages:,}, {form}"), *(Cell(number(value / _GB)) for value in bytes_of)))
    return Table(tuple(map(Cell, heads)), tuple(rows))


def filling(measured: Measured, assumed: Assumed) -> Table:
    """Hours to embed with one and several machines, and to store with one writer; with a price also the cost."""
    heads = ["passages", "embed, 1 machine", f"embed, {assumed.ingest_machines} machines", "store, 1 writer"]
    rows = []
    for passages in SIZES:
        alone = hours(passages, measured.embedded)
        several = hours(passages, measured.embedded, assumed.ingest_machines)
        cells = [alone, several, hours(passages, measured.stored)]
        cells += [] if assumed.machine_price is None else [alone * assumed.machine_price]
        rows.append((Cell(f"{passages:,}"), *(Cell(number(value)) for value in cells)))
    heads += [] if assumed.machine_price is None else ["cost of embedding"]
    return Table(tuple(map(Cell, heads)), tuple(rows))


def searching(measured: Measured, assumed: Assumed) -> Table:
    """Shards, time of a search in one, searches a second, and machines for the assumed searches a second."""
    heads = [
        "passages, vectors in", "machines that hold it once", "search in one, median ms", "searches a second of these",
        f"machines for {assumed.queries:g} a second", "machine-hours a month",
    ]  # fmt: skip
    heads += [] if assumed.machine_price is None else ["cost a month"]
    rows = []
    for passages, form in _cases():
        one = plan(measured, assumed, passages, form)
        cells = [f"{one.shards:,}", number(one.shard_ms), number(one.queries) if one.queries else NOTHING]
        cells += [f"{one.machines:,}" if one.machines is not None else NOTHING, number(one.machine_hours)]
        if assumed.machine_price is not None:
            cells.append(NOTHING if one.machine_hours is None else number(one.machine_hours * assumed.machine_price))
        rows.append((Cell(f"{passages:,}, {form}"), *map(Cell, cells)))
    return Table(tuple(map(Cell, heads)), tuple(rows))


def answering(measured: Measured, assumed: Assumed) -> Table:
    """Answers a second of a machine, and machines for as many answers a second as there are searches."""
    rows = (("taken from the articles' sentences", measured.extracted), ("packaged model", measured.written))
    return Table(
        (Cell("answers"), Cell("a second of a machine"), Cell(f"machines for {assumed.queries:g} a second")),
        tuple((Cell(name), Cell(number(r)), Cell(f"{-(-assumed.queries // r):,.0f}")) for name, r in rows),
    )


def _cases() -> list[tuple[int, str]]:
    return [(passages, form) for passages in SIZES for form in FORMS]
