"""Sentences that say the opposite of their quotation: another direction or decision, or what was refused as done."""

from __future__ import annotations

import pytest
from test_check import verdict


@pytest.mark.parametrize(
    ("language", "text", "false"),
    [
        ("en", "Profits rose by 12 percent at Orr Valley Power.", "Profits fell by 12 percent at Orr Valley Power."),
        ("en", "Orr Valley Power sold its ferry line to the council.", "Orr Valley Power bought its ferry line."),
        ("es", "El concejo rechazó el plan del tranvía el lunes.", "El concejo aprobó el plan del tranvía el lunes."),
        ("fr", "Le conseil a rejeté le plan du tram à Lunada.", "Le conseil a approuvé le plan du tram à Lunada."),
        ("de", "Der Umsatz stieg um 12 Prozent auf 45 Euro.", "Der Umsatz sank um 12 Prozent auf 45 Euro."),
        ("it", "Il consiglio ha respinto il piano del tram.", "Il consiglio ha approvato il piano del tram."),
        ("pt", "O lucro da empresa subiu 12 por cento.", "O lucro da empresa caiu 12 por cento."),
        ("nl", "De winst van de haven steeg in maart.", "De winst van de haven daalde in maart."),
        ("en", "The mayor closed the library on Friday.", "The mayor refused to close the library on Friday."),
        ("en", "The minister refused to close the library in March.", "The minister closed the library in March."),
        ("es", "El ministro se negó a cerrar la biblioteca de Lunada.", "El ministro cerró la biblioteca de Lunada."),
        ("fr", "Le ministre a refusé de fermer la bibliothèque.", "Le ministre a fermé la bibliothèque."),
        ("de", "Der Minister weigerte sich, die Bibliothek in Lunada zu schließen.",
         "Der Minister schloss die Bibliothek in Lunada."),
        ("it", "Il ministro ha rifiutato di chiudere la biblioteca.", "Il ministro ha chiuso la biblioteca."),
        ("pt", "O ministro recusou-se a fechar a biblioteca.", "O ministro vai fechar a biblioteca."),
        ("nl", "De minister weigerde om de bibliotheek van Lunada te sluiten.",
         "De minister wil de bibliotheek van Lunada sluiten."),
    ],
)  # fmt: skip
def test_the_opposite_is_contradicted(language: str, text: str, false: str) -> None:
    assert verdict(false, text, language).verdict == "contradicted"


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("The bank cut its key rate to 2.75 per cent.", "The bank lowered its key rate to 2.75 per cent."),
        ("Sales rose in May but profits fell in June.", "Profits fell in June."),
        ("Renner, who refused to resign, lost the vote in Millford.", "Renner lost the vote in Millford."),
        ("The council refused to close the library.", "The council did not close the library."),
        ("The council refused to close the library.", "The council declined to close the library."),
        ("The failed bank was sold in March.", "The bank was sold in March."),
    ],
)
def test_a_faithful_paraphrase_is_none(text: str, true: str) -> None:
    assert verdict(true, text).verdict == "supported"
