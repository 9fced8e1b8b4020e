"""The words for why a status is said (MDT-113), what is asked (MDT-121) and what a datum is (MDT-207), in French and
English.

Codes, and which status may bear them, are those of BR-FR-CDV 1.4.0.03; others are kept and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A code of a list, in words."""

    code: str
    label_fr: str
    label_en: str


def _words(rows: str) -> Mapping[str, Word]:
    parts = (line.split("|") for line in rows.strip().splitlines())
    return {code: Word(code, fr, en) for code, fr, en in parts}


REASONS = _words("""
NON_TRANSMISE|Facture non transmise, destinataire sans plateforme|Not transmitted, the recipient has no platform
JUSTIF_ABS|Justificatif absent ou insuffisant|Supporting document missing or insufficient
ROUTAGE_ERR|Erreur de routage|Routing error
AUTRE|Autre|Other
COORD_BANC_ERR|Erreur de coordonnées bancaires|Wrong bank details
TX_TVA_ERR|Taux de TVA erroné|Wrong VAT rate
MONTANTTOTAL_ERR|Montant total erroné|Wrong total
CALCUL_ERR|Erreur de calcul de la facture|The invoice is miscalculated
NON_CONFORME|Mention légale manquante|A mandatory mention is missing
DOUBLON|Facture en doublon|Duplicate invoice
DEST_INC|Destinataire inconnu|Unknown recipient
DEST_ERR|Erreur de destinataire|Wrong recipient
TRANSAC_INC|Transaction inconnue|Unknown transaction
EMMET_INC|Émetteur inconnu|Unknown issuer
CONTRAT_TERM|Contrat terminé|The contract has ended
DOUBLE_FACT|Opération facturée deux fois|Invoiced twice
CMD_ERR|Numéro de commande incorrect ou manquant|Order number wrong or missing
ADR_ERR|Adresse de facturation électronique erronée|Wrong electronic address
SIRET_ERR|SIRET erroné ou absent|SIRET wrong or missing
CODE_ROUTAGE_ERR|Code de routage absent ou erroné|Routing code missing or wrong
REF_CT_ABSENT|Référence contractuelle manquante|Contract reference missing
REF_ERR|Référence incorrecte|Wrong reference
PU_ERR|Prix unitaires incorrects|Wrong unit prices
REM_ERR|Remise erronée|Wrong discount
QTE_ERR|Quantité facturée incorrecte|Wrong quantity invoiced
ART_ERR|Article facturé incorrect|Wrong item invoiced
MODPAI_ERR|Modalités de paiement incorrectes|Wrong terms of payment
QUALITE_ERR|Qualité d'article livré incorrecte|Wrong quality of what was delivered
LIVR_INCOMP|Livraison incomplète ou non effectuée|Delivery incomplete or not made
REJ_SEMAN|Rejet sémantique|A value breaks a rule
REJ_UNI|Rejet pour unicité|The number was used before
REJ_COH|Rejet pour cohérence de données|Values contradict each other
REJ_ADR|Rejet d'adressage|The address cannot be served
REJ_CONT_B2G|Rejet d'une règle du secteur public|A rule of the public sector is broken
REJ_REF_PJ|Référence de pièce jointe rejetée|The reference of an attachment is refused
REJ_ASS_PJ|Pièce jointe mal associée|An attachment is not tied as it must be
IRR_VIDE_F|Fichier vide|Empty file
IRR_TYPE_F|Type de fichier refusé|Type of file not taken
IRR_SYNTAX|Syntaxe incorrecte|The syntax is broken
IRR_TAILLE_PJ|Pièce jointe trop volumineuse|Attachment too large
IRR_NOM_PJ|Nom de pièce jointe incorrect|Wrong name of an attachment
IRR_VID_PJ|Pièce jointe vide|Empty attachment
IRR_EXT_DOC|Extension de fichier refusée|File extension not taken
IRR_TAILLE_F|Fichier trop volumineux|File too large
IRR_ANTIVIRUS|Contenu malveillant|Harmful content
IRR_NOM_F|Nom de fichier incorrect|Wrong file name
RETRAIT_MAN_SERV|Retrait par le service|Withdrawn by the service
ST_CT_NON_DECLAR|Sous-traitant ou cotraitant non déclaré|Undeclared subcontractor or co-contractor
SUPPR_COMP_AVOIR|Suppression pour compensation d'avoirs|Removed to offset credit notes
TRANSF_PMNT_REGIE|Transfert pour paiement en régie|Moved to payment by an imprest account
CONTACT_ACHTR|Autre : contacter votre acheteur|Other: contact your buyer
""")
"""MDT-113."""

