"""Words that carry no meaning of their own."""

from __future__ import annotations

STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has have having
    he her here hers him his how i if in into is it its itself just me more most my no nor not now of off on
    once only or other our out over own said same say says she should so some such tell than that the their
    them then there these they this those through to too under until up upon us very was we were what when
    where which while who whom whose why will with would yes you your s t
    el la los las un una unos unas de del al y o u e que en por para con sin sobre entre desde hasta es son
    fue fueron ser era eran ha han habia hay se su sus lo le les como cual cuales quien quienes cuando donde
    cuanto cuanta cuantos cuantas mas muy ya no ni si tambien este esta estos estas ese esa eso esto a ante
    tras segun durante dijo me mi tu yo
    der die das den dem des ein eine einen einem einer und oder aber ist sind war waren wird werden hat haben
    wer was wann wo wie warum welche welcher welches von zu zum zur mit bei nach aus auf fur im am an nicht
    le les des du au aux et ou est sont etait une dans sur par pour avec qui quoi quand comment pourquoi ce
    cette ces il elle ils elles
    """.split()
)
