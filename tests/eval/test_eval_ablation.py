"""The ablation: its first variant ranks as the product does, each other one differs in what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import WordEmbedder
from small_set import crowded_set, embed_words, small_set

from eval.ablation import fusion as ablation
from eval.ablation.fusion import VARIANTS, WEIGHTS, Fetch, Variant
from eval.cli import main
from eval.experiments import retrieval
from eval.reporting import journal, outcome
from eval.reporting.progress import silent
from rag.models.cards import MINILM
from rag.settings import Settings

PRODUCT, AS_THEY_ARE, MIN_MAX, NOT_COMPLETED, DEEP = VARIANTS
EMBEDDER = WordEmbedder(MINILM.name)  # the name decides from which cosine on texts count as related


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    folder = tmp_path_factory.mktemp("crowd")
    settings = Settings(data_dir=folder, llm="none")
    return ablation.fetch(crowded_set(folder / "set"), folder / "out", settings, EMBEDDER, 1, None, silent)


@pytest.mark.parametrize(("system", "weight"), [("dateline", MINILM.dense_weight), ("dense", 1.0), ("words", 0.0)])
def test_the_first_variant_ranks_as_the_product_does(found: Fetch, tmp_path: Path, system: str, weight: float) -> None:
    settings = Settings(data_dir=tmp_path, llm="none")
    retrieval.run(found.data, tmp_path, settings, EMBEDDER, systems=[system])
    _, *rows = journal.read(tmp_path / f"ranked_{system}.jsonl")
    ours = ablation.ranked(found, PRODUCT, weight)
    assert {row["id"]: [article for article, _ in row["ranked"]] for row in rows} == {
        key: [article for article, _ in ranking] for key, ranking in ours.items()
    }


# With more candidates that all have both scores, the best ones are the product's as long as it has found them too.
DEEPER = [one for one in VARIANTS if one.deep and one.completed and one.normalised is PRODUCT.normalised]


@pytest.mark.parametrize(
    "variant", [one for one in VARIANTS[1:] if one not in DEEPER], ids=lambda variant: str(variant.name)
)
def test_each_variant_scores_otherwise_than_the_product(found: Fetch, variant: Variant) -> None:
    assert ablation.ranked(found, variant, 0.5) != ablation.ranked(found, PRODUCT, 0.5)


def test_what_is_done_to_the_scores() -> None:
    dense, sparse = {1: 0.9, 2: 0.7}, {1: 2.0, 3: 6.0}
    assert PRODUCT.normalised(dense, sparse, 0.5) == ({1: pytest.approx(0.4), 2: pytest.approx(0.2)}, sparse)
    assert AS_THEY_ARE.normalised(dense, sparse, 0.5) == (dense, sparse)
    assert MIN_MAX.normalised(dense, sparse, 0.5) == ({1: pytest.approx(0.2), 2: 0.0}, {1: 0.0, 3: 4.0})
    assert MIN_MAX.normalised({1: 0.3}, {}, 0.5) == ({1: 1.0}, {})


def test_depth_and_completion(found: Fetch) -> None:
    for key, shallow in found.shallow.items():
        assert len(shallow.dense) == 60
        assert len(shallow.dense) < len(shallow.all_dense) < len(found.deep[key].dense)
        assert set(shallow.all_sparse) > set(shallow.sparse)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    embed_words(monkeypatch)
    folders = [small_set(tmp_path / name).folder for name in ("one", "two")]
    assert main(["ablation", "--data", *map(str, folders), "--out", str(tmp_path / "out"), "--limit", "2"]) == 0
    printed = capsys.readouterr().out
    for title in ("one, Success@1 (n=2)", "two, nDCG@10 (n=2)", "product: from unrelated, / max"):
        assert title in printed
    rows = outcome.load(tmp_path / "out")["rows"]
    assert len(rows) == 2 * len(ablation.MEASURES) * len(VARIANTS) * len(WEIGHTS)
    (folders[0] / "qrels_test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    assert main(["ablation", "--data", str(folders[0]), "--out", str(tmp_path / "out")]) == 2
    assert "names no relevant article" in capsys.readouterr().err
