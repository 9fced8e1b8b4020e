"""What a rule id means to a person: the business terms, the demand in English and French, and what to do about it.

The texts are ours; the publisher's own sentence stays in the finding (`says`). A rule that has no text of its own is
explained by its family: the VAT rules repeat the same ten demands for every category, and the code list, decimal and
syntax rules each say one thing. What belongs to no family has no explanation: None, rather than a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

SEPARATOR = "→"
"""In the table below: what is demanded, then what to do."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One rule in words."""

    rule: str
    terms: tuple[str, ...]
    english: str
    french: str
    fix_english: str = ""
    """What to do, in one sentence; empty where the demand says it."""
    fix_french: str = ""


_TABLE = """
BR-01 BT-24
The invoice names the specification it follows. → Fill in BT-24, for instance urn:cen.eu:en16931:2017.
La facture nomme la spécification qu'elle suit. → Renseignez BT-24, par exemple urn:cen.eu:en16931:2017.
BR-02 BT-1
The invoice has a number. → Fill in the invoice number.
La facture porte un numéro. → Renseignez le numéro de facture.
BR-03 BT-2
The invoice has an issue date. → Fill in the issue date.
La facture porte une date d'émission. → Renseignez la date d'émission.
BR-04 BT-3
The invoice has a type code. → Fill in the type: 380 for an invoice, 381 for a credit note.
La facture porte un code de type. → Renseignez le type : 380 pour une facture, 381 pour un avoir.
BR-05 BT-5
The invoice has a currency. → Fill in the currency code, for instance EUR.
La facture indique sa devise. → Renseignez le code devise, par exemple EUR.
BR-06 BT-27
The seller has a name. → Fill in the seller's name.
Le vendeur porte un nom. → Renseignez le nom du vendeur.
BR-07 BT-44
The buyer has a name. → Fill in the buyer's name.
L'acheteur porte un nom. → Renseignez le nom de l'acheteur.
BR-08 BG-5
The seller has a postal address. → Fill in at least the country of the seller's address.
Le vendeur a une adresse postale. → Renseignez au moins le pays de l'adresse du vendeur.
BR-09 BT-40
The seller's address names its country. → Fill in the two-letter country code of the seller.
L'adresse du vendeur indique son pays. → Renseignez le code pays à deux lettres du vendeur.
BR-10 BG-8
The buyer has a postal address. → Fill in at least the country of the buyer's address.
L'acheteur a une adresse postale. → Renseignez au moins le pays de l'adresse de l'acheteur.
BR-11 BT-55
The buyer's address names its country. → Fill in the two-letter country code of the buyer.
L'adresse de l'acheteur indique son pays. → Renseignez le code pays à deux lettres de l'acheteur.
BR-12 BT-106
The sum of the line amounts is given. → Fill in the sum of all line net amounts.
Le total des montants nets des lignes est indiqué. → Renseignez la somme des montants nets des lignes.
BR-13 BT-109
The total without VAT is given. → Fill in the total without VAT.
Le total hors taxe est indiqué. → Renseignez le total hors taxe.
BR-14 BT-112
The total with VAT is given. → Fill in the total with VAT.
Le total toutes taxes comprises est indiqué. → Renseignez le total TTC.
BR-15 BT-115
The amount due is given. → Fill in what remains to be paid, 0 included.
Le net à payer est indiqué. → Renseignez le montant restant dû, même nul.
BR-16 BG-25
The invoice has at least one line. → Add the lines.
La facture comporte au moins une ligne. → Ajoutez les lignes.
BR-17 BT-59 BG-10 BG-4
A payee other than the seller has a name. → Fill in the payee's name, or leave the payee out.
Un bénéficiaire différent du vendeur porte un nom. → Renseignez le nom du bénéficiaire ou supprimez-le.
BR-18 BT-62 BG-11
The seller's tax representative has a name. → Fill in its name.
Le représentant fiscal du vendeur porte un nom. → Renseignez son nom.
BR-19 BG-12 BG-11
The seller's tax representative has an address. → Fill in its address.
Le représentant fiscal du vendeur a une adresse. → Renseignez son adresse.
BR-20 BT-69 BG-12
The tax representative's address names its country. → Fill in its country code.
L'adresse du représentant fiscal indique son pays. → Renseignez son code pays.
BR-21 BT-126
Each line has an identifier. → Number the lines.
Chaque ligne porte un identifiant. → Numérotez les lignes.
BR-22 BT-129
Each line has a quantity. → Fill in the invoiced quantity.
Chaque ligne indique une quantité. → Renseignez la quantité facturée.
BR-23 BT-130
Each quantity has a unit. → Fill in the unit code, for instance C62 for pieces or HUR for hours.
Chaque quantité a une unité. → Renseignez le code d'unité, par exemple C62 (unité) ou HUR (heure).
BR-24 BT-131
Each line has a net amount. → Fill in the line net amount.
Chaque ligne indique un montant net. → Renseignez le montant net de la ligne.
BR-25 BT-153
Each line names what is sold. → Fill in the item name.
Chaque ligne nomme l'article. → Renseignez le nom de l'article.
BR-26 BT-146
Each line has a net price. → Fill in the item net price.
Chaque ligne indique un prix net. → Renseignez le prix net de l'article.
BR-27 BT-146
A net price is never negative. → Put the minus on the quantity instead of the price.
Un prix net n'est jamais négatif. → Portez le signe moins sur la quantité et non sur le prix.
BR-28 BT-148
A gross price is never negative. → Put the minus on the quantity instead of the price.
Un prix brut n'est jamais négatif. → Portez le signe moins sur la quantité et non sur le prix.
BR-29 BT-73 BT-74
The invoicing period does not end before it starts. → Correct one of the two dates.
La période de facturation ne finit pas avant de commencer. → Corrigez l'une des deux dates.
BR-30 BT-134 BT-135
The period of a line does not end before it starts. → Correct one of the two dates.
La période d'une ligne ne finit pas avant de commencer. → Corrigez l'une des deux dates.
BR-31 BT-92 BG-20
Each document level allowance has an amount. → Fill in the amount.
Chaque remise de pied a un montant. → Renseignez le montant.
BR-32 BT-95 BG-20
Each document level allowance has a VAT category. → Fill in the category code.
Chaque remise de pied a une catégorie de TVA. → Renseignez le code de catégorie.
BR-33 BT-97 BT-98
Each document level allowance has a reason. → Give the reason as text or code.
Chaque remise de pied a un motif. → Donnez le motif en texte ou en code.
BR-36 BT-99 BG-21
Each document level charge has an amount. → Fill in the amount.
Chaque charge de pied a un montant. → Renseignez le montant.
BR-37 BT-102 BG-21
Each document level charge has a VAT category. → Fill in the category code.
Chaque charge de pied a une catégorie de TVA. → Renseignez le code de catégorie.
BR-38 BT-104 BT-105
Each document level charge has a reason. → Give the reason as text or code.
Chaque charge de pied a un motif. → Donnez le motif en texte ou en code.
BR-41 BT-136 BG-27
Each allowance of a line has an amount. → Fill in the amount.
Chaque remise de ligne a un montant. → Renseignez le montant.
BR-42 BT-139 BT-140
Each allowance of a line has a reason. → Give the reason as text or code.
Chaque remise de ligne a un motif. → Donnez le motif en texte ou en code.
BR-43 BT-141 BG-28
Each charge of a line has an amount. → Fill in the amount.
Chaque charge de ligne a un montant. → Renseignez le montant.
BR-44 BT-144 BT-145
Each charge of a line has a reason. → Give the reason as text or code.
Chaque charge de ligne a un motif. → Donnez le motif en texte ou en code.
BR-45 BT-116 BG-23
Each VAT breakdown has a taxable amount. → Fill in the base.
Chaque ventilation de TVA a une base. → Renseignez la base d'imposition.
BR-46 BT-117 BG-23
Each VAT breakdown has a tax amount. → Fill in the tax, 0 included.
Chaque ventilation de TVA a un montant de taxe. → Renseignez la taxe, même nulle.
BR-47 BT-118 BG-23
Each VAT breakdown has a category. → Fill in the category code.
Chaque ventilation de TVA a une catégorie. → Renseignez le code de catégorie.
BR-48 BT-119 BG-23
Each VAT breakdown has a rate, unless the invoice is outside VAT. → Fill in the rate.
Chaque ventilation de TVA a un taux, sauf hors champ. → Renseignez le taux.
BR-49 BT-81 BG-16
Payment instructions say the means of payment. → Fill in the code, for instance 58 for a SEPA transfer.
Les instructions de paiement indiquent le moyen de paiement. → Renseignez le code, par exemple 58 (virement SEPA).
BR-50 BT-84 BG-17
A credit transfer names the account to pay to. → Fill in the IBAN.
Un virement désigne le compte à créditer. → Renseignez l'IBAN.
BR-51 BT-87
A card number is never given in full. → Keep the first six and the last four digits at most.
Un numéro de carte n'est jamais donné en entier. → Gardez au plus les six premiers et les quatre derniers chiffres.
BR-52 BT-122 BG-24
Each supporting document has a reference. → Fill in its reference.
Chaque pièce jointe a une référence. → Renseignez sa référence.
BR-53 BT-111 BT-6
With a VAT accounting currency, the VAT total is also given in it. → Fill in that total, or leave the currency out.
Avec une devise de comptabilisation, le total de TVA y est aussi donné. → Renseignez ce total ou retirez la devise.
BR-54 BT-160 BT-161 BG-32
Each item attribute has a name and a value. → Fill in both.
Chaque attribut d'article a un nom et une valeur. → Renseignez les deux.
BR-55 BT-25 BG-3
A reference to a preceding invoice names its number. → Fill in the number.
La référence à une facture antérieure donne son numéro. → Renseignez le numéro.
BR-56 BT-63 BG-11
The tax representative has a VAT number. → Fill it in.
Le représentant fiscal a un numéro de TVA. → Renseignez-le.
BR-57 BT-80 BG-15
An address of delivery names its country. → Fill in the country code.
Une adresse de livraison indique son pays. → Renseignez le code pays.
BR-61 BT-84 BT-81
A payment by transfer names the account to pay to. → Fill in the IBAN or the local account number.
Un paiement par virement désigne le compte à créditer. → Renseignez l'IBAN ou le compte.
BR-62 BT-34
The seller's electronic address has a scheme. → Fill in the scheme, for instance 0225 in France.
L'adresse électronique du vendeur a un schéma. → Renseignez le schéma, par exemple 0225 en France.
BR-63 BT-49
The buyer's electronic address has a scheme. → Fill in the scheme, for instance 0225 in France.
L'adresse électronique de l'acheteur a un schéma. → Renseignez le schéma, par exemple 0225 en France.
BR-64 BT-157
A standard item identifier has a scheme. → Fill in the scheme, for instance 0160 for a GTIN.
Un identifiant standard d'article a un schéma. → Renseignez le schéma, par exemple 0160 pour un GTIN.
BR-65 BT-158
An item classification has a scheme. → Name the list the code comes from.
Une classification d'article a un schéma. → Indiquez la liste d'où vient le code.
BR-CO-03 BT-7 BT-8
The tax point is given as a date or as a code, not both. → Remove one of the two.
L'exigibilité est donnée par une date ou par un code, pas les deux. → Supprimez l'un des deux.
BR-CO-04 BT-151 BG-25
Each line has a VAT category. → Fill in the category code of the line.
Chaque ligne a une catégorie de TVA. → Renseignez le code de catégorie de la ligne.
BR-CO-09 BT-31 BT-48 BT-63
A VAT number begins with the code of its country. → Write the country code in front, EL for Greece.
Un numéro de TVA commence par le code de son pays. → Ajoutez le code pays, EL pour la Grèce.
BR-CO-10 BT-106 BT-131
The sum of lines equals the line net amounts added up. → Add the lines again.
Le total des lignes est la somme de leurs montants nets. → Refaites la somme.
BR-CO-11 BT-107 BT-92
The sum of allowances equals the document level allowances added up. → Add them again.
Le total des remises est la somme des remises de pied. → Refaites la somme.
BR-CO-12 BT-108 BT-99
The sum of charges equals the document level charges added up. → Add them again.
Le total des charges est la somme des charges de pied. → Refaites la somme.
BR-CO-13 BT-109 BT-106 BT-107 BT-108
The total without VAT is lines minus allowances plus charges. → Compute it again.
Le total hors taxe est lignes moins remises plus charges. → Recalculez-le.
BR-CO-14 BT-110 BT-117
The total of VAT is the tax of all breakdowns added up. → Add them again.
Le total de TVA est la somme des taxes ventilées. → Refaites la somme.
BR-CO-15 BT-112 BT-109 BT-110
The total with VAT is the total without VAT plus the VAT. → Compute it again.
Le total TTC est le total hors taxe plus la TVA. → Recalculez-le.
BR-CO-16 BT-115 BT-112 BT-113 BT-114
The amount due is the total with VAT minus what is paid plus the rounding. → Compute it again.
Le net à payer est le TTC moins le payé plus l'arrondi. → Recalculez-le.
BR-CO-17 BT-117 BT-116 BT-119
The tax of a breakdown is its base times its rate, rounded to two decimals. → Compute it again.
La taxe d'une ventilation est base fois taux, arrondie à deux décimales. → Recalculez-la.
BR-CO-18 BG-23
The invoice has at least one VAT breakdown. → Add one per category and rate.
La facture a au moins une ventilation de TVA. → Ajoutez-en une par catégorie et taux.
BR-CO-19 BT-73 BT-74 BG-14
An invoicing period has a start or an end. → Fill in one of them.
Une période de facturation a un début ou une fin. → Renseignez l'un des deux.
BR-CO-20 BT-134 BT-135 BG-26
The period of a line has a start or an end. → Fill in one of them.
La période d'une ligne a un début ou une fin. → Renseignez l'un des deux.
BR-CO-25 BT-115 BT-9 BT-20
When something is due, the due date or the payment terms are given. → Fill in one of them.
Quand un montant reste dû, l'échéance ou les conditions sont données. → Renseignez l'une des deux.
BR-CO-26 BT-29 BT-30 BT-31
The seller can be identified by a number. → Fill in an identifier, the registration number or the VAT number.
Le vendeur est identifiable par un numéro. → Renseignez un identifiant, le SIREN ou le numéro de TVA.
BR-FR-01 BT-1 BT-25
An invoice number has at most 35 characters. → Shorten it.
Un numéro de facture a au plus 35 caractères. → Raccourcissez-le.
BR-FR-02 BT-1 BT-25
An invoice number uses letters, digits, + - _ / only. → Remove spaces and other signs.
Un numéro de facture n'utilise que lettres, chiffres et + - _ /. → Retirez espaces et autres signes.
BR-FR-03 BT-2
Dates exist and lie in the years 2000 to 2099. → Correct the date.
Les dates existent et sont comprises entre 2000 et 2099. → Corrigez la date.
BR-FR-04 BT-3
The type is one of those in use in France. → Choose 380, 381, 384, 386, 389 or another of the list.
Le type est l'un de ceux admis en France. → Choisissez 380, 381, 384, 386, 389 ou un autre de la liste.
BR-FR-05 BT-22 BG-1
Three notes are mandatory: recovery costs (PMT), late payment (PMD), discount (AAB). → Add the missing note.
Trois mentions sont obligatoires : recouvrement (PMT), pénalités (PMD), escompte (AAB). → Ajoutez la mention.
BR-FR-06 BT-21
The notes PMT, PMD, AAB and TXD stand at most once each. → Merge the notes of the same code.
Les mentions PMT, PMD, AAB et TXD figurent au plus une fois. → Fusionnez les notes de même code.
BR-FR-08 BT-23
The invoicing frame is given: B goods, S services, M both, and a digit. → Fill in for instance B1, S1 or M1.
Le cadre de facturation est donné : B biens, S services, M mixte, et un chiffre. → Renseignez par exemple B1, S1 ou M1.
BR-FR-09
A SIRET has 14 digits and begins with the SIREN of its party. → Correct the SIRET or the SIREN.
Un SIRET a 14 chiffres et commence par le SIREN de la partie. → Corrigez le SIRET ou le SIREN.
BR-FR-10 BT-30
The seller's SIREN is given and has nine digits. → Fill it in with scheme 0002.
Le SIREN du vendeur est donné et a neuf chiffres. → Renseignez-le avec le schéma 0002.
BR-FR-11 BT-47
Between French businesses the buyer's SIREN is given. → Fill it in with scheme 0002.
Entre entreprises françaises, le SIREN de l'acheteur est donné. → Renseignez-le avec le schéma 0002.
BR-FR-12 BT-49
The buyer's electronic address is given. → Fill it in with scheme 0225.
L'adresse électronique de l'acheteur est donnée. → Renseignez-la avec le schéma 0225.
BR-FR-13 BT-34
The seller's electronic address is given. → Fill it in with scheme 0225.
L'adresse électronique du vendeur est donnée. → Renseignez-la avec le schéma 0225.
BR-FR-15 BT-95 BT-102 BT-118 BT-151
The VAT category is S, E, AE, K, G, O or Z. → Choose one of them; L and M are not used in France.
La catégorie de TVA est S, E, AE, K, G, O ou Z. → Choisissez-en une ; L et M ne servent pas en France.
BR-FR-16 BT-96 BT-103 BT-119 BT-152
The VAT rate is one that exists in France. → Correct the rate, written without a percent sign.
Le taux de TVA est un taux français. → Corrigez le taux, sans signe %.
BR-FR-17 BT-123
The description of a supporting document is a code of the French list. → Use for instance LISIBLE or BON_COMMANDE.
La description d'une pièce jointe est un code de la liste. → Utilisez par exemple LISIBLE ou BON_COMMANDE.
BR-FR-18 BT-123
Only one supporting document is the readable one (LISIBLE). → Keep one.
Une seule pièce jointe est le lisible (LISIBLE). → N'en gardez qu'une.
BR-FR-20 BT-22 BT-21
The note BAR holds one of B2B, B2BINT, B2C, B2CINT, OUTOFSCOPE, ARCHIVEONLY. → Correct the note.
La note BAR contient B2B, B2BINT, B2C, B2CINT, OUTOFSCOPE ou ARCHIVEONLY. → Corrigez la note.
BR-FR-21 BT-49
Between French businesses the buyer's address begins with its SIREN, scheme 0225. → Correct the address.
Entre entreprises françaises, l'adresse de l'acheteur commence par son SIREN, schéma 0225. → Corrigez l'adresse.
BR-FR-22 BT-34
In self-billing the seller's address begins with its SIREN, scheme 0225. → Correct the address.
En autofacturation, l'adresse du vendeur commence par son SIREN, schéma 0225. → Corrigez l'adresse.
BR-FR-23
An address of scheme 0225 uses letters, digits, + - _ . only. → Remove the other signs.
Une adresse de schéma 0225 n'utilise que lettres, chiffres et + - _ . → Retirez les autres signes.
BR-FR-24
A private identifier of scheme 0224 uses letters, digits, + - _ . only. → Remove the other signs.
Un identifiant privé de schéma 0224 n'utilise que lettres, chiffres et + - _ . → Retirez les autres signes.
BR-FR-25
An address of scheme 0225 has at most 125 characters. → Shorten it.
Une adresse de schéma 0225 a au plus 125 caractères. → Raccourcissez-la.
BR-FR-26
A private identifier of scheme 0224 has at most 100 characters. → Shorten it.
Un identifiant privé de schéma 0224 a au plus 100 caractères. → Raccourcissez-le.
BR-FR-27 BG-32
An item attribute has a name or a code. → Fill in one of them.
Un attribut d'article a un nom ou un code. → Renseignez l'un des deux.
BR-FR-28 BG-32
An item attribute has a value or a measure, not both. → Keep one.
Un attribut d'article a une valeur ou une mesure, pas les deux. → Gardez-en une.
BR-FR-29 BT-18
The schemes AFL and AVV stand at most once each among the invoiced objects. → Keep one of each.
Les schémas AFL et AVV figurent au plus une fois parmi les objets facturés. → N'en gardez qu'un de chaque.
BR-FR-30 BT-128
The schemes AFL and AVV stand at most once each on a line. → Keep one of each.
Les schémas AFL et AVV figurent au plus une fois par ligne. → N'en gardez qu'un de chaque.
BR-FR-31 BT-21
The note BAR has one value only. → Keep one.
La note BAR n'a qu'une valeur. → N'en gardez qu'une.
BR-FR-32
An identifier of scheme 0002 or 0231 has nine digits. → Correct it, or its scheme.
Un identifiant de schéma 0002 ou 0231 a neuf chiffres. → Corrigez-le, ou son schéma.
BR-FR-CO-03 BT-3 BT-12 BG-14
A global rebate (262) names the contract and the invoicing period. → Fill in both.
Un avoir de remise globale (262) indique le contrat et la période. → Renseignez les deux.
BR-FR-CO-04 BT-3 BT-25 BT-26
A corrective invoice refers to exactly one earlier invoice, by number and date. → Fill in that reference.
Une facture rectificative cite une seule facture antérieure, numéro et date. → Renseignez cette référence.
BR-FR-CO-05 BT-3 BT-25 BT-26
A credit note refers to what it credits, as a whole or line by line. → Fill in the number and date of that invoice.
Un avoir cite ce qu'il crédite, en tête ou par ligne. → Renseignez numéro et date de la facture.
BR-FR-CO-07 BT-9 BT-2
The due date is not before the issue date. → Correct one of the two.
L'échéance n'est pas antérieure à l'émission. → Corrigez l'une des deux.
BR-FR-CO-08 BT-23 BT-3
A final invoice after an advance (B4, S4, M4) is no advance invoice itself. → Correct the frame or the type.
Une facture définitive après acompte (B4, S4, M4) n'est pas un acompte. → Corrigez le cadre ou le type.
BR-FR-CO-09 BT-23 BT-113 BT-115 BT-9
An invoice already paid (B2, S2, M2) owes nothing and is due the day it was paid. → Correct it.
Une facture déjà payée (B2, S2, M2) est payée en entier, sans net à payer, échéance au jour du paiement. → Corrigez-la.
BR-FR-CO-10
Each global identifier of a party has a scheme, and no scheme stands twice. → Complete the schemes.
Chaque identifiant global d'une partie a un schéma, jamais deux fois le même. → Complétez les schémas.
BR-FR-CO-12 BT-5 BT-6 BT-111
An invoice in another currency accounts its VAT in EUR. → Fill in the accounting currency and the VAT total in EUR.
Une facture en devise comptabilise sa TVA en EUR. → Renseignez la devise de comptabilité et la TVA en EUR.
BR-FR-CO-14 BT-29-1 BT-22
A member of a VAT group says so in a note TXD. → Add the note MEMBRE_ASSUJETTI_UNIQUE.
Un membre d'assujetti unique le mentionne en note TXD. → Ajoutez la mention MEMBRE_ASSUJETTI_UNIQUE.
BR-FR-CO-15 BT-29-1 BG-11 BT-63
A member of a VAT group names the group as tax representative. → Fill in its VAT number.
Un membre d'assujetti unique nomme l'assujetti en représentant fiscal. → Renseignez son numéro de TVA.
BR-FR-DEC-01
An amount has at most 19 digits and two decimals. → Round it.
Un montant a au plus 19 chiffres et deux décimales. → Arrondissez-le.
BR-FR-DEC-02
A quantity has at most 19 digits and four decimals. → Round it.
Une quantité a au plus 19 chiffres et quatre décimales. → Arrondissez-la.
BR-FR-DEC-03
A unit price has at most 19 digits and six decimals and is not negative. → Round it.
Un prix unitaire a au plus 19 chiffres et six décimales et n'est pas négatif. → Arrondissez-le.
BR-FR-DEC-04
A rate has at most four digits and two decimals. → Round it.
Un taux a au plus quatre chiffres et deux décimales. → Arrondissez-le.
"""

