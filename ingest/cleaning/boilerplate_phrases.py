"""Phrases by which boilerplate is recognised: headings of link lists, pointers to other articles, page furniture.

One regular expression a line, under the language that it belongs to, in folded form: lower case, without accents.
They were tried on 5,347 newspaper articles (realtimeqa2025), 182 Norwegian ones and the texts of 181 pages.
"""

from __future__ import annotations

import re

from rag.language.tokens import fold


def _alternatives(table: str) -> str:
    """One regular expression from the lines of a table; lines that begin with # name the language.

    `fold` also changes letters of other scripts (Russian й, Japanese が), so the tables are folded like the text.
    """
    lines = (line.strip() for line in table.splitlines())
    return fold("|".join(line for line in lines if line and not line.startswith("#")))


# Headings of lists of links to other articles.
# "Up next" is missing on purpose: AP ends its match reports with it.
_LINK_LISTS = _alternatives(r"""
    # English
    related (articles?|stories|news|content|posts|coverage|reading|topics|links|items)
    more (stories|news|headlines|coverage|articles|top stories|like this)( (from|by|in|on) .{1,40})?
    more from .{1,40}
    (the )?(most|best) (read|popular|viewed|shared|commented|watched|recent)( .{1,25})?
    trending( now| stories| topics)?
    popular (now|stories|articles|posts)
    (top|latest|other|recent) (stories|news|headlines|articles|posts)
    you (may|might|will|could) (also )?(like|love|enjoy)
    you (may|might) (also )?be interested in
    (stories|articles) you (may|might) (like|have missed)
    recommended( for you| stories| articles| reading| by .{1,30})
    (editor'?s'?|our) (picks?|choice)
    suggested (articles|stories|reading)
    (also|elsewhere|more) (on|in) (our|this|the) (website|site|paper|web|page|section)
    in other news
    also in the news
    what to read next
    read (these )?next
    in case you missed it
    from our partners
    sponsored (content|links|stories)
    promoted (content|stories|links)
    paid content
    around the web
    from (around )?the web
    more to explore
    more on (this|the) (story|topic|subject)
    # Spanish
    noticias (relacionadas|destacadas|recomendadas)
    articulos (relacionados|recomendados)
    contenidos? (relacionados?|patrocinados?)
    notas relacionadas
    temas relacionados
    (mas|otras|ultimas) noticias( .{1,30})?
    lo (mas|ultimo) ?(leido|visto|comentado|compartido|popular|en .{1,25})?
    (tambien |quiza |quizas )?(te|le) (puede|podria|pueden) interesar
    (tal vez|puede que) te interese
    te recomendamos
    recomendados? para (ti|usted)
    no te (lo )?pierdas
    en otras noticias
    # French
    articles? (lies|associes|connexes|similaires|recommandes)
    sur le meme (sujet|theme)
    dans la meme rubrique
    (les )?(plus|articles les plus) (lus|vus|commentes|partages)
    vous aimerez aussi
    (cela|ces articles|ca) (pourrait|pourraient|peut|peuvent) vous interesser
    vous pourriez aussi aimer
    nos recommandations
    # German
    mehr zum thema
    (das |dies )?(konnte|konnten|durfte) sie auch interessieren
    auch interessant
    (weitere|ahnliche|verwandte|neueste|empfohlene|passende) (artikel|nachrichten|meldungen|themen|beitrage|inhalte)
    (am )?(haufigsten|meist)[ -]?gelesen(e artikel|en artikel)?
    (artikel|beitrage) zum thema
    # Italian
    articoli (correlati|consigliati|simili)
    (ti )?potrebbe(ro)? (anche )?interessarti( anche)?
    ti potrebbe(ro)? (anche )?interessare
    notizie correlate
    (i |gli articoli )?piu letti
    altre notizie
    # Portuguese
    (noticias|artigos|materias|conteudos?) relacionad[ao]s?
    (as )?mais lidas
    voce (tambem )?(pode|vai) gostar( de)?
    # Dutch
    gerelateerde (artikelen|berichten)
    meest gelezen
    ook interessant
    # Danish, Norwegian, Swedish
    mest (lest|laest|last)
    (relaterte|relaterede|relaterade) (saker|artikler|artiklar)
    # Catalan, Polish, Turkish, Serbian
    noticies relacionades
    powiazane artykuły
    najczesciej czytane
    ilgili haberler
    por?ecane clanky
    # Russian
    похожие (статьи|новости|материалы)
    другие новости
    самое читаемое
    материалы по теме
    # Arabic, Hebrew
    مواضيع ذات صلة
    اخبار ذات صلة
    الاكثر قراءة
    כתבות נוספות
    # Chinese
    相关(阅读|新闻|文章|报道|推荐)
    相關(閱讀|新聞|文章|報導)
    延伸(阅读|閱讀)
    推荐阅读
    热门(新闻|文章|推荐)
    猜你喜欢
    # Japanese
    関連(記事|ニュース)
    (あわせて|合わせて)読みたい
    おすすめ(の)?記事
    人気記事
    アクセスランキング
    # Korean
    관련 ?(기사|뉴스)
    많이 본 (뉴스|기사)
    추천 ?기사
""")

