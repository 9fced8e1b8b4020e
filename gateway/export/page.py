"""The pages of an export for people, French and English: index.html without scripts, and README.txt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from gateway.export.documents import File, Progress, What
from gateway.export.table import kind_of
from gateway.store.archive import Found
from gateway.store.trail import OrderWhole, Trail
from signing.chain import instant

_STYLE = (
    "body{font:15px/1.4 sans-serif;margin:2em auto;max-width:60em;color:#222}h1{font-size:1.5em}h2{font-size:1.1em;"
    "margin:1.6em 0 .3em;border-top:1px solid #bbb;padding-top:.6em}ol{margin:.2em 0;padding-left:1.6em}"
    ".left{color:#a00}.dim{color:#666}code{font-size:.85em;word-break:break-all}"
)

_KINDS = {"invoice": "Facture / Invoice", "credit_note": "Avoir / Credit note", None: "Document"}

_README = """\
EXPORT POUR UN CONTRÔLE FISCAL                                              (English below)

Fait le {at}. Demande : {query}
{documents} documents, dont {left_out} non fournis ou fournis en partie ; chacun est nommé, avec la raison, dans
left-out.csv.{goes_on}

index.html    chaque document et sa chaîne : commande, livraison, facture, statuts, paiements, à lire
index.csv, index.json, trail.csv    la même chose pour des programmes ; index.json explique chaque colonne
documents/    les originaux, octet pour octet ; orders/ : les commandes, octet pour octet
proofs/       la preuve de chaque document
check.py      vérifie tout, sans réseau et sans Estafette :   pip install cryptography
                                                              python check.py CET_EXPORT.zip [--key CLÉ]
seal.json     s'il est là : le cachet de l'entreprise (JAdES) sur manifest.json, qui nomme chaque fichier et son SHA-256