_FAMILIES = """
BR-CL-
A coded value is one of its published code list. → Look the code up in the list the rule names.
Une valeur codée figure dans sa liste de codes. → Cherchez le code dans la liste que cite la règle.
BR-DEC-
An amount has at most two decimals. → Round it.
Un montant a au plus deux décimales. → Arrondissez-le.
BR-FR-MV-
A multi-seller invoice (B8, S8, M8) groups its lines by seller, with number and totals. → Complete the group.
Une facture multi-vendeurs (B8, S8, M8) groupe ses lignes par vendeur, avec numéro et totaux. → Complétez le groupe.
BR-FR-BD-
A bidirectional invoice (B9, S9, M9) has two groups of lines, one for each direction. → Complete the groups.
Une facture bidirectionnelle (B9, S9, M9) a deux groupes de lignes, un par sens. → Complétez les groupes.
BR-FR-CL-
A coded value is one of the French code list. → Look the code up in the list the rule names.
Une valeur codée figure dans la liste française. → Cherchez le code dans la liste que cite la règle.
UBL-CR-
The norm does not use this element of UBL. → Leave it out.
La norme n'utilise pas cet élément d'UBL. → Retirez-le.
UBL-SR-
The norm allows this element of UBL once or in one form. → Remove what is too much.
La norme n'admet cet élément d'UBL qu'une fois ou sous une forme. → Retirez le surplus.
UBL-DT-
The norm does not use this attribute, or wants it written otherwise. → Leave it out or correct it.
La norme n'utilise pas cet attribut, ou le veut autrement. → Retirez-le ou corrigez-le.
CII-SR-
The norm allows this element of CII once or not at all. → Remove what is too much.
La norme n'admet cet élément de CII qu'une fois ou pas du tout. → Retirez le surplus.
FX-SCH-
The Factur-X level does not allow this element, number or code. → Correct it, or declare a richer level in BT-24.
Le niveau Factur-X n'admet pas cet élément, nombre ou code. → Corrigez-le ou déclarez un niveau plus riche (BT-24).
FACTURX-
The Factur-X level does not use this element or attribute. → Leave it out, or declare a richer level in BT-24.
Le niveau Factur-X n'utilise pas cet élément ou attribut. → Retirez-le ou déclarez un niveau plus riche (BT-24).
PEPPOL-
Peppol asks for this beyond the norm. → Follow the rule where the invoice goes over Peppol.
Peppol l'exige au-delà de la norme. → Suivez la règle si la facture passe par Peppol.
XSD
The XML follows the schema of its format: names, order, number and type of elements. → Correct it at the path given.
Le XML suit le schéma de son format : noms, ordre, nombre et type des éléments. → Corrigez-le au chemin indiqué.
XML-
XML is well-formed UTF-8 without document type, entities, instructions or excess. → Write it again plainly.
Le XML est en UTF-8 bien formé, sans DOCTYPE, entité, instruction ni excès. → Réécrivez-le simplement.
JSON
The JSON invoice is well-formed, without double keys, with members our form knows. → Correct it at the place given.
La facture JSON est bien formée, sans clé double, avec les membres connus. → Corrigez-la à l'endroit indiqué.
PDF-
The PDF is a whole Factur-X: a plain PDF/A-3 that carries one invoice XML. → Make the PDF again from its source.
Le PDF est un Factur-X entier : un PDF/A-3 simple qui porte un XML de facture. → Refaites le PDF depuis sa source.
FORMAT-
The document is in a format we take: CII, UBL, Factur-X or our JSON. → Send one of these.
Le document est dans un format admis : CII, UBL, Factur-X ou notre JSON. → Envoyez l'un de ceux-là.
MEDIA-TYPE
The declared content type tells the truth. → Correct the Content-Type header.
Le type de contenu déclaré est exact. → Corrigez l'en-tête Content-Type.
HOUSE-PDF-
The page says what the XML says: number, dates, names, totals, IBAN. → Make page and XML from the same data.
La page dit ce que dit le XML : numéro, dates, noms, totaux, IBAN. → Tirez la page et le XML des mêmes données.
HOUSE-PDF-SCAN
The page has text that can be held against the XML. → Make the PDF from its source, not from a scan.
La page porte un texte comparable au XML. → Faites le PDF depuis sa source, non par numérisation.
HOUSE-PDF-HIDDEN
All text of the page can be seen. → Look at the page; make the PDF without invisible text.
Tout le texte de la page est visible. → Regardez la page ; refaites le PDF sans texte invisible.
HOUSE-PDF-UNREAD
The text of the page can be read and held against the XML. → Make the PDF again, plainer or with fewer pages.
Le texte de la page se lit et se compare au XML. → Refaites le PDF, plus simple ou avec moins de pages.
HOUSE-NOT-IN-CII
The XML made of a JSON invoice holds all that the JSON says. → Leave the value out, or say it in a note.
Le XML tiré d'une facture JSON contient tout ce que dit le JSON. → Retirez la valeur, ou dites-la dans une note.
HOUSE-CURRENCY BT-5 BT-6 BT-111
Each amount is in the currency of the invoice, only the VAT total for accounting in another. → Correct the currency.
Chaque montant est dans la devise de la facture, sauf le total de TVA en devise comptable. → Corrigez la devise.
HOUSE-
The check digits of a number are right. → Compare the number with the official one.
Les clés de contrôle d'un numéro sont justes. → Comparez-le au numéro officiel.
ENGINE-
This layer could not be judged; the document is not accepted and is judged again. → Tell the operator if it stays.
Cette couche n'a pu être jugée ; le document n'est pas accepté et sera rejugé. → Prévenez l'exploitant.
"""

