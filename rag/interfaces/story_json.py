"""The shape of stories that a face returns, as rag.interfaces.json has that of everything else."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rag.interfaces.json import ArticleData, article_data
from rag.schema import Article, Story


class StoryData(TypedDict):
    """Articles on one event. `first`, `last`: days of publication; `reports`: its articles, copies counted once."""

    id: str
    headline: str
    first: str | None
    last: str | None
    outlets: list[str]
    articles: int
    reports: int


class StoriesData(TypedDict):
    """A page of the list of stories, newest first; `total` counts those with an article within the filters."""

    stories: list[StoryData]
    total: int


class FullStoryData(TypedDict):
    """A story and a page of its articles by day, oldest first."""

    story: StoryData
    articles: list[ArticleData]


def story_data(story: Story) -> StoryData:
    """What is known of a story, without its articles; days as ISO 8601 or None."""
    return {
        "id": story.id,
        "headline": story.headline,
        "first": story.first.isoformat() if story.first else None,
        "last": story.last.isoformat() if story.last else None,
        "outlets": list(story.outlets),
        "articles": story.articles,
        "reports": story.reports,
    }


def stories_data(stories: list[Story], total: int) -> StoriesData:
    """Some of `total` stories, in their order."""
    return {"stories": [story_data(story) for story in stories], "total": total}


def full_story_data(story: Story, articles: list[Article]) -> FullStoryData:
    """A story and some of its articles, in their order."""
    return {"story": story_data(story), "articles": [article_data(article) for article in articles]}