Les chaînes lient commande, livraison, facture et paiement dans les deux sens (piste d'audit fiable, CGI art. 289 VII).
Une commande ou une facture antérieure que l'émetteur cite sans qu'elle soit conservée ici est signalée comme telle.
Les paiements sont ceux qui ont été déclarés à la passerelle ; une absence ici ne dit pas qu'une facture est impayée.


EXPORT FOR A TAX AUDIT

Made on {at}. Query: {query}
{documents} documents, {left_out} of them not given or given in part; each is named in left-out.csv with the
reason.{goes_on}

index.html    every document and its chain: order, delivery, invoice, statuses, payments, to read
index.csv, index.json, trail.csv    the same for programs; index.json explains every column
documents/    the originals, byte for byte; orders/: the orders, byte for byte
proofs/       the proof of each document
check.py      checks all of it, without a network and without Estafette:   pip install cryptography
                                                                           python check.py THIS_EXPORT.zip [--key KEY]
seal.json     where it is there: the company's seal (JAdES) on manifest.json, which names every file with its SHA-256

The chains link order, delivery, invoice and payment in both directions. An order or an earlier invoice that is cited
and not kept here is named as such. Payments are those that were reported to the gateway: that one is missing here does
not say that an invoice is unpaid.
"""


def readme(what: What, progress: Progress) -> str:
    """README.txt."""
    return _README.format(
        at=instant(what.at),
        query=json.dumps(dict(what.told), ensure_ascii=False),
        documents=progress.documents,
        left_out=progress.left_out,
        goes_on=f"\n{progress.goes_on}" if progress.goes_on else "",
    )


def head(what: What) -> bytes:
    """The beginning of index.html."""
    return (
        '<!doctype html>\n<html lang="fr"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Piste d'audit / Audit trail</title><style>{_STYLE}</style></head><body>\n"
        "<h1>Piste d'audit / Audit trail</h1>\n"
        f"<p>{_text(instant(what.at))}<br><code>{_text(json.dumps(dict(what.told), ensure_ascii=False))}</code></p>\n"
    ).encode()


def document(one: Found, file: File, proved: str, chain: Trail) -> bytes:
    """A document and its chain, in the order in which business goes."""
    title = f"{_KINDS[kind_of(one)]} {one.number or ''}"
    amount = "" if one.total is None else f"{one.total:f} {one.currency or ''}"
    parties = " → ".join(f"{name} ({known})" if known else name for name, known in
                         ((one.seller_name, one.seller), (one.buyer_name, one.buyer)) if name or known)  # fmt: skip
    lines = [
        f'<h2 id="d{one.id}">{_text(title)}</h2>',
        f"<p>{_text(parties)}<br>{_text(str(one.issue_date or ''))} <b>{_text(amount)}</b>"
        f' <span class="dim">{_text(one.stage)}{_text(_said(one.halted))}</span></p>',
        "<ol>",
        *(f"<li>{step}</li>" for step in _steps(one, file, proved, chain)),
        "</ol>",
    ]
    if file.left_out:
        lines.append(f'<p class="left">Non fourni / Left out: {_text(file.left_out)}</p>')
    return ("\n".join(lines) + "\n").encode()


def order(whole: OrderWhole, name: str, *, first: bool) -> bytes:
    """An order and what follows from it."""
    lines = ["<h1>Commandes / Orders</h1>"] if first else []
    lines.append(f'<h2 id="o{whole.id}">Commande / Order {_text(whole.number)}</h2>')
    lines.append(f"<p>{_text(whole.buyer_name)} {_text(whole.ordered_on)} {_link(name)}</p><ol>")
    for delivery in whole.deliveries:
        invoices = ", ".join(
            f'<a href="#d{_text(one["document"])}">{_text(one["number"])}</a>' for one in delivery["invoices"]
        )
        says = f"Livraison / Delivery {delivery['delivery']} {delivery['delivered_on']} {delivery['despatch_advice']}"
        lines.append(f"<li>{_text(says)} → {invoices or '-'}</li>")
    return ("\n".join([*lines, "</ol>"]) + "\n").encode()


def foot(progress: Progress) -> bytes:
    """The end: how much there is, and what is missing."""
    missing = f"{progress.left_out} non fournis ou en partie / left out or in part: left-out.csv"
    more = f'<p class="left">{_text(progress.goes_on)}</p>' if progress.goes_on else ""
    return f"<h1>Total</h1><p>{progress.documents} documents; {missing}</p>{more}\n</body></html>\n".encode()


def _steps(one: Found, file: File, proved: str, chain: Trail) -> Iterable[str]:
    if chain.order is not None:
        link = chain.order
        yield (
            f'Commande / Order <a href="#o{link.order_id}">{_text(link.order_number)}</a> {_text(link.ordered_on)} → '
            f"Livraison / Delivery {link.delivery} {_text(link.delivered_on)} {_text(link.despatch_advice)}"
        )
    elif "order" in one.refers_to:
        cited = "citée, non conservée ici / cited, not kept here"
        yield f'Commande / Order {_text(one.refers_to["order"])} <span class="dim">({cited})</span>'
    for related in chain.corrects:
        yield f'Facture antérieure / Earlier invoice <a href="#d{related.id}">{_text(related.number)}</a>'
    known = {related.number for related in chain.corrects}
    for cited in one.refers_to.get("preceding", ()):
        if cited["number"] not in known:
            yield f'Facture antérieure / Earlier invoice {_text(cited["number"])} <span class="dim">(BT-25)</span>'
    yield f"Acceptée / Accepted {_text(instant(one.accepted_at))} {_link(file.name)} {_link(proved)}"
    for handed in chain.deliveries:
        at = handed.delivered_at or handed.decided_at
        yield f"Remise / Handed over: {_text(handed.network)} {_text(instant(at))}"
    for said in chain.statuses:
        yield f"Statut / Status: {_text(said.status)} {_text(instant(said.at))} {_text(said.source)}"
    for paid in chain.payments:
        yield f"Paiement / Payment: {paid.amount:f} {_text(paid.currency)} {paid.paid_on} {_text(paid.reference)}"
    for related in chain.corrected_by:
        yield f'Corrigée par / Corrected by <a href="#d{related.id}">{_text(related.number)}</a>'


def _said(halted: str | None) -> str:
    return f": {halted}" if halted else ""


def _link(name: str) -> str:
    return f'<a href="{_text(name)}">{_text(name.rpartition("/")[2])}</a>' if name else ""


def _text(value: Any) -> str:
    return escape("".join(sign if sign.isprintable() else " " for sign in str(value)))