_CATEGORIES = {
    "S": ("standard rate (S)", "taux normal (S)"),
    "Z": ("zero rate (Z)", "taux zéro (Z)"),
    "E": ("exempt (E)", "exonéré (E)"),
    "AE": ("reverse charge (AE)", "autoliquidation (AE)"),
    "IC": ("intra-community supply (K)", "livraison intracommunautaire (K)"),
    "G": ("export (G)", "exportation (G)"),
    "O": ("outside VAT (O)", "hors champ de TVA (O)"),
    "AF": ("IGIC, Canary Islands (L)", "IGIC, Canaries (L)"),
    "AG": ("IPSI, Ceuta and Melilla (M)", "IPSI, Ceuta et Melilla (M)"),
}

_PARTIES = ("the VAT numbers the category asks for are given", "les numéros de TVA exigés par la catégorie sont donnés")
_RATE = (
    "the rate fits the category: above 0 for S, none for O, else 0",
    "le taux est positif pour S, absent pour O, sinon 0",
)
_ALONE = ("no other VAT category stands beside it", "aucune autre catégorie ne la côtoie")
_VAT_DEMANDS: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "01": (("BG-23", "BT-118"), ("a VAT breakdown of the category exists", "une ventilation de la catégorie existe")),
    "02": (("BT-31", "BT-32", "BT-63", "BT-48"), _PARTIES),
    "03": (("BT-31", "BT-32", "BT-63", "BT-48", "BT-95"), _PARTIES),
    "04": (("BT-31", "BT-32", "BT-63", "BT-48", "BT-102"), _PARTIES),
    "05": (("BT-152",), _RATE),
    "06": (("BT-96",), _RATE),
    "07": (("BT-103",), _RATE),
    "08": (
        ("BT-116", "BT-131", "BT-92", "BT-99"),
        ("the base is lines minus allowances plus charges", "la base est lignes moins remises plus charges"),
    ),
    "09": (("BT-117", "BT-116", "BT-119"), ("the tax is base times rate", "la taxe est base fois taux")),
    "10": (
        ("BT-120", "BT-121"),
        ("a reason for exemption is given where due", "un motif d'exonération est donné quand il est dû"),
    ),
    "11": (("BG-23",), _ALONE),
    "12": (("BT-151",), _ALONE),
    "13": (("BT-95",), _ALONE),
    "14": (("BT-102",), _ALONE),
}
_IC_DEMANDS = {
    "11": (
        ("BT-72", "BG-14"),
        ("a day of delivery or a period is given", "une date de livraison ou une période est donnée"),
    ),
    "12": (("BT-80",), ("the country of delivery is given", "le pays de livraison est donné")),
}
_VAT_FIX = ("Correct it, or choose another VAT category.", "Corrigez-le ou choisissez une autre catégorie de TVA.")
_VAT_RULE = re.compile(r"BR-(AE|AF|AG|IC|IG|IP|[SZEGO])-(\d\d)(?:rev|ini)?")
_TERM = re.compile(r"\b(?:BT|BG|EXT-FR-FE(?:-BG)?)-\d+(?:-\d+)?\b")


