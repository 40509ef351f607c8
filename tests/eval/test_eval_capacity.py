"""Capacity on paper: formulas at values that a reader can compute, the graph beside Chroma's files, the page."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.cli import main
from eval.datasets import generated
from eval.performance import capacity, capacity_page, size
from eval.performance.capacity import Assumed, Measured
from eval.reporting import published
from rag.archive.indexes import memory_vectors, vector_graph, vector_index
from rag.errors import SettingsError
from rag.settings import Settings

OF_CHROMA = 32 + 164 + 84 / 19 + 16
GRAPH_IN_MEMORY = 160 + 80 / 19 + 12 + 29 + 16
# Numbers to compute with: 8 numbers a vector, 100 bytes of text; a search of 10 ms that takes twice as long over four
# times the passages; a face that serves 100 searches a second.
MEASURED = Measured(
    cores=2, dim=8, catalogue=100, stored_vector=16, filters=10, words=40, graph_files=0, kept=0,
    reading=16 + GRAPH_IN_MEMORY + 40 + 20,  # 20 bytes beside float16 vectors, graph and words
    embedded=10, stored=100, small=1_000, search_small_ms=1, large=100_000, search_large_ms=10, exponent=0.5,
    searches=100, server_mb=1_000, extracted=5, written=0.2,
)  # fmt: skip
LATENCY = 100 * math.log(20)  # ms: 95% of the queries are answered within it while 10 a second stay free


def test_links_by_hand() -> None:
    # Four links and their number of 4 bytes each below; above two links and their number, in 1/2 + 1/4 + … = 1 layer.
    assert capacity.links(2, counted=True) == pytest.approx(5 * 4 + 3 * 4)
    assert capacity.links(20, counted=True) == pytest.approx(41 * 4 + 21 * 4 / 19)
    assert capacity.links(20, counted=False) == pytest.approx(40 * 4 + 20 * 4 / 19)


@pytest.mark.parametrize(("form", "numbers"), [("float32", 32), ("float16", 16), ("int8", 8), ("1 bit, rescored", 1)])
def test_bytes_by_hand(form: str, numbers: int) -> None:
    disk, memory = capacity.disk(MEASURED, 10, form), capacity.memory(MEASURED, 10, form)
    assert (disk.filters, disk.words, disk.catalogue) == (100, 400, 1_160)
    assert disk.chroma == pytest.approx(10 * OF_CHROMA)
    assert disk.kept == pytest.approx(10 * (numbers + GRAPH_IN_MEMORY))
    assert disk.total == pytest.approx(10 * (OF_CHROMA + numbers + GRAPH_IN_MEMORY + 10 + 40 + 116))
    assert memory.total == pytest.approx(10 * (numbers + GRAPH_IN_MEMORY + 40 + 20))


def test_hours_and_milliseconds_by_hand() -> None:
    assert capacity.hours(72_000, 10) == pytest.approx(2)
    assert capacity.hours(72_000, 10, machines=4) == pytest.approx(0.5)
    assert capacity.search_ms(MEASURED, 400_000) == pytest.approx(20)
    assert capacity.search_ms(MEASURED, 25_000) == pytest.approx(5)


def test_searches_a_second_within_a_latency_by_hand() -> None:
    assert capacity.rate_within(10, LATENCY) == pytest.approx(100 - 10)
    assert capacity.rate_within(10, LATENCY / 5) == pytest.approx(100 - 50)
    assert capacity.rate_within(10, LATENCY / 11) == 0


def test_a_small_archive_is_on_every_machine() -> None:
    # A face answers in 10 ms with the search of a small archive in it, 1 ms; 100,000 passages take 9 ms more: 19 ms.
    plan = capacity.plan(MEASURED, Assumed(latency_ms=LATENCY, queries=100), 100_000, "float32")
    assert (plan.shards, plan.shard_ms) == (1, pytest.approx(10))
    assert plan.queries == pytest.approx(1000 / 19 - 10)
    assert plan.machines == math.ceil(100 / (1000 / 19 - 10)) == 3
    assert plan.machine_hours == 3 * 730


def test_an_archive_that_fits_on_no_machine_is_divided() -> None:
    each = 32 + GRAPH_IN_MEMORY + 40 + 20
    # Room for 400,000 passages and one more, and as many GB for the server as it takes.
    small = Assumed(machine_gb=1 + 400_001 * each / 1e9, fill=1, latency_ms=1_000, queries=10)
    plan = capacity.plan(MEASURED, small, 800_000, "float32")
    assert (plan.shards, plan.shard_ms) == (2, pytest.approx(20))
    # Each shard keeps half a second with a probability whose square is .975, the faces with .975.
    assert plan.queries == pytest.approx(50 - 2 * math.log(1 / (1 - math.sqrt(0.975))))
    assert plan.machines == 1 + 2
    assert capacity.plan(MEASURED, replace(small, queries=60), 800_000, "float32").machines == 1 + 2 * 2
    assert capacity.plan(MEASURED, replace(small, queries=95), 800_000, "float32").machines == 2 + 2 * 3


@pytest.mark.parametrize("passages", [100_000, 10**9])
def test_a_latency_that_no_number_of_machines_keeps(passages: int) -> None:
    plan = capacity.plan(MEASURED, Assumed(latency_ms=20), passages, "float32")
    assert (plan.queries, plan.machines, plan.machine_hours) == (0, None, None)


def test_a_machine_that_cannot_hold_a_server_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"--machine-gb 1 with --fill 0\.7 is less than the 1\.00 GB that a server"):
        capacity.plan(MEASURED, Assumed(machine_gb=1), 1, "float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, float]]:
    """A closed archive of so many passages that Chroma writes its graph, and what filled it returned."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory_vectors, "_KEPT_FROM", 100)
        return folder, size._fill(folder, Settings(data_dir=folder, llm="none"), None, 1_200, None)


