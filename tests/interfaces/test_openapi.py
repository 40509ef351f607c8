"""The OpenAPI document is true: whatever it allows to be sent gets an answer that it describes, and no 5xx."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from conftest import Served
from hypothesis import HealthCheck, Phase, given, settings

from rag.assistant import Assistant

schemathesis = pytest.importorskip("schemathesis")

pytestmark = pytest.mark.filterwarnings("ignore")

CALLS_PER_OPERATION = 12


def test_every_operation_answers_as_documented(serve: Served, written: Assistant) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    document = schemathesis.openapi.from_url(f"{serve(written)}/openapi.json")
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    tried = []
    for result in document.get_all_operations():
        operation = result.ok()
        tried.append(f"{operation.method.upper()} {operation.path}")

        @settings(
            max_examples=CALLS_PER_OPERATION,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            case.call_and_validate(checks=checks, timeout=20)

        call()
    assert len(tried) >= 16
    assert "POST /api/ask" in tried


def test_it_has_examples_and_names_every_error(serve: Served, written: Assistant) -> None:
    document = httpx.get(f"{serve(written)}/openapi.json").json()
    asking = document["components"]["schemas"]["AskBody"]["properties"]["question"]
    assert asking["examples"]
    for path, operations in document["paths"].items():
        for name, operation in operations.items():
            assert operation["summary"], (name, path)
            assert {"401", "403", "429"} <= set(operation["responses"]), (name, path)
    assert document["components"]["schemas"]["AnswerData"]["additionalProperties"] is False
    assert "application/problem+json" in document["paths"]["/api/ask"]["post"]["responses"]["422"]["content"]