# These head a list of links, and also stand before a single headline, in mid-article or on the same line.
_POINTERS = _alternatives(r"""
    # English
    read (also|next|this)
    also read
    related
    don'?t miss
    (more )?on this (topic|story)
    # Spanish
    (lee|lea|leer|ver|vea|mira|escucha) tambien
    tambien (lee|lea|puedes leer)
    # French
    (a )?(lire|voir|ecouter|decouvrir) (aussi|egalement)
    a lire
    # German
    (lesen|sehen|horen) sie (auch|dazu)( .{1,20})?
    # Italian, Portuguese, Dutch
    (leggi|vedi|ascolta) anche
    (leia|veja|ouca|confira) tambem
    (lees|bekijk) ook
    # Danish, Norwegian, Swedish
    (les|laes|las) (ogsa|ocksa)( om .{1,40})?
    # Polish, Russian, Ukrainian
    (czytaj|zobacz|przeczytaj) (takze|tez|rowniez)
    (читайте|смотрите) (также|еще)
    читайте також
    # Arabic, Hebrew
    اقرا ايضا
    קראו (גם|עוד)
""")

# These may also be a button below a text.
_CALLS = _alternatives(r"""
    # English
    read (more|on)
    (read|see) (the )?(full|whole) (story|article|interview|report)( here)?
    (keep|continue) reading
    # Spanish
    (lee|lea|leer|ver|vea) mas
    sigue leyendo
    seguir leyendo
    # French
    lire la suite
    en (lire|savoir) plus
    # German
    (lesen|horen) sie (hier )?(mehr|weiter)( .{1,20})?
    weiterlesen
    # Italian, Portuguese, Dutch
    leggi (di piu|tutto)
    (leia|veja|saiba) mais
    (lees|bekijk) (meer|verder)
    # Danish, Norwegian, Swedish
    (les|laes|las) (mer|mere)( om .{1,40})?
    # Polish, Russian, Arabic
    czytaj (dalej|wiecej)
    читать далее
    اقرا المزيد
""")

# Ordinary subheadings use these words too, so they count only where teasers follow.
_AMBIGUOUS = _alternatives(r"""
    # English
    further reading
    see also
    recommended
    more (on|about) .{1,40}
    explore more
    more in .{1,30}
    also on .{1,30}
    trending
    # Spanish
    recomendad[oa]s?
    relacionad[oa]s?
    mas (informacion|sobre .{1,40}|en .{1,30})
    # German
    empfohlen
    mehr (uber|von|aus) .{1,40}
    siehe auch
    zum thema
    # French, Dutch, Portuguese, Russian
    voir aussi
    plus d'(articles|infos)
    meer over .{1,40}
    mais sobre .{1,40}
    по теме
""")

_MEDIA = _alternatives(r"""
    # English
    watch
    listen
    videos?
    photos
    podcast
    gallery
    # Spanish, German, French
    galeria
    fotos
    bildergalerie
    en images
""")