def test_the_formula_of_the_graph_is_that_of_chromas_files(archive: tuple[Path, Mapping[str, float]]) -> None:
    assert vector_index._HNSW["max_neighbors"] == capacity.NEIGHBOURS
    files = {path.name: path.stat().st_size for path in (archive[0] / "vectors").rglob("*.bin")}
    vectors, rest = divmod(files["length.bin"], 4)
    assert vectors >= 1_000
    assert rest == 0
    # Room for 40 links and their number, the numbers of the vector, its label.
    assert files["data_level0.bin"] == vectors * (164 + 4 * generated.DIM + 8)
    upper_lists = (files["link_lists.bin"] - 4 * vectors) / 84
    assert upper_lists == pytest.approx(vectors / 19, rel=0.3)
    one = capacity.disk(replace(MEASURED, dim=generated.DIM), vectors, "float32")
    written = sum(files[name] for name in ("data_level0.bin", "length.bin", "link_lists.bin"))
    assert one.chroma == pytest.approx(written, rel=0.01)


def test_the_formula_of_the_graph_in_memory_is_that_of_the_files_kept(
    archive: tuple[Path, Mapping[str, float]],
) -> None:
    assert vector_graph._LINKS == capacity.NEIGHBOURS
    written = sum(path.stat().st_size for path in (archive[0] / "graph").iterdir() if path.suffix != ".json")
    one = capacity.disk(replace(MEASURED, dim=generated.DIM), archive[1][size.PASSAGES], "float16")
    assert one.kept == pytest.approx(written, rel=0.02)


def test_the_parts_of_an_archive_are_all_its_files(archive: tuple[Path, Mapping[str, float]]) -> None:
    folder, filled = archive
    passages = int(filled[size.PASSAGES])
    parts = size.parts(folder, passages, generated.DIM)
    marks = {"index.lock", "ingest.lock", "indexes.closed"}
    whole = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name not in marks)
    assert sum(parts.values()) * passages == pytest.approx(whole)
    assert min(parts.values()) > 0
    assert parts[size.CATALOGUE] > filled[size.TEXT]  # the catalogue holds the text itself


