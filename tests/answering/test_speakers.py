"""Whose words a sentence reports."""

import pytest

from rag.answering.compose.sentences.speakers import speaker_of


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
