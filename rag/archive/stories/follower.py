"""Keeps stories up to date with the articles: first the links of what has changed, then the stories around them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from hashlib import sha256

from rag.archive.catalog import Catalog
from rag.archive.indexes.vector_index import VectorIndex
from rag.archive.indexes.word_index import WordIndex
from rag.archive.priority import Priority
from rag.archive.stories.clusters import LEAST_AFFINITY, MOST_LINKS, Link, central, clusters, components
from rag.archive.stories.likeness import (
    Profile,
    Weighed,
    likeness,
    mean_vector,
    rarest_words,
    strongest,
    weighed,
    word_counts,
)
from rag.archive.tables.stories import Threaded
from rag.models.cards import card_of
from rag.schema import Article, Filters

_METHOD = "1"  # raised by a change of profiles or likeness: stored links are made anew then
_ARTICLES_AT_ONCE = 20  # half a second, for which an index may wait
_PASSAGES = 60  # nearest by vector and by words, whose articles are compared with a new one
_SEARCH_WORDS = 15  # of an article that are searched for: those that weigh most
# Links below this are not stored. They change the mean of a group by less than a tenth of LEAST_AFFINITY.
_LEAST_LIKENESS = 0.015
# How rare a word is shows only among articles enough, so while an archive is small its links are made anew each
# time that it has grown by half: three times the work of linking the first 2,000 articles, and none later.
_GROWTH, _SETTLED = 1.5, 2_000
LINKED = "stories linked"  # entry of the archive: how many articles there were when all links were made
_KEPT_PROFILES = 2_000  # in memory while links are made; about 10 MB


class StoryFollower:
    """Keeps the stored stories up to date with the articles.

    A new article is compared with those that the vector index and the keyword index find for it, so that the cost of
    an article does not grow with the archive. The stories of the articles connected with it are then made anew, so
    that they do not depend on the order of arrival.
    """

    name = "stories"

    def __init__(self, catalog: Catalog, priority: Priority) -> None:
        self._catalog, self._priority = catalog, priority

    def rebuild(self) -> None:
        """Makes the next `bring_up` compare all articles anew; a story that comes out again keeps its id."""
        self._catalog.clear_links()
        self._catalog.set_followed(self.name, 0)

    def bring_up(self, vectors: VectorIndex, words: WordIndex, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Brings the stories up to the last change, which both indexes have applied, or as far as it gets until it is
        `interrupted`.

        Raises StorageError, IndexDamaged, Stopped; the next call goes on from there.
        """
        if self._catalog.database.shared and self._is_current():
            return  # without a lock to be taken each time
        with self._catalog.database.hold(self.name) as held:
            if held:  # or else a process with another folder does it
                self._bring_up(vectors, words, interrupted)

    def _is_current(self) -> bool:
        followed = self._catalog.followed(self.name) >= self._catalog.last_change()
        return followed and self._catalog.get_meta(self.name) == self.method() and not self._catalog.unthreaded()

    def method(self) -> str:
        """How links are made now: those that were made in another way are made anew."""
        return f"{_METHOD}, {self._catalog.get_meta('embedder') or ''}"

    def _bring_up(self, vectors: VectorIndex, words: WordIndex, interrupted: Callable[[], bool]) -> None:
        embedder = self._catalog.get_meta("embedder") or ""
        self._rebuild_if_stale(self.method())
        changed = self._catalog.changed_since(self._catalog.followed(self.name))
        comparison = _Comparison(self._catalog, vectors, words, embedder, self._priority)
        start = 0
        while start < len(changed):
            searched = self._priority.rest(interrupted)
            if interrupted():
                return
            part = changed[start : start + (1 if searched else _ARTICLES_AT_ONCE)]
            comparison.update([article_id for article_id, _ in part])
            self._catalog.set_followed(self.name, part[-1][1])
            start += len(part)
        pending = self._catalog.unthreaded()
        if pending:
            self._thread(pending)

    def _rebuild_if_stale(self, method: str) -> None:
        """Rebuilds where links were made in another way, or when the archive was so small that no word was rare."""
        articles = self._catalog.coverage().articles
        linked = int(self._catalog.get_meta(LINKED) or 0)
        outgrown = linked < _SETTLED and articles > _GROWTH * linked
        if outgrown or self._catalog.get_meta(self.name) != method:
            self.rebuild()
            self._catalog.set_meta({self.name: method, LINKED: str(articles)})

    def _thread(self, pending: Sequence[str]) -> None:
        """Makes the stories of these articles, and of all that are connected with them, anew."""
        articles, links = self._connected(pending)
        stories_before = self._catalog.stories_of(articles)
        groups: list[tuple[list[str], list[Link]]] = []
        for component, own_links in _by_component(articles, links):
            self._priority.next_step()
            groups += [(group, own_links) for group in clusters(component, own_links) if len(group) > 1]
        ids = story_ids([group for group, _ in groups], stories_before)
        threaded = []
        for (group, own_links), story_id in zip(groups, ids, strict=True):
            self._priority.next_step()
            threaded.append(self._threaded(story_id, group, own_links))
        self._catalog.replace_stories(articles, threaded)

    def _connected(self, pending: Sequence[str]) -> tuple[set[str], list[Link]]:
        """These articles with all that links and former stories connect with them, and the links among them."""
        articles: set[str] = set()
        links: list[Link] = []
        reached = set(pending)
        while reached:
            self._priority.next_step()
            articles |= reached
            former = self._catalog.members(set(self._catalog.stories_of(reached).values()))
            found = self._catalog.links_of(reached)
            links += found
            reached = {other for _, other, like in found if like >= LEAST_AFFINITY} | former.keys()
            reached -= articles
        return articles, links

    def _threaded(self, story_id: str, group: Sequence[str], links: Iterable[Link]) -> Threaded:
        sums = central(group, links)
        copies = self._copies(group)
        return Threaded(
            id=story_id,
            headline_of=max(self._by_day(group), key=lambda article: round(sums[article], 6)),
            articles=tuple(group),
            reports=len(components(copies, group)),
        )

    def _by_day(self, group: Sequence[str]) -> list[str]:
        """The articles of a group, oldest first, undated ones last: of two, the first report gives the headline."""
        days: dict[str, date | None] = {}
        for start in range(0, len(group), 500):
            days |= {one: profile.day for one, profile in self._catalog.profiles(group[start : start + 500]).items()}
        return sorted(group, key=lambda article: (days.get(article) or date.max, article))

    def _copies(self, group: Sequence[str]) -> list[tuple[str, str]]:
        pairs: list[tuple[str, str]] = []
        for start in range(0, len(group), 500):
            found = self._catalog.near_duplicates(group[start : start + 500])
            pairs += [(one, other) for one, others in found.items() for other in others]
        return pairs


