"""The ablation of answers: each variant leaves out what its name says, and the product is as before behind it."""

from __future__ import annotations

import pytest

from eval.ablation import answering
from eval.ablation.answering import AS_SHIPPED, VARIANTS, PartOff
from eval.datasets import editor as editor_set
from eval.experiments import editor
from rag.settings import Settings


def constants() -> list[object]:
    return [getattr(module, name) for variant in VARIANTS for module, name, _ in variant.constants]


def test_each_variant_changes_something_and_leaves_the_product_as_it_was() -> None:
    before = constants()
    for variant in VARIANTS:
        with answering._set(variant):
            assert all(getattr(module, name) == value for module, name, value in variant.constants)
            assert (constants() != before) == bool(variant.constants)
        assert constants() == before
    with pytest.raises(KeyError), answering._set(VARIANTS[1]):
        raise KeyError
    assert constants() == before


def test_the_kinds_of_the_writers_are_asked_for_where_the_product_knows_them() -> None:
    (labelled,) = (one for one in VARIANTS if "writer" in one.name)
    asked = {one.kind: labelled.kind(one) for one in editor_set.load()}
    assert (asked["timeline"], asked["why"]) == ("timeline", None)


def test_the_figures_of_two_variants_stand_side_by_side(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "VARIANTS", (PartOff(AS_SHIPPED), VARIANTS[1]))
    result = answering.run(Settings.load(data_dir=tmp_path, llm="none"), every=17)
    rows = {(row["measure"], row["system"]): row["value"] for row in result["rows"]}
    assert {system for _, system in rows} == {AS_SHIPPED, "no composers"}
    assert rows[editor.FACTS, AS_SHIPPED] > rows[editor.FACTS, "no composers"]
    assert not any(measure.startswith("seconds") for measure, _ in rows)