# Lines that belong to the page and not to the article.
_FURNITURE = _alternatives(r"""
    # English: letters and channels
    (please )?(sign|signing) ?up (to|for|here|now|today|and)\b.*(newsletter|inbox|e-?mail|alerts?|updates|free).*
    (please )?(sign|signing) ?up (to|for|here|now|today|and)\b.*(briefing|bulletin).*
    (please )?subscribe (to|for|now|today|here|and)\b.{0,120}
    (get|receive) .{1,80}(in|to|by|via) (your )?(inbox|e-?mail|mailbox)\b.*
    (our|the|daily|weekly|free|morning|evening) ?newsletters?
    newsletters?
    click here (to|for) .*
    join our .{0,30}(channel|community|newsletter).*
    follow (us|our|the .{1,30}) on (x|twitter|facebook|instagram|linkedin|whatsapp|telegram|google|tiktok|youtube).*
    (download|get) (our|the) .{0,25}\bapp\b.{0,60}
    support (our|independent|quality) journalism.*
    become a (member|subscriber|supporter).*
    # English: cookies, rights, advertisements
    (this|our) (web)?site (uses|stores|sets) cookies.*
    (we|we and our .{1,30}) (use|store|set) cookies.*
    (by continuing|accept|manage|reject) .{0,40}cookies.*
    (cookie|privacy) (policy|notice|settings)
    manage (cookies|choices)
    accept all
    (©|\(c\)|copyright) .{0,120}
    all rights reserved.*
    this material may not be (published|reproduced).*
    advertisement
    advertising
    sponsored
    (story|article) continues below.*
    scroll to continue.*
    # Advertisements in Spanish, French, German, Italian, Portuguese
    publicidad
    publicite
    anzeige
    werbung
    pubblicita
    publicidade
    # English: sharing and comments
    share( (this|on|via|by) (article|story|post|page|facebook|twitter|x|whatsapp|linkedin|e-?mail|social media))?
    tweet
    e-?mail
    print
    copy link
    save( for later)?
    facebook
    whatsapp
    twitter
    linkedin
    telegram
    (\d+ )?comments?( \(?\d+\)?)?
    leave a (comment|reply)
    show comments
    # Spanish
    suscrib(ete|ase|anse)\b.{0,160}
    (recib[ea]|recibir?) .{0,60}(correo|boletin|newsletter)\b.*
    boletin(es)?
    siguenos en .*
    sigue(nos)? .{0,40}(facebook|twitter|whatsapp|telegram).*
    (utilizamos|usamos|este sitio (web )?(utiliza|usa)) cookies.*
    todos los derechos reservados.*
    (compartir|imprimir|copiar enlace|enviar|guardar)( .{0,20})?
    (\d+ )?comentarios?( \(?\d+\)?)?
    # French
    (abonnez|inscrivez)[- ]vous\b.{0,160}
    recevez .{0,80}(mail|newsletter|lettre)\b.*
    (nous utilisons|ce site utilise) des cookies.*
    tous droits reserves.*
    partager( .{0,20})?
    # German
    (abonnieren|bestellen) sie\b.{0,160}
    (jetzt )?(newsletter|abo) (abonnieren|bestellen|testen).*
    zum newsletter.*
    (wir verwenden|diese (web)?seite verwendet) cookies.*
    alle rechte vorbehalten.*
    teilen( .{0,20})?
    # Italian, Portuguese
    iscriviti (alla|a) .*(newsletter|canale).*
    tutti i diritti riservati.*
    inscreva-se\b.{0,120}
    assine .{0,60}(newsletter|boletim).*
    todos os direitos reservados.*
""")

# A correction belongs to the article, wherever it stands.
_CORRECTIONS = _alternatives(r"""
    # English
    correction
    corrections?
    clarification
    editor'?s'? note
    update
    updated
    (an |a )(earlier|previous) version
    this (article|story) (was|has been) (amended|corrected|updated)
    # Spanish
    fe de erratas
    fe de errores
    correccion
    rectificacion
    aclaracion
    nota del editor
    # French
    rectificatif
    precision
    # German
    korrektur
    berichtigung
    anmerkung der redaktion
    in einer fruheren version
    # Italian, Portuguese
    correzione
    errata
    correcao
""")

# A label is followed by a sign and the headline that it points to: `Read also: Mayor opens the bridge`.
_SIGN = r"\s*(?:[:|>»→▶–—]|\s-\s)\s*(?=\S)"

LINK_LIST_HEADING = re.compile(rf"(?:{_LINK_LISTS})\s*(?:\(?\d+\)?)?")
POINTER = re.compile(_POINTERS)
CALL = re.compile(_CALLS)
AMBIGUOUS_HEADING = re.compile(_AMBIGUOUS)
LABEL = re.compile(rf"(?:{_POINTERS}|{_CALLS}|{_LINK_LISTS}){_SIGN}")
AMBIGUOUS_LABEL = re.compile(rf"(?:{_AMBIGUOUS}|{_MEDIA}|more){_SIGN}")
FURNITURE = re.compile(_FURNITURE)
CORRECTION = re.compile(rf"\b({_CORRECTIONS})\b")