ACTIONS = _words("""
NOA|Aucune action|Nothing
PIN|Fournir des informations complémentaires|Give more information
NIN|Créer une facture rectificative|Issue a corrective invoice
CNF|Créer un avoir total|Issue a credit note for all of it
CNP|Créer un avoir partiel|Issue a credit note for a part
CNA|Créer un avoir du montant indiqué|Issue a credit note for the amount stated
OTH|Autre|Other
""")
"""MDT-121."""

KINDS = _words("""
MEN|Montant encaissé|Amount collected
MPA|Montant payé|Amount paid
RAP|Reste à payer|Amount left to pay
ESC|Escompte|Discount for early payment
RAB|Rabais|Rebate
REM|Remise|Discount
MAP|Montant approuvé hors taxes|Amount approved without VAT
MAPTTC|Montant approuvé TTC|Amount approved with VAT
MNA|Montant non approuvé hors taxes|Amount not approved without VAT
MNATTC|Montant non approuvé TTC|Amount not approved with VAT
CBB|Coordonnées bancaires du bénéficiaire|Bank details of the payee
DIV|Donnée invalide|Wrong datum
DVA|Donnée valide|Right datum
MAJ|Donnée mise à jour|Updated datum
""")
"""MDT-207."""

_SPECIFIC = (
    "CMD_ERR SIRET_ERR CODE_ROUTAGE_ERR REF_CT_ABSENT REF_ERR PU_ERR REM_ERR QTE_ERR ART_ERR MODPAI_ERR QUALITE_ERR "
    "LIVR_INCOMP"
)
ALLOWED: Mapping[str, tuple[str, ...]] = {
    code: tuple(listed.split())
    for code, listed in {
        "200": "NON_TRANSMISE",
        "206": f"AUTRE {_SPECIFIC}",
        "207": "AUTRE COORD_BANC_ERR TX_TVA_ERR MONTANTTOTAL_ERR CALCUL_ERR NON_CONFORME DOUBLON DEST_INC DEST_ERR "
        f"TRANSAC_INC EMMET_INC CONTRAT_TERM DOUBLE_FACT ADR_ERR {_SPECIFIC}",
        "208": "JUSTIF_ABS COORD_BANC_ERR CMD_ERR SIRET_ERR CODE_ROUTAGE_ERR REF_CT_ABSENT REF_ERR",
        "210": "TX_TVA_ERR MONTANTTOTAL_ERR CALCUL_ERR NON_CONFORME DOUBLON DEST_ERR TRANSAC_INC EMMET_INC "
        "CONTRAT_TERM DOUBLE_FACT CMD_ERR ADR_ERR REF_CT_ABSENT",
        "213": "MONTANTTOTAL_ERR CALCUL_ERR DOUBLON DEST_INC ADR_ERR REJ_SEMAN REJ_UNI REJ_COH REJ_ADR REJ_CONT_B2G "
        "REJ_REF_PJ REJ_ASS_PJ",
        "221": "ROUTAGE_ERR",
        "501": "IRR_VIDE_F IRR_TYPE_F IRR_SYNTAX IRR_TAILLE_PJ IRR_NOM_PJ IRR_VID_PJ IRR_EXT_DOC IRR_TAILLE_F "
        "IRR_ANTIVIRUS IRR_NOM_F",
    }.items()
}
"""Which reasons a status may bear (BR-FR-CDV-CL-09); a status that is not named bears any of the list, or none."""
