"""The centres of the kinds' examples: kept on disk, made anew where the file is damaged or another's."""

import numpy as np
import pytest
from fakes import WordEmbedder

from rag.answering.kinds import centres_file
from rag.answering.kinds.reader import KindReader
from rag.models.cards import E5_SMALL, MINILM


class CountingEmbedder(WordEmbedder):
    """Counts the questions that it embeds."""

    def __init__(self, name: str) -> None:
        super().__init__(name, dim=384)
        self.questions = 0

    def embed_queries(self, texts):
        self.questions += len(texts)
        return super().embed_queries(texts)


def kind_and_cost(cache, name=MINILM.name):
    embedder = CountingEmbedder(name)
    return KindReader(cache).kind_of("List all the countries that signed the treaty.", embedder), embedder.questions


def test_a_second_process_embeds_only_the_question(tmp_path):
    first, made = kind_and_cost(tmp_path)
    assert made > 100
    assert kind_and_cost(tmp_path) == (first, 1)


def test_the_embedder_with_weights_of_its_own_embeds_only_the_question(tmp_path):
    assert kind_and_cost(tmp_path, E5_SMALL.name)[1] == 1
    assert not list(tmp_path.iterdir())


def test_nothing_is_kept_of_a_model_that_may_change_behind_its_name(tmp_path):
    kind_and_cost(tmp_path, "endpoint/model")
    assert kind_and_cost(tmp_path, "endpoint/model")[1] > 100
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-5], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b"", bytes.upper]
)
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    first, _ = kind_and_cost(tmp_path)
    (file,) = (tmp_path / centres_file.FOLDER).iterdir()
    file.write_bytes(damage(file.read_bytes()))
    kind, questions = kind_and_cost(tmp_path)
    assert (kind, questions > 100) == (first, True)
    assert kind_and_cost(tmp_path) == (first, 1)


def test_the_file_of_another_key_is_not_read(tmp_path):
    centres_file.write(tmp_path, "one", np.ones((2, 3)))
    (file,) = (tmp_path / centres_file.FOLDER).iterdir()
    centres_file.write(tmp_path, "two", np.zeros((2, 3)))
    other = next(path for path in file.parent.iterdir() if path != file)
    other.write_bytes(file.read_bytes())
    assert centres_file.read(tmp_path, "two") is None
    assert np.array_equal(centres_file.read(tmp_path, "one"), np.ones((2, 3), dtype=np.float32))


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert kind_and_cost(blocked)[1] > 100
