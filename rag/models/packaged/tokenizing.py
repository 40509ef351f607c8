"""Texts to token ids, as the packaged embedding models read them. The only import of tokenizers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from rag.models.packaged.bert_weights import Pieces
from rag.models.packaged.unigram import MappedVocabulary

# A mapped vocabulary reads a question of 85 characters in 2 to 3 ms; the loaded one takes .1 ms and 700 ms to load.
_MAPPED_TEXTS, _MAPPED_CHARS = 8, 400


class Tokens(Protocol):
    """What reads texts for an encoder. Safe for many threads."""

    def ids(self, text: str) -> list[int]:
        """The ids of a text between those of its begin and end, at most as many as the encoder takes."""
        ...


class LoadedTokens:
    """A tokenizer in memory."""

    def __init__(self, tokenizer: Any, most: int) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(most)
        self._tokenizer.no_padding()

    def ids(self, text: str) -> list[int]:
        """See Tokens."""
        found: list[int] = self._tokenizer.encode(text).ids
        return found


class SparingTokens:
    """Reads a few short texts from a mapped vocabulary, and loads the tokenizer for more, or for a long one."""

    def __init__(self, vocabulary: MappedVocabulary, load: Callable[[], LoadedTokens], most: int) -> None:
        """`load` gives the tokenizer with the same vocabulary, of which both give the same ids."""
        self._vocabulary, self._load, self._most = vocabulary, load, most
        self._normalizer, self._divider = _normalizer(), _divider()
        self._left = _MAPPED_TEXTS
        self._loaded: LoadedTokens | None = None
        self._loading = threading.Lock()

    def ids(self, text: str) -> list[int]:
        """See Tokens."""
        if self._loaded is None and self._left > 0 and len(text) <= _MAPPED_CHARS:
            self._left -= 1
            return self._mapped(text)
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
        return self._loaded.ids(text)

    def _mapped(self, text: str) -> list[int]:
        known = self._vocabulary
        words = self._divider.pre_tokenize_str(self._normalizer.normalize_str(text))
        found = [number for word, _ in words for number in known.ids(word)]
        return [known.begin, *found[: self._most - 2], known.end]


def tokenizer_of(content: bytes) -> Any:
    """A tokenizer from the content of its JSON file."""
    from tokenizers import Tokenizer

    return Tokenizer.from_buffer(content)


def unigram_tokenizer(vocabulary: Pieces) -> Any:
    """The tokenizer of XLM-RoBERTa: NMT and NFKC normalisation, single spaces, words marked by U+2581."""
    from tokenizers import Tokenizer, models, processors

    pairs = list(zip(vocabulary.pieces, vocabulary.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(pairs, unk_id=vocabulary.unknown, byte_fallback=False))
    tokenizer.normalizer, tokenizer.pre_tokenizer = _normalizer(), _divider()
    begin, end = vocabulary.pieces[vocabulary.begin], vocabulary.pieces[vocabulary.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, vocabulary.begin), (end, vocabulary.end)],
    )
    return tokenizer


def _normalizer() -> Any:
    from tokenizers import Regex, normalizers

    return normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])


def _divider() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
