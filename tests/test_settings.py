from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rag.errors import SettingsError
from rag.settings import PREFIX, Settings


def test_the_environment_sets_a_knob() -> None:
    settings = Settings.load({"DATELINE_TOP_K": "5", "DATELINE_DATA_DIR": "archive", "HOME": "home"})
    assert (settings.top_k, settings.data_dir) == (5, Path("archive"))


def test_an_option_wins_over_the_environment_unless_it_is_none() -> None:
    environ = {"DATELINE_TOP_K": "5", "DATELINE_LLM": "none"}
    assert Settings.load(environ, top_k=7, llm=None).top_k == 7
    assert Settings.load(environ, top_k=7, llm=None).llm == "none"


def test_an_empty_variable_is_as_good_as_unset() -> None:
    assert Settings.load({"DATELINE_TOP_K": ""}) == Settings.load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOP_K", "0"), ("TOP_K", "many"), ("TOP_K", "101"), ("DENSE_WEIGHT", "1.01"), ("DENSE_WEIGHT", "-0.1"),
        ("PORT", "70000"), ("LLM_TIMEOUT_SECONDS", "0"), ("MAX_FILE_MB", "0"), ("ANSWER_TOKENS", "15"),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^DATELINE_{name} is '{value}': .*Correct the value or unset it"):
        Settings.load({f"DATELINE_{name}": value})


def test_a_misspelt_variable_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="DATELINE_TOPK is not a setting.*DATELINE_TOP_K"):
        Settings.load({"DATELINE_TOPK": "5"})


def test_every_variable_that_a_message_recommends_exists() -> None:
    root = Path(__file__).parents[1]
    sources = [*(root / "rag").rglob("*.py"), *(root / "ingest").rglob("*.py")]
    named = {word.strip("_") for path in sources for word in _variables(path.read_text())}
    assert named <= {name.upper() for name in Settings.model_fields}


def _variables(text: str) -> list[str]:
    import re

    return re.findall(rf"{PREFIX}([A-Z][A-Z_]+)", text)


def test_the_key_of_a_hosted_model_is_never_shown() -> None:
    settings = Settings(llm_key="sesame")
    assert "sesame" not in repr(settings)
    assert "sesame" not in str(settings)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://reporter:s3same@db.example:5432/news",
        "postgres://reporter:s3same%2F%40@db.example/news?sslmode=verify-full",
        "postgresql:///news?host=%2Fvar%2Frun%2Fpostgresql",
    ],
)
def test_the_address_of_a_database_is_accepted_and_never_shown(address: str) -> None:
    settings = Settings.load({"DATELINE_CATALOG": address})
    assert settings.catalog == address
    assert "s3same" not in repr(settings)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://reporter:s3same@db.example/news",
        "db.example/news",
        "postgresql://reporter:s3same@db.example",  # no database
        "postgresql://reporter:s3same/x@db.example/news",  # "/", "#" and "?" of a password are not written so
        "postgresql://reporter:s3same#x@db.example/news",
        "postgresql://reporter:5?s3same@db.example/news",
        "postgresql://reporter:s3same@db.example:port/news",
    ],
)
def test_an_address_that_names_no_database_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(
        SettingsError, match="^DATELINE_CATALOG is ….*postgresql://user:password@host:5432/name"
    ) as told:
        Settings.load({"DATELINE_CATALOG": address})
    assert "s3same" not in str(told.value)


@pytest.mark.parametrize(
    "address",
    [
        "milvus://reporter:s3same%2F@index.example:19530/news",
        "milvuss://reporter:s3same@[::1]",
        "milvus://index.example",
    ],
)
def test_the_address_of_an_index_is_accepted_and_never_shown(address: str) -> None:
    settings = Settings.load({"DATELINE_INDEX": address})
    assert settings.index == address
    assert "s3same" not in repr(settings)


@pytest.mark.parametrize(
    "address",
    [
        "http://reporter:s3same@index.example:19530/news",
        "index.example:19530",
        "milvus:///news",
        "milvus://reporter:s3same/x@index.example/news",  # "/", "@", "#" and "?" of a password are not written so
        "milvus://reporter:s3same@x@index.example/news",
        "milvus://reporter:s3same#x@index.example/news",
        "milvus://reporter:s3same@index.example:port/news",
        "milvus://reporter:s3same@index.example/news-and-more",
    ],
)
def test_an_address_that_names_no_index_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(SettingsError, match="^DATELINE_INDEX is ….*milvus://user:password@host:19530/database") as told:
        Settings.load({"DATELINE_INDEX": address})
    assert "s3same" not in str(told.value)


def test_vectors_are_in_one_place() -> None:
    both = {"DATELINE_INDEX": "milvus://index.example", "DATELINE_CHROMA_URL": "http://127.0.0.1:8000"}
    with pytest.raises(
        SettingsError, match="^DATELINE_INDEX is ….*DATELINE_CHROMA_URL names another place.* Unset one"
    ):
        Settings.load(both)


def test_settings_cannot_be_changed_or_invented() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().top_k = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Settings(topk=3)  # type: ignore[call-arg]


def test_every_number_has_a_bound() -> None:
    numbers = {name: field for name, field in Settings.model_fields.items() if field.annotation in (int, float)}
    assert numbers
    assert [name for name, field in numbers.items() if not field.metadata] == []