def explain(rule: str) -> Explanation | None:
    """What a rule means; BR-FR-03_BT-9, an id with a place in it, is explained as BR-FR-03. None: we cannot say."""
    texts, families = _texts(_TABLE), _texts(_FAMILIES)
    number = _number(rule)
    found = texts.get(number) or _vat(number)
    if found is None:
        start = max((start for start in families if rule.startswith(start)), key=len, default=None)
        found = families[start] if start else None
    if found is None:
        return None
    return Explanation(rule, terms_of(rule), found.english, found.french, found.fix_english, found.fix_french)


def known() -> tuple[str, ...]:
    """Every id we can explain by itself, sorted; ids that only a family explains are not among them."""
    demands = [f"BR-{letters}-{number}" for letters in _CATEGORIES for number in _VAT_DEMANDS]
    return tuple(sorted({*_texts(_TABLE), *demands, *(f"BR-IC-{number}" for number in _IC_DEMANDS)}))


def families() -> tuple[Explanation, ...]:
    """The families of rules, each under the beginning of its ids."""
    return tuple(_texts(_FAMILIES).values())


def terms_of(rule: str, text: str = "") -> tuple[str, ...]:
    """The business terms a rule concerns: from its text, else from its id, else from our table; each once, in order."""
    named = _TERM.findall(text) or _TERM.findall(rule.replace("_", " "))
    if not named:
        number = _number(rule)
        known = _texts(_TABLE).get(number) or _vat(number)
        named = list(known.terms) if known else []
    return tuple(dict.fromkeys(named))


