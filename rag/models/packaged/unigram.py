"""The token ids of a few short texts, from a vocabulary that is mapped into memory instead of being loaded.

`tokenizers` builds a trie and a table of the 250,000 pieces of multilingual-e5-small before it reads the first text:
0.7 CPU seconds, of which a command that asks one question uses next to nothing. Normalisation and the division into
words are those of `tokenizers` itself; only the search for the likeliest pieces is here, in its order of additions and
with its rule for ties, so that the ids are the same.

The file: number of pieces, ids of the unknown piece, the begin and the end of a text, i32; then the pieces in the order
of their UTF-8 bytes: ids i32, scores f32, offsets i32 (one more than pieces), bytes. Little-endian.
"""

from __future__ import annotations

import json
import mmap
import struct
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_HEAD = struct.Struct("<4i")
_UNKNOWN_PENALTY = 10.0  # by which an unknown character is less likely than the least likely piece
_AFTER_ALL = b"\xff"  # no piece in UTF-8 has this byte


def packed(tokenizer: bytes) -> bytes:
    """The file for the vocabulary of a Unigram tokenizer, from the content of the JSON file of `tokenizers`."""
    described = json.loads(tokenizer)
    pieces = [(piece.encode(), number, score) for number, (piece, score) in enumerate(described["model"]["vocab"])]
    pieces.sort()
    ends = [one["SpecialToken"]["id"] for one in described["post_processor"]["single"] if "SpecialToken" in one]
    begin, end = (described["post_processor"]["special_tokens"][name]["ids"][0] for name in ends)
    return b"".join(
        [
            _HEAD.pack(len(pieces), described["model"]["unk_id"], begin, end),
            np.array([number for _, number, _ in pieces], dtype="<i4").tobytes(),
            np.array([score for _, _, score in pieces], dtype="<f4").tobytes(),
            np.cumsum([0, *(len(piece) for piece, _, _ in pieces)]).astype("<i4").tobytes(),
            *(piece for piece, _, _ in pieces),
        ]
    )


class MappedVocabulary:
    """The pieces of a file that `packed` made, as a sorted sequence of bytes. Safe for many threads."""

    def __init__(self, file: Path) -> None:
        """Raises OSError, ValueError."""
        with file.open("rb") as stream:
            self._content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self._size, self.unknown, self.begin, self.end = _HEAD.unpack_from(self._content)
        arrays = np.frombuffer(self._content, dtype="<i4", count=3 * self._size + 1, offset=_HEAD.size)
        self._ids, scores, self._offsets = np.split(arrays, [self._size, 2 * self._size])
        self._scores = scores.view("<f4")
        self._first = _HEAD.size + arrays.nbytes
        self._unknown_score = float(self._scores.min()) - _UNKNOWN_PENALTY

    def __len__(self) -> int:
        return int(self._size)

    def __getitem__(self, place: int) -> bytes:
        begin, end = self._offsets[place : place + 2].tolist()
        return self._content[self._first + begin : self._first + end]

    def ids(self, word: str) -> list[int]:
        """The ids of the likeliest pieces of a word; neighbouring unknown characters are one."""
        best: list[tuple[float, int, int]] = [(0.0, 0, 0)]  # by end: score, begin, id
        best += [(-np.inf, -1, -1)] * len(word)
        for begin in range(len(word)):
            found = self._prefixes(word, begin)
            if not found or found[0][0] != begin + 1:
                found.insert(0, (begin + 1, self._unknown_score, self.unknown))
            for end, score, number in found:
                total = best[begin][0] + score
                if total > best[end][0]:
                    best[end] = total, begin, number
        return self._path(best)

    def _prefixes(self, word: str, begin: int) -> list[tuple[int, float, int]]:
        """The pieces that the word has at a place, shortest first: end, score, id."""
        found = []
        low, high = 0, len(self)
        for end in range(begin + 1, len(word) + 1):
            prefix = word[begin:end].encode()
            low = bisect_left(self, prefix, low, high)
            high = bisect_left(self, prefix + _AFTER_ALL, low, high)
            if low == high:
                break
            if self[low] == prefix:
                found.append((end, float(self._scores[low]), int(self._ids[low])))
        return found

    def _path(self, best: Sequence[tuple[float, int, int]]) -> list[int]:
        path: list[int] = []
        end = len(best) - 1
        while end:
            _, end, number = best[end]
            if not (number == self.unknown and path and path[-1] == number):
                path.append(number)
        return path[::-1]
