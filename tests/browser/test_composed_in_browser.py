"""Composed answers as a reader meets them, in Chromium: entries, sides, the cards of articles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page_in_browser import AGROUND, QUESTION, ask, finished, no_sideways_scroll

if TYPE_CHECKING:
    from tests.browser.conftest import Served

Visit = Callable[..., Page]
COMPARISON = "Compare the Bank of Corvane key rate 2025 and 2026"
TIMELINE = "A timeline of the parking levy in Villasera"
SUMMARY = "Give me a summary: ferry Castellan Port Selwyn"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
WIDE = {"viewport": {"width": 1280, "height": 800}}


def asked(served: Served, visit: Visit, question: str, **options: object) -> Page:
    tab = visit(served, **options)
    ask(tab, question)
    finished(tab)
    return tab


def box(one: Locator) -> dict[str, float]:
    found = one.bounding_box()
    assert found is not None
    return dict(found)


@pytest.mark.parametrize(("options", "beside"), [(WIDE, True), (PHONE, False)], ids=["wide", "phone"])
def test_the_sides_of_a_comparison_stand_beside_each_other_where_there_is_room(
    served: Served, visit: Visit, options: dict[str, object], beside: bool
) -> None:
    tab = asked(served, visit, COMPARISON, **options)
    first, second = (box(tab.get_by_role("region", name=f"{which} side")) for which in ("First", "Second"))
    if beside:
        assert first["y"] == second["y"]
        assert first["x"] + first["width"] < second["x"]
    else:
        assert first["x"] == second["x"]
        assert first["y"] + first["height"] < second["y"]
    assert no_sideways_scroll(tab)


@pytest.mark.parametrize("options", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_timeline_is_a_list_along_a_line_with_a_day_above_each_entry(
    served: Served, visit: Visit, options: dict[str, object]
) -> None:
    tab = asked(served, visit, TIMELINE, **options)
    entries = tab.locator(".turn .timeline").get_by_role("listitem")
    days = tab.locator(".timeline time").evaluate_all("all => all.map((one) => one.dateTime)")
    assert len(days) == entries.count() > 1
    assert days == sorted(days)
    for entry in entries.all():
        label, words = box(entry.locator(".label")), box(entry.locator(".prose-text").first)
        assert label["y"] + label["height"] <= words["y"]
        assert label["x"] > box(entry)["x"]
        assert entry.evaluate("one => getComputedStyle(one).borderLeftWidth") == "2px"
    assert no_sideways_scroll(tab)


def test_a_citation_leads_to_its_quote_on_the_card_of_its_article(served: Served, visit: Visit) -> None:
    tab = asked(served, visit, SUMMARY, viewport={"width": 1280, "height": 420})
    card = tab.locator(".sources > .card", has=tab.locator(".quote + .quote")).first
    second = card.locator(".quote").nth(1)
    place = second.get_attribute("id")
    assert place is not None
    title = card.locator("h4").inner_text()
    assert second.get_attribute("aria-label") == f"Source {place.removeprefix('t1-s')}: {title}"
    tab.evaluate("scrollTo(0, 0)")
    tab.focus(f'a.cite[href="#{place}"]')
    tab.keyboard.press("Enter")
    expect(second).to_be_focused()
    expect(second.locator("mark")).to_be_in_viewport()
    quote = second.locator("mark").inner_text()
    assert quote in tab.inner_text(".turn .answer")
    second.get_by_role("link", name=f"Open article at source {place.removeprefix('t1-s')}").click()
    expect(tab.locator("dialog .whole mark")).to_have_text(quote)


def test_every_article_has_one_card(served: Served, visit: Visit) -> None:
    tab = asked(served, visit, COMPARISON)
    articles = tab.locator(".sources > .card h4 a").evaluate_all("all => all.map((one) => one.pathname)")
    assert len(articles) == len(set(articles)) == 2 < tab.locator("a.cite").count()


def test_a_citation_mark_never_stands_alone_on_a_line(served: Served, visit: Visit) -> None:
    tab = asked(served, visit, SUMMARY)
    alone = tab.evaluate(
        """() => {
            const said = document.querySelector(".turn .answer"), found = [];
            for (let width = 260; width < 420; width += 3) {
                said.style.width = `${width}px`;
                for (const mark of document.querySelectorAll(".answer a.cite")) {
                    const words = document.createRange(), before = mark.previousSibling;
                    words.setStart(before, before.textContent.trimEnd().length - 1);
                    words.setEnd(before, before.textContent.trimEnd().length);
                    const [last] = [...words.getClientRects()].slice(-1);
                    if (mark.getClientRects()[0].top > last.bottom) found.push([width, mark.textContent]);
                }
            }
            return found;
        }"""
    )
    assert alone == []


def test_what_stands_on_screen_stays_in_its_place_while_an_answer_streams(served: Served, visit: Visit) -> None:
    served.says(f"{AGROUND} Nobody was hurt, the coastguard said.", seconds_a_word=0.05)
    tab = visit(served)
    watched = [".turn h2", ".turn .answer > .prose-text", ".preview", ".turn .sources", "#composer"]
    tab.evaluate(
        """(watched) => {
            window.places = {};
            const note = () => {
                for (const what of watched) {
                    const one = document.querySelector(what);
                    if (!one) continue;
                    const { left, top } = one.getBoundingClientRect();
                    (window.places[what] ??= new Set()).add(`${Math.round(left)} ${Math.round(top)}`);
                }
                requestAnimationFrame(note);
            };
            new MutationObserver((_, self) => {
                if (document.querySelector(".turn .card")) { self.disconnect(); requestAnimationFrame(note); }
            }).observe(document.body, { childList: true, subtree: true });
        }""",
        watched,
    )
    ask(tab, QUESTION)
    tab.wait_for_selector(".draft")
    finished(tab)
    tab.wait_for_timeout(300)
    places = tab.evaluate("Object.fromEntries(Object.entries(window.places).map(([what, at]) => [what, [...at]]))")
    assert set(places) == set(watched)
    assert {what: at for what, at in places.items() if len(at) > 1} == {}


def test_the_box_for_questions_is_framed_in_ink_and_the_filters_point_to_their_place(
    served: Served, visit: Visit
) -> None:
    tab = visit(served)
    tab.focus("#question textarea")
    ink, outline = tab.evaluate(
        """() => [getComputedStyle(document.body).color,
                  getComputedStyle(document.querySelector("#question textarea")).outlineColor]"""
    )
    assert outline == ink
    arrow = tab.locator("#filters > button > .icon")
    closed = "one => new DOMMatrix(getComputedStyle(one).transform).transformPoint(new DOMPoint(0, 1)).x"
    assert arrow.evaluate(closed) == pytest.approx(1)  # its tip, which points down by itself, points to the right
    tab.click("#filters > button")
    expect(tab.locator("#filters > button.open")).to_be_visible()
    tab.wait_for_timeout(300)
    assert arrow.evaluate(closed) == pytest.approx(0)


def test_the_form_of_an_earlier_answer_is_set_apart_from_it(served: Served, visit: Visit) -> None:
    tab = asked(served, visit, TIMELINE)
    ask(tab, COMPARISON)
    finished(tab, 2)
    expect(tab.locator("#past .kind")).to_have_text("Form: timeline")
    gap = tab.evaluate(
        """() => document.querySelector("#past .kind").getBoundingClientRect().top
                 - document.querySelector("#past .composed").getBoundingClientRect().bottom"""
    )
    assert gap >= 10