def _by_component(articles: Collection[str], links: Sequence[Link]) -> Iterable[tuple[list[str], list[Link]]]:
    """The articles that links of at least LEAST_AFFINITY connect, with the links among them: no group is larger."""
    groups = components([(one, other) for one, other, like in links if like >= LEAST_AFFINITY], articles)
    group_of = {article: number for number, group in enumerate(groups) for article in group}
    own: list[list[Link]] = [[] for _ in groups]
    for one, other, like in links:
        if one < other and group_of.get(one) == group_of.get(other) and one in group_of:
            own[group_of[one]].append((one, other, like))
    # An article alone has no story.
    return [(group, list(set(own[number]))) for number, group in enumerate(groups) if len(group) > 1]


def story_ids(groups: Sequence[Sequence[str]], stories_before: Mapping[str, str]) -> list[str]:
    """An id for each group: that of the story before with most of its articles, a new one for a new story.

    Where a story has been divided, the part with more of its articles keeps the id.
    """
    shares: dict[tuple[int, str], int] = {}
    for number, group in enumerate(groups):
        for article in group:
            if article in stories_before:
                key = number, stories_before[article]
                shares[key] = shares.get(key, 0) + 1
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for (number, story_id), _ in sorted(shares.items(), key=lambda one: (-one[1], one[0])):
        if number not in ids and story_id not in taken:
            ids[number] = story_id
            taken.add(story_id)
    taken |= set(stories_before.values())
    for number, group in enumerate(groups):
        if number not in ids:
            ids[number] = _new_id(group, taken)
            taken.add(ids[number])
    return [ids[number] for number in range(len(groups))]


