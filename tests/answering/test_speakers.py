"""Whose words a sentence reports."""

import numpy as np
import pytest

from rag.answering.compose.material import Line
from rag.answering.compose.sentences.speakers import is_by_author, reports, speaker_of
from rag.answering.compose.statements import _before, _meant
from rag.answering.sentence_selection import Candidate
from rag.language.sentences import sentence_spans
from rag.schema import Article, Passage


@pytest.mark.parametrize(
    ("text", "language", "name"),
    [
        ("On Friday Faircloth's barrister, Odile Renfrew, said he was sorry.", "en", "Odile Renfrew"),
        ("“It is over,” said the chief medical officer, Dr Leonie Marchetti.", "en", "Dr Leonie Marchetti"),
        ("La directora del Servicio de Emergencias, Concha Urdiales, explicó que ardía.", "es", "Concha Urdiales"),
        ("Mireille Danforth, the governor, told reporters that it would rain.", "en", "Mireille Danforth"),
        ("The Annie Lyle had no hake, her skipper, Ewan Strachan, said.", "en", "Ewan Strachan"),
        ("“Nein“, sagte Jana Weber.", "de", "Jana Weber"),
        ("« Non », a déclaré Luc Morel.", "fr", "Luc Morel"),
    ],
)
def test_the_speaker_is_the_subject_of_the_verb_of_saying(text, language, name):
    speaker = speaker_of(text, language)
    assert speaker
    assert speaker.name == name


def test_a_pronoun_names_nobody_though_somebody_is_spoken_to():
    assert speaker_of("“Show yours,” he told Renner.", "en") is None


def test_without_a_verb_of_saying_a_place_is_no_speaker():
    text = "She opened her hearings in the Millford hall, and Mr Achebe was her first witness."
    speaker = speaker_of(text, "en")
    assert speaker
    assert speaker.name == "Mr Achebe"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I do not believe, as Tobias Renner claims to, that she dreams of it.", "en"),
        ("Ich glaube nicht, wie Renner behauptet, dass sie davon träumt.", "de"),
        ("Je ne crois pas, comme l'affirme Renner, qu'elle en rêve.", "fr"),
        ("Yo no creo, como dijo Renner, que sueñe con ello.", "es"),
    ],
)
def test_what_is_said_in_the_first_person_is_said_by_the_author(text, language):
    assert is_by_author(text, language)


@pytest.mark.parametrize(
    "text", ["“I do not believe it,” Renner said.", "Renner told us that it would pass.", "Renner said we must wait."]
)
def test_the_first_person_behind_the_verb_or_in_quotation_marks_is_not_the_author(text):
    assert not is_by_author(text, "en")


def lines_of(text: str) -> list[Line]:
    """The lines of an article of one paragraph, as composers have them."""
    article = Article(id="x", title="The post", text=text, language="en", outlet="Northline News")
    passage = Passage(article=article, number=0, start=0, end=len(text))
    return [
        Line(Candidate(passage, start, end), place, np.ones(1))
        for place, (start, end) in enumerate(sentence_spans(text))
    ]


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        (
            "Helena Marsh, the prime minister, declined to comment. The prime minister said it was settled.",
            "Helena Marsh",
        ),
        (
            "Prime Minister Helena Marsh named him. The post was open, a person close to the minister's office said.",
            "",
        ),
        ("“It is too low,” said Magnus Tarrow, a fisherman. The winners promised a fund of 4 million crowns.", ""),
    ],
)
def test_a_description_means_who_was_named_before_only_where_it_describes_him(text: str, speaker: str) -> None:
    lines = lines_of(text)
    own, before = speaker_of(lines[-1].text, "en"), _before(lines, len(lines) - 1)
    assert before
    meant = _meant(own, before, lines)
    assert meant
    assert meant.name == speaker


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('The network took "Night With Lacey!" off the air.', False),  # a title
        ("His “experience” did not help him.", False),
        ("Renner is accused of a false return.", False),
        ("Renner was criticised by Marsh over it.", True),
        ("Renner is arguing for a hard line.", True),
        ('He called it "a very good day for the whole of the town".', True),
    ],
)
def test_a_title_and_a_passive_report_no_words(text: str, expected: bool) -> None:
    assert reports(text, "en") is expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Renner was criticised by Helena Marsh over the pier.", "Helena Marsh"),
        ("Renner drove home from the port, officials said Wednesday.", ""),
        ("Renner, speaking in the port, said Wednesday it was over.", "Renner"),
        ("Two customers he drove that night told the police of it.", ""),
        ("Asked about Anna Seidel, Karl Brandner said it was fine.", "Karl Brandner"),
        ("After Lacey resigned, Renner said it was over.", "Renner"),
        ("Two engineers said Otto Hahn had built it.", ""),
        (
            "Jeudi, dans un entretien à l'AFP, le nouveau Premier ministre Hazem Beblawi a affirmé cela.",
            "Hazem Beblawi",
        ),
        ("Le prix Nobel de la paix Mohamed ElBaradei a dit non.", "Mohamed ElBaradei"),
    ],
)
def test_who_speaks_is_whom_the_verb_of_saying_names(text: str, name: str) -> None:
    speaker = speaker_of(text, "fr" if " a " in text else "en")
    assert speaker is not None
    assert speaker.name == name


def test_a_known_name_may_open_a_sentence_with_a_common_verb_behind_it() -> None:
    text = "Lacey has long been loyal, but split from supporting Marsh."
    speaker, other = speaker_of(text, "en", frozenset({"lacey", "marsh"})), speaker_of(text, "en", frozenset({"marsh"}))
    assert [one.name for one in (speaker, other) if one] == ["Lacey", "Marsh"]
