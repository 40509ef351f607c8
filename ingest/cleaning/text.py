"""What a text is before it may be cited: free of hidden characters, markup, teasers and furniture. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from rag.language.tokens import INVISIBLE, fold, stream_safe
from rag.schema import Span

_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")


def clean(text: str) -> str:
    """The text in NFC without invisible and control characters, line ends as `\\n`, at most one blank line.

    Tabs and no-break spaces become spaces, so that a quote typed by a person or a model is found verbatim.
    """
    text = _BREAKS.sub("\n", INVISIBLE.sub("", text))
    text = _CONTROL.sub("", re.sub(r"[\t\u00a0]", " ", text))
    text = unicodedata.normalize("NFC", stream_safe(text))
    # Line by line: a pattern for the spaces before a line end tries each space of a long run.
    text = "\n".join(line.rstrip(" ") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# --- hard-wrapped text -----------------------------------------------------------------------------


def unwrap(text: str) -> str:
    """The text with lines that were broken at a fixed width joined again; any other text unchanged.

    Only where at least five lines inside paragraphs, and most of them, are 50 to 100 characters long and
    stop in mid-sentence: a teaser list of short headlines is not that.
    """
    blocks = [block.split("\n") for block in text.split("\n\n")]
    inner = [line for lines in blocks for line in lines[:-1]]
    wrapped = [line for line in inner if 50 <= len(line) <= 100 and line[-1] not in '.!?…"”’»:']
    if len(wrapped) < 5 or len(wrapped) < 0.6 * len(inner):
        return text
    return "\n\n".join(join_lines(lines) for lines in blocks)


def join_lines(lines: Sequence[str]) -> str:
    """One paragraph from its lines; a word divided at a line end (`govern-` `ment`) becomes whole."""
    parts: list[str] = []
    last = ""
    for line in lines:
        if re.fullmatch(r"[^\W\d_]-", last[-2:]) and line[:1].islower():
            parts[-1] = parts[-1][:-1]
        elif last:
            parts.append(" ")
        parts.append(line)
        last = line or last
    return "".join(parts)


# --- what must not be cited ------------------------------------------------------------------------

# Headings of boxes with links to other articles. All tables hold folded text: lower case, no accents.
# `_BOXES` head a list; `_POINTERS` also stand before a single headline, in mid-article or on its line; `_CALLS`
# may be a button behind a text; `_WEAK` are ordinary subheadings as well and count only before teasers.
# Tried on 5,347 newspaper articles (realtimeqa2025), 182 Norwegian ones and the texts of 181 pages. "Up next" is
# not here: AP ends its match reports with it.
_BOXES = (
    r"related (articles?|stories|news|content|posts|coverage|reading|topics|links|items)|more (stories|news|"
    r"headlines|"
    r"coverage|articles|top stories|like this)( (from|by|in|on) .{1,40})?|more from .{1,40}|(the )?(most|"
    r"best) (read|popular|viewed|"
    r"shared|commented|watched|recent)( .{1,25})?|trending( now| stories| topics)?|popular (now|stories|articles|"
    r"posts)|"
    r"(top|latest|other|recent) (stories|news|headlines|articles|posts)|you (may|might|will|could) (also )?(like|"
    r"love|enjoy)|"
    r"you (may|might) (also )?be interested in|(stories|articles) you (may|might) (like|have missed)|"
    r"recommended( for you| stories| articles| reading| by .{1,30})|(editor'?s'?|our) (picks?|choice)|"
    r"suggested (articles|stories|reading)|(also|elsewhere|more) (on|in) (our|this|the) (website|site|paper|web|"
    r"page|section)|"
    r"in other news|also in the news|what to read next|read (these )?next|in case you missed it|"
    r"from our partners|"
    r"sponsored (content|links|stories)|promoted (content|stories|links)|paid content|around the web|"
    r"from (around )?the web|"
    r"more to explore|more on (this|the) (story|topic|subject)|"
    r"noticias (relacionadas|destacadas|recomendadas)|articulos (relacionados|recomendados)|"
    r"contenidos? (relacionados?|"
    r"patrocinados?)|notas relacionadas|temas relacionados|(mas|otras|ultimas) noticias( .{1,30})?|lo (mas|ultimo) ?"
    r"(leido|visto|comentado|compartido|popular|en .{1,25})?|(tambien |quiza |quizas )?(te|le) (puede|podria|"
    r"pueden) interesar|"
    r"(tal vez|puede que) te interese|te recomendamos|recomendados? para (ti|usted)|no te (lo )?pierdas|"
    r"en otras noticias|"
    r"articles? (lies|associes|connexes|similaires|recommandes)|sur le meme (sujet|theme)|dans la meme rubrique|"
    r"(les )?(plus|articles les plus) (lus|vus|commentes|partages)|vous aimerez aussi|"
    r"(cela|ces articles|ca) (pourrait|pourraient|peut|peuvent) vous interesser|vous pourriez aussi aimer|"
    r"nos recommandations|"
    r"mehr zum thema|(das |dies )?(konnte|konnten|durfte) sie auch interessieren|auch interessant|"
    r"(weitere|ahnliche|verwandte|neueste|empfohlene|passende) (artikel|nachrichten|meldungen|themen|beitrage|"
    r"inhalte)|"
    r"(am )?(haufigsten|meist)[ -]?gelesen(e artikel|en artikel)?|(artikel|beitrage) zum thema|"
    r"articoli (correlati|consigliati|simili)|(ti )?potrebbe(ro)? (anche )?interessarti( anche)?|"
    r"ti potrebbe(ro)? (anche )?interessare|"
    r"notizie correlate|(i |gli articoli )?piu letti|altre notizie|"
    r"(noticias|artigos|materias|conteudos?) relacionad[ao]s?|(as )?mais lidas|voce (tambem )?(pode|"
    r"vai) gostar( de)?|"
    r"gerelateerde (artikelen|berichten)|meest gelezen|ook interessant|mest (lest|laest|last)|"
    r"(relaterte|relaterede|relaterade) (saker|artikler|artiklar)|noticies relacionades|powiazane artykuły|"
    r"najczesciej czytane|ilgili haberler|por?ecane clanky|похожие (статьи|новости|материалы)|другие новости|"
    r"самое читаемое|материалы по теме|مواضيع ذات صلة|اخبار ذات صلة|"
    r"الاكثر قراءة|כתבות נוספות|相关(阅读|新闻|文章|报道|推荐)|"
    r"相關(閱讀|新聞|文章|報導)|延伸(阅读|閱讀)|推荐阅读|热门(新闻|文章|推荐)|猜你喜欢|関連(記事|ニュース)|(あわせて|合わせて)読みたい|"
    r"おすすめ(の)?記事|人気記事|アクセスランキング|관련 ?(기사|뉴스)|많이 본 (뉴스|기사)|추천 ?기사"
)
_POINTERS = (
    r"read (also|next|this)|also read|related|don'?t miss|(more )?on this (topic|story)|(lee|lea|leer|ver|vea|mira|"
    r"escucha) tambien|"
    r"tambien (lee|lea|puedes leer)|(a )?(lire|voir|ecouter|decouvrir) (aussi|egalement)|a lire|"
    r"(lesen|sehen|horen) sie (auch|dazu)( .{1,20})?|(leggi|vedi|ascolta) anche|(leia|veja|ouca|confira) tambem|"
    r"(lees|bekijk) ook|(les|laes|las) (ogsa|ocksa)( om .{1,40})?|(czytaj|zobacz|przeczytaj) (takze|tez|rowniez)|"
    r"(читайте|смотрите) (также|еще)|читайте також|اقرا ايضا|קראו (גם|עוד)"
)
_CALLS = (
    r"read (more|on)|(read|see) (the )?(full|whole) (story|article|interview|report)( here)?|(keep|continue) reading|"
    r"(lee|lea|leer|ver|vea) mas|sigue leyendo|seguir leyendo|lire la suite|en (lire|savoir) plus|"
    r"(lesen|horen) sie (hier )?(mehr|weiter)( .{1,20})?|weiterlesen|leggi (di piu|tutto)|(leia|veja|saiba) mais|"
    r"(lees|bekijk) (meer|verder)|(les|laes|las) (mer|mere)( om .{1,40})?|czytaj (dalej|wiecej)|читать далее|"
    r"اقرا المزيد"
)
_WEAK = (
    r"further reading|see also|recommended|recomendad[oa]s?|relacionad[oa]s?|empfohlen|more (on|about) .{1,40}|"
    r"explore more|"
    r"more in .{1,30}|mas (informacion|sobre .{1,40}|en .{1,30})|mehr (uber|von|aus) .{1,40}|siehe auch|zum thema|"
    r"voir aussi|plus d'(articles|infos)|meer over .{1,40}|mais sobre .{1,40}|по теме|also on .{1,30}|trending"
)
_MEDIA = r"watch|listen|videos?|photos|podcast|gallery|galeria|fotos|bildergalerie|en images"
# Lines that are part of the page, not of the article: letters, cookies, sharing, rights, advertisements.
_FURNITURE = (
    r"(please )?(sign|signing) ?up (to|for|here|now|today|and)\b.*(newsletter|inbox|e-?mail|alerts?|briefing|"
    r"bulletin|updates|free).*|"
    r"(please )?subscribe (to|for|now|today|here|and)\b.{0,120}|(get|receive) .{1,80}(in|to|by|"
    r"via) (your )?(inbox|e-?mail|mailbox)\b.*|"
    r"(our|the|daily|weekly|free|morning|evening) ?newsletters?|newsletters?|click here (to|for) .*|"
    r"join our .{0,30}(channel|community|newsletter).*|"
    r"follow (us|our|the .{1,30}) on (x|twitter|facebook|instagram|linkedin|whatsapp|telegram|google|tiktok|"
    r"youtube).*|"
    r"(download|get) (our|the) .{0,25}\bapp\b.{0,60}|support (our|independent|quality) journalism.*|"
    r"become a (member|subscriber|supporter).*|"
    r"(this|our) (web)?site (uses|stores|sets) cookies.*|(we|we and our .{1,30}) (use|store|set) cookies.*|"
    r"(by continuing|accept|manage|reject) .{0,40}cookies.*|"
    r"(cookie|privacy) (policy|notice|settings)|manage (cookies|choices)|accept all|"
    r"(©|\(c\)|copyright) .{0,120}|all rights reserved.*|this material may not be (published|reproduced).*|"
    r"advertisement|advertising|sponsored|(story|article) continues below.*|scroll to continue.*|publicidad|"
    r"publicite|anzeige|werbung|pubblicita|publicidade|"
    r"share( (this|on|via|by) (article|story|post|page|facebook|twitter|x|whatsapp|linkedin|e-?mail|"
    r"social media))?|tweet|e-?mail|print|copy link|save( for later)?|facebook|whatsapp|"
    r"twitter|linkedin|telegram|"
    r"(\d+ )?comments?( \(?\d+\)?)?|leave a (comment|reply)|show comments|"
    r"suscrib(ete|ase|anse)\b.{0,160}|(recib[ea]|recibir?) .{0,60}(correo|boletin|newsletter)\b.*|boletin(es)?|"
    r"siguenos en .*|sigue(nos)? .{0,40}(facebook|twitter|whatsapp|telegram).*|"
    r"(utilizamos|usamos|este sitio (web )?(utiliza|usa)) cookies.*|todos los derechos reservados.*|(compartir|"
    r"imprimir|copiar enlace|enviar|guardar)( .{0,20})?|(\d+ )?comentarios?( \(?\d+\)?)?|"
    r"(abonnez|inscrivez)[- ]vous\b.{0,160}|recevez .{0,80}(mail|newsletter|lettre)\b.*|(nous utilisons|"
    r"ce site utilise) des cookies.*|tous droits reserves.*|partager( .{0,20})?|"
    r"(abonnieren|bestellen) sie\b.{0,160}|(jetzt )?(newsletter|abo) (abonnieren|bestellen|testen).*|"
    r"zum newsletter.*|(wir verwenden|diese (web)?seite verwendet) cookies.*|alle rechte vorbehalten.*|"
    r"teilen( .{0,20})?|"
    r"iscriviti (alla|a) .*(newsletter|canale).*|tutti i diritti riservati.*|inscreva-se\b.{0,120}|"
    r"assine .{0,60}(newsletter|boletim).*|todos os direitos reservados.*"
)
_CORRECTION = re.compile(
    r"\b(correction|clarification|editor'?s'? note|corrections?|update|updated|(an |a )(earlier|previous) version|"
    r"this (article|story) (was|"
    r"has been) (amended|corrected|updated)|"
    r"fe de erratas|fe de errores|correccion|rectificacion|aclaracion|nota del editor|rectificatif|precision|"
    r"korrektur|berichtigung|anmerkung der redaktion|in einer fruheren version|correzione|errata|correcao)\b"
)
# Folding takes the marks off й and が too, so the tables are folded like the lines they are compared with.
_BOX = re.compile(fold(rf"(?:{_BOXES})\s*(?:\(?\d+\)?)?"))
_POINTER = re.compile(fold(_POINTERS))
_CALL = re.compile(fold(_CALLS))
_WEAK_HEADING = re.compile(fold(_WEAK))
_MARK = r"\s*(?:[:|>»→▶–—]|\s-\s)\s*(?=\S)"
_INLINE = re.compile(fold(rf"(?:{_POINTERS}|{_CALLS}|{_BOXES})") + _MARK)
_INLINE_WEAK = re.compile(fold(rf"(?:{_WEAK}|{_MEDIA}|more)") + _MARK)
_LINE_OF_PAGE = re.compile(fold(_FURNITURE))
_TRIM = ' \t-–—•*·|#>»«›→▶▸►:.…[]()"“”'


class _Line:
    """A line that is not blank, where it stands, and what it looks like."""

    def __init__(self, start: int, end: int, text: str) -> None:
        self.start, self.end, self.text = start, end, text

    @cached_property
    def bare(self) -> str:
        return fold(self.text[:_LONGEST_BARE]).replace("’", "'").strip(_TRIM)

    @cached_property
    def cut_short(self) -> bool:
        """It breaks off: `The government asked...`"""
        return self.text.rstrip('"”»)] ').endswith(("...", "…"))

    @cached_property
    def closed(self) -> bool:
        """It ends like a sentence."""
        return not self.cut_short and self.text.rstrip('"”’»)] ')[-1:] in tuple(".!?。！？:;")

    @cached_property
    def headline(self) -> bool:
        """It may be a headline: no sentence, no time of day in brackets, no author behind a dash."""
        return not self.closed and not re.match(r"[(—–]|-\S", self.text.lstrip()) and len(self.text.strip()) >= 12

    @cached_property
    def prose(self) -> bool:
        """It is a paragraph of an article rather than a headline or a blurb."""
        return self.closed and (len(self.text) >= 160 or self.correction or _dense(self.text))

    @cached_property
    def correction(self) -> bool:
        """It corrects the article, so it belongs to it wherever it stands."""
        return bool(_CORRECTION.match(self.bare)) and len(self.text) >= 30


_LONGEST_BARE = 2000  # longer lines are paragraphs; only how they begin is looked at


def _dense(text: str) -> bool:
    # Scripts without spaces say in 60 characters what Latin script says in 160.
    return len(text) >= 60 and len(text.split()) < len(text) / 20


def uncitable_spans(text: str) -> tuple[Span, ...]:
    """The spans of a text that must never be cited, ordered and disjoint: teasers, pointers, page furniture.

    A heading of a box ("Related articles") takes what follows with it: everything to the end where only
    teasers follow, otherwise up to where paragraphs of the article resume. "Read also: headline" takes its
    line. In doubt a span ends early in mid-article and late at the end.
    """
    lines = _Lines(text)
    spans: list[Span] = []
    index = 0
    while index < len(lines):
        taken = lines.taken(index)
        if taken:
            end = len(text) if index + taken == len(lines) else lines[index + taken - 1].end
            spans.append((lines[index].start, end))
        index += max(taken, 1)
    return _merge(spans, text)


class _Lines:
    """The lines of a text, with what is asked of many of them worked out once: a page may be nothing but headings."""

    def __init__(self, text: str) -> None:
        found = (_Line(m.start(), m.end(), m.group()) for m in re.finditer(r"[^\n]+", text))
        self._lines = [line for line in found if not line.text.isspace()]
        count = len(self._lines)
        self._pairs = [self._is_pair(index) for index in range(count)]
        # Where the next line stands that decides, seen from each line on, whether the article resumes.
        self._decisive: list[int | None] = [None] * (count + 1)
        for index in range(count - 1, -1, -1):
            self._decisive[index] = index if self._decides(index) else self._decisive[index + 1]
        # How many headlines, and headlines with a blurb below, stand before each line.
        self._headlines = [0, *accumulate(int(line.headline) for line in self._lines)]
        self._blurbed = [0, *accumulate(int(self._has_blurb(index)) for index in range(count))]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> _Line:
        return self._lines[index]

    def _is_pair(self, index: int) -> bool:
        """A line and the next end like sentences: paragraphs of the article, since blurbs stand alone."""
        if index + 1 >= len(self):
            return False
        following = self[index + 1]
        return self[index].closed and following.closed and not following.correction

    def _is_blurb(self, index: int) -> bool:
        return index > 0 and self[index - 1].headline and len(self[index].text) <= 260

    def _resuming(self, index: int) -> bool:
        return self[index].prose or self._pairs[index]

    def _decides(self, index: int) -> bool:
        if not self._resuming(index):
            return False
        last = index + 1 == len(self)
        return self[index].correction or last or self._pairs[index] or not self._is_blurb(index)

    def _has_blurb(self, index: int) -> bool:
        return self[index].headline and index + 1 < len(self) and not self[index + 1].headline

    def _alternates(self, start: int, end: int) -> bool:
        """Each of at least two headlines (the last one aside) has its blurb below it."""
        headlines = self._headlines[end] - self._headlines[start]
        blurbs = self._blurbed[max(end - 1, start)] - self._blurbed[start]
        return headlines >= 2 and blurbs >= headlines - 1

    def _resumes(self, start: int) -> int | None:
        """Where paragraphs of the article begin again from `start` on; None where only teasers follow.

        A paragraph is long, or followed by another line that ends like a sentence: blurbs stand alone under
        their headlines.
        """
        if start < len(self) and self._resuming(start):
            return start
        index = self._decisive[start]
        if index is None or self[index].correction:
            return index
        blurb = self._is_blurb(index)
        if index + 1 == len(self):
            return None if blurb else index
        return index + 1 if blurb and self._alternates(start, index) else index

    def taken(self, index: int) -> int:
        """How many lines from `index` on are uncitable: 0 for a line of the article."""
        line = self[index]
        if len(line.text) > 300 or index == 0 or line.correction:
            return 0
        bare, below = line.bare, index + 1
        if len(line.text) <= 80 and not line.text.rstrip().endswith((".", ",", ";")) or line.cut_short:
            if _BOX.fullmatch(bare):
                return 1 + self._teasers(below, box=True)
            if _POINTER.fullmatch(bare) or _CALL.fullmatch(bare):
                ends = line.text.rstrip().endswith(":")
                listed = _POINTER.fullmatch(bare) or ends or self._resumes(below) is None
                return 1 + (self._teasers(below, box=False) if listed else 0)
            if _WEAK_HEADING.fullmatch(bare) and (follows := self._teasers(below, box=False)):
                return 1 + follows
        label = _INLINE.match(bare) or (None if line.closed else _INLINE_WEAK.match(bare))
        if label and len(line.text) <= 220 and not _CORRECTION.search(bare[label.end() :]):
            return 1
        furniture = len(line.text) <= 250 and not line.text.lstrip().startswith(tuple("“\"«‘'„"))
        return 1 if furniture and _LINE_OF_PAGE.fullmatch(bare) else 0

    def _teasers(self, start: int, *, box: bool) -> int:
        """How many of the lines from `start` on are teasers; all of them where the article does not resume."""
        left = len(self) - start
        resumed = self._resumes(start)
        if resumed is None and left <= (40 if box else 12) and (box or not left or self[start].headline):
            return left
        if resumed == start:
            # Sentences stand right below the heading: blurbs without headlines at the end, or a stray heading?
            rest = self._lines[start : start + 7]
            blurbs = box and left <= 6 and all(len(line.text) <= 250 and not line.correction for line in rest)
            return left if blurbs else 0
        if resumed is not None and box and (self[resumed].correction or self._alternates(start, resumed)):
            return resumed - start
        return self._leading_headlines(start, len(self) if resumed is None else resumed, box=box)

    def _leading_headlines(self, start: int, end: int, *, box: bool) -> int:
        """How many lines from `start` on are headlines, in a box with a blurb between two of them."""
        for index in range(start, end):
            line, later = self[index], index > start
            blurb = box and later and self[index - 1].headline and index + 1 < end and self[index + 1].headline
            # Below "Read also" a second short line is more likely the next subheading of the article.
            subheading = not box and later and len(line.text) < 40
            if (not line.headline or subheading) and not blurb:
                return index - start
        return end - start


def _merge(spans: Sequence[Span], text: str) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in spans:
        if merged and not text[merged[-1][1] : start].strip():
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