def _new_id(group: Sequence[str], taken: Collection[str]) -> str:
    """16 hex digits made from the first article that gives an id not taken by another story."""
    every = (sha256(f"story {article}".encode("utf-8", "surrogatepass")).hexdigest()[:16] for article in sorted(group))
    return next((one for one in every if one not in taken), sha256("\n".join(group).encode()).hexdigest()[:16])


class _Comparison:
    """Compares changed articles with those that are near to them, and stores the links."""

    def __init__(
        self, catalog: Catalog, vectors: VectorIndex, words: WordIndex, embedder: str, priority: Priority
    ) -> None:
        self._catalog, self._vectors, self._words, self._priority = catalog, vectors, words, priority
        self._card = card_of(embedder)
        self._rarity: dict[tuple[str, str], float] = {}  # (language, word) -> inverse document frequency
        self._weighed: dict[str, Weighed] = {}

    def update(self, article_ids: Sequence[str]) -> None:
        """Replaces profiles and links of these articles. A removed, withdrawn or empty article has none."""
        articles = self._catalog.current_articles(article_ids)
        profiles = {}
        for article in articles.values():
            self._priority.next_step()
            profile = self._profile(article)
            if profile is not None:
                profiles[article.id] = profile
        self._catalog.replace_profiles(article_ids, profiles)
        for article_id in article_ids:
            self._weighed.pop(article_id, None)
        self._catalog.add_links([link for article_id in profiles for link in self._links(article_id)])

    def _profile(self, article: Article) -> Profile | None:
        """What is compared of an article: its passages, without teasers; a withdrawn one has none."""
        passages = self._catalog.passages_of(article.id)
        if not passages:
            return None
        vector = mean_vector(self._catalog.vectors([one.hash for one in passages]))
        text = "\n".join(one.passage.text for one in passages)
        return Profile(word_counts(article.title, text), vector, article.day, article.language)

    def _links(self, article_id: str) -> list[Link]:
        self._priority.next_step()
        own = self._of([article_id]).get(article_id)
        if own is None:  # another process has removed it meanwhile
            return []
        near = self._of(self._near(own) - {article_id})
        like = {other: likeness(own, one, self._card) for other, one in near.items()}
        return [(article_id, other, value) for other, value in strongest(like, MOST_LINKS) if value >= _LEAST_LIKENESS]

    def _near(self, article: Weighed) -> set[str]:
        """The ids of the articles with the passages nearest to an article, by its vector and by its rarest words."""
        by_vector = self._vectors.search(article.profile.vector, _PASSAGES, Filters(), [])
        question = " ".join(rarest_words(article, _SEARCH_WORDS))
        by_words = self._words.search(question, _PASSAGES, [article.profile.language], Filters(), [])
        return set(self._catalog.articles_of_passages([key for key, _ in [*by_vector, *by_words]]))

    def _of(self, article_ids: Collection[str]) -> dict[str, Weighed]:
        """The weighed profiles of these articles; those without a profile are left out."""
        missing = [article_id for article_id in sorted(article_ids) if article_id not in self._weighed]
        if missing:
            if len(self._weighed) > _KEPT_PROFILES:
                self._weighed.clear()
                missing = sorted(article_ids)
            for article_id, profile in self._catalog.profiles(missing).items():
                self._weighed[article_id] = weighed(profile, self._rarity_of(profile))
        return {article_id: self._weighed[article_id] for article_id in article_ids if article_id in self._weighed}

    def _rarity_of(self, profile: Profile) -> dict[str, float]:
        language = profile.language
        unknown = [word for word in profile.words if (language, word) not in self._rarity]
        for word, rarity in self._words.rarity(unknown, language).items():
            self._rarity[language, word] = rarity
        return {word: self._rarity[language, word] for word in profile.words}