def fix_of(rule: str) -> str | None:
    """What to do about a broken rule, in one English sentence; None where we cannot say."""
    known = explain(rule)
    return (known.fix_english or None) if known else None


def _number(rule: str) -> str:
    """The rule behind an id that adds a place (BR-FR-03_BT-9) or an extension (BR-FXEXT-CO-10) to it."""
    return re.split(r"_|-(?=LEGALID|GLOBALID|Value|EXT)", rule.replace("-FXEXT-", "-"))[0]


def _vat(rule: str) -> Explanation | None:
    """One of the ten demands that the norm repeats for every VAT category."""
    match = _VAT_RULE.fullmatch(rule)
    if not match:
        return None
    letters = {"IG": "AF", "IP": "AG"}.get(match[1], match[1])
    demands = {**_VAT_DEMANDS, **(_IC_DEMANDS if letters == "IC" else {})}
    if match[2] not in demands:
        return None
    terms, (english, french) = demands[match[2]]
    category = _CATEGORIES[letters]
    demand, exigence = f"VAT, {category[0]}: {english}.", f"TVA, {category[1]} : {french}."
    return Explanation(rule, terms, demand, exigence, *_VAT_FIX)


@lru_cache(maxsize=2)
def _texts(table: str) -> dict[str, Explanation]:
    """A table of texts, three lines a rule: id and terms, English, French."""
    lines = [line for line in table.splitlines() if line]
    read = {}
    for head, english, french in zip(lines[0::3], lines[1::3], lines[2::3], strict=True):
        rule, *terms = head.split()
        says, _, fix = english.partition(SEPARATOR)
        dit, _, remede = french.partition(SEPARATOR)
        read[rule] = Explanation(rule, tuple(terms), says.strip(), dit.strip(), fix.strip(), remede.strip())
    return read