def test_what_is_measured_of_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "size", "--sizes", "120", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    found = json.loads((tmp_path / "result.json").read_text())
    values = {row["measure"]: row["value"] for row in found["rows"]}
    assert values[size.PASSAGES] >= 120
    assert values[size.STORED_VECTORS] == 2 * found["data"]["numbers a vector"]
    assert size.MEMORY in values


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="elsewhere the peak is taken")
def test_the_memory_of_a_process_is_what_it_holds_now() -> None:
    before = size.resident_bytes()
    held = np.ones(10_000_000)
    assert size.resident_bytes() - before == pytest.approx(held.nbytes, rel=0.2)
    del held
    assert size.resident_bytes() - before < 16_000_000


def copied(folder: Path, change: Any) -> Path:
    """The published results with `change` applied to that of bench size."""
    shutil.copytree(published.FOLDER, folder)
    path = folder / "bench-size.json"
    result = json.loads(path.read_text())
    change(result)
    path.write_text(json.dumps(result))
    return folder


def test_constants_are_those_of_the_results(tmp_path: Path) -> None:
    def double(result: dict[str, Any]) -> None:
        for row in result["rows"]:
            row["value"] *= 2 if row["measure"] == size.WORDS else 1

    one, other = capacity.measured_in(published.FOLDER), capacity.measured_in(copied(tmp_path / "results", double))
    assert other == replace(one, words=2 * one.words)
    rows = json.loads((published.FOLDER / "load.json").read_text())["rows"]
    (rate,) = (row["value"] for row in rows if (row["system"], row["measure"]) == ("search", "requests a second"))
    assert one.searches == rate


def test_a_result_that_lacks_a_measure_is_named(tmp_path: Path) -> None:
    folder = copied(tmp_path / "results", lambda result: result["rows"].clear())
    with pytest.raises(SettingsError, match=r"bench-size\.json has no 'catalogue .*' of dateline\. Measure it with"):
        capacity.measured_in(folder)
    (folder / "load.json").unlink()
    with pytest.raises(SettingsError, match=r"load\.json is not a result"):
        capacity.measured_in(folder)


def test_the_page_says_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    shown = published.made_part(capacity_page.PAGE.read_text(encoding="utf-8"), capacity_page.BEGIN)
    assert main(["capacity"]) == 0
    assert capsys.readouterr().out == f"{shown}\n", "run: python -m eval capacity --write"


def test_a_cost_is_shown_for_a_price_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity"]) == 0
    assert "cost" not in capsys.readouterr().out
    assert main(["capacity", "--machine-price", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # The index of 100,000 passages is on one machine: 730 hours at half a unit.
    (line,) = (one for one in lines if one.startswith("| 100,000, float32 | 1 |"))
    assert line.endswith("| 730 | 365 |")
    assert any(line.endswith("| cost of embedding |") for line in lines)


def test_other_assumptions_change_the_tables_but_not_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{capacity_page.BEGIN}\nold\n{published.END}\nafter\n")
    monkeypatch.setattr(capacity_page, "PAGE", page)
    assert main(["capacity", "--write", "--queries", "100", "--machine-gb", "64"]) == 2
    assert "Leave out --machine-gb, --queries." in capsys.readouterr().err
    assert "old" in page.read_text()
    assert main(["capacity", "--write"]) == 0
    assert page.read_text() == (
        f"before\n{capacity_page.made(capacity.measured_in(published.FOLDER), Assumed())}\nafter\n"
    )
    capsys.readouterr()
    assert main(["capacity", "--queries", "100", "--machine-gb", "64"]) == 0
    assert "machines for 100 a second" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--latency-ms", "-1"], "'-1' is not a number above 0"),
        (["--machine-gb", "nan"], "'nan' is not a number above 0"),
        (["--queries", "inf"], "'inf' is not a number above 0"),
        (["--machine-price", "free"], "'free' is not a number above 0"),
        (["--ingest-machines", "0"], "'0' is not a whole number from 1 on"),
        (["--fill", "1.5"], "--fill is 1.5, expected a share up to 1"),
        (["--machine-gb", "1"], "Name a larger machine"),
    ],
)
def test_assumptions_that_make_no_sense(option: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["capacity", *option])
    except SystemExit as ended:  # argparse's own
        code = int(ended.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err
