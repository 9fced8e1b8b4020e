"""`estafette inspect`: what a file is, what a PDF carries and claims, and whether its page says what its XML says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.clock import SystemClock
from gateway.commands import batch, files, terminal
from gateway.commands.batch import BAD, FAILED, GOOD
from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Told, printable
from gateway.settings import Settings

EXAMPLES = """\
examples:
  estafette inspect invoice.pdf                what it is, what it carries, whether page and XML agree
  estafette inspect --language fr factures/    a folder with its folders, in French
  curl -s URL | estafette inspect -            standard input
  estafette inspect --format json archive/ | jq -r 'select(.page.values[]?.standing == "contradicted") | .path'

What is told: format and profile (BT-24); of a PDF its attachments, which XML was taken and why, what its XMP claims
against that XML, the verdict on PDF/A (level B of the part it claims), signatures, encryption, what in it could act;
what the seals of a PDF or an XML are worth, by the roots in ESTAFETTE_SEAL_ROOTS and ESTAFETTE_TIMESTAMP_ROOTS; and for
number, dates, names, totals and IBAN whether the page states them as the XML does: found, not found, or contradicted
(the page names the term and states another value). A scan has no text to compare.

"not told" means that it could not be told; it never means that it is fine. The official rules are not run: that is
estafette validate.

With --format json one object a line, with every member always there; null is what is not told or does not apply.

Exit code 0: every file would be taken as an invoice, and nothing in it disagrees. 1: some would not, or have an XMP,
a page, a signature or a claim of PDF/A that does not hold, or a page that could not be read. 2: some could not be
opened at all.
"""

_WORDS = {
    "yes": Told("yes", "oui"),
    "no": Told("no", "non"),
    "not told": Told("not told", "indéterminé"),
    "none": Told("none", "aucun"),
    "passed": Told("passed", "respecté"),
    "failed": Told("BROKEN", "NON RESPECTÉ"),
    "not found": Told("not on the page", "absent de la page"),
    "contradicted": Told("the page states {instead}", "la page indique {instead}"),
    "empty": Told("an empty file", "un fichier vide"),
    "other": Told("neither XML, JSON nor PDF", "ni XML, ni JSON, ni PDF"),
    "number": Told(", number {number}", ", numéro {number}"),
    "taken": Told("would be taken", "serait prise"),
    "not taken": Told("would NOT be taken", "ne serait PAS prise"),
    "size": Told("{size} bytes, {lines} lines", "{size} octets, {lines} lignes"),
    "unread": Told("content not read", "contenu non lu"),
    "known": Told("all of it is known to our model", "tout est connu du modèle"),
    "unknown": Told("{count} elements our model does not know", "{count} éléments inconnus du modèle"),
    "pages": Told("pages: {count}", "pages : {count}"),
    "changed": Told("; changed after it was made", " ; modifié après sa création"),
    "attached": Told("{name}  {media}, {relation}, {size} bytes", "{name}  {media}, {relation}, {size} octets"),
    "unlisted": Told("; not in /AF", " ; hors /AF"),
    "uncompared": Told("not held against an XML", "non comparé au XML"),
    "agrees": Told("agrees with the XML", "conforme au XML"),
    "differs": Told("DIFFERS from the XML", "DIFFÈRE du XML"),
    "difference": Told("{what}: {claimed}, expected {expected}", "{what} : {claimed}, attendu {expected}"),
    "no claim": Told("claims nothing", "ne prétend à rien"),
    "unchecked": Told("PDF/UA-{part}; not checked", "PDF/UA-{part} ; non vérifié"),
    "unsigned": Told("none", "aucune"),
    "signature": Told(
        "{about}; covers the whole file: {covers}",
        "{about} ; couvre tout le fichier : {covers}",
    ),
    "sealed": Told("{level} by {by}: {verdict}", "{level} par {by} : {verdict}"),
    "seal passed": Told("passed", "valide"),
    "seal indeterminate": Told("indeterminate ({sub})", "indéterminé ({sub})"),
    "seal failed": Told("DOES NOT HOLD ({sub})", "NE TIENT PAS ({sub})"),
    "scan": Told("no text (a scan): not compared", "aucun texte (numérisation) : non comparée"),
    "page uncompared": Told("not compared ({why})", "non comparée ({why})"),
    "stated": Told("states {found} of {count} values of the XML", "{found} valeurs du XML sur {count} y figurent"),
    "hidden": Told("; some of its text is invisible", " ; du texte y est invisible"),
    "value": Told("{term} {name}: XML {value}; {standing}", "{term} {name} : XML {value} ; {standing}"),
}
"""What is said, with places for values."""
_LABELS = {
    "is": Told("is", "est"),
    "invoice": Told("invoice", "facture"),
    "content": Told("content", "contenu"),
    "encrypted": Told("encrypted", "chiffré"),
    "active": Told("active", "actif"),
    "attachment": Told("attachment", "pièce"),
    "signature": Told("signature", "signature"),
    "seal": Told("seal", "sceau"),
    "page": Told("page", "page"),
}
"""What stands at the beginning of a line; what is not here is the same in both languages."""
_TERMS = {
    "BT-1": "Numéro de facture", "BT-2": "Date d'émission", "BT-9": "Date d'échéance", "BT-27": "Nom du vendeur",
    "BT-44": "Nom de l'acheteur", "BT-109": "Total hors taxes", "BT-110": "Total de la TVA",
    "BT-112": "Total toutes taxes comprises", "BT-115": "Montant à payer", "BT-84": "Compte à créditer",
}  # fmt: skip
_DIFFERENCES = {
    "xmp": Told("properties of the hybrid in the XMP", "propriétés de l'hybride dans le XMP"),
    "namespace": Told("namespace of the XMP", "espace de noms du XMP"),
    "type": Told("document type in the XMP", "type de document dans le XMP"),
    "file-name": Told("file name in the XMP", "nom de fichier dans le XMP"),
    "version": Told("version in the XMP", "version dans le XMP"),
    "level": Told("conformance level in the XMP", "niveau de conformité dans le XMP"),
    "standard-name": Told("name of the attachment", "nom de la pièce jointe"),
    "relationship": Told("relationship of the attachment", "relation de la pièce jointe"),
    "media-type": Told("media type of the attachment", "type de média de la pièce jointe"),
    "associated": Told("associated file (/AF)", "fichier associé (/AF)"),
}
_REASONS = {
    "by its standard name, in another case": "par son nom normalisé, dans une autre casse",
    "by its standard name": "par son nom normalisé",
    "named by the XMP": "nommé par le XMP",
    "the XML among the attachments": "seul XML des pièces jointes",
    "the invoice among the XML attachments": "la facture parmi les XML joints",
    "; passed over: ": " ; écartés : ",
    "the PDF cannot be opened": "le PDF ne s'ouvre pas",
    "there is no invoice to hold it against": "aucune facture à laquelle la comparer",
    "the text of the page cannot be read": "le texte de la page est illisible",
}


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "inspect",
        description="Say what files are, even broken, hostile or foreign ones, and whether the page that people read "
        "says what the XML says. Nothing is taken, repaired or kept. No server is needed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files.add_paths(it, "a file of any kind")
    terminal.add_format(it)
    terminal.add_language(it)
    batch.add_jobs(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Inspect each file and print what it is."""
    language = terminal.language_of(options, os.environ)
    voice = _Voice(language)
    sources = files.found(options.paths)

    def take(source: Source, result: dict[str, Any] | Unusable) -> int:
        if isinstance(result, Unusable):
            if options.format == "json":
                terminal.print_json({"path": source.name, "kind": None, "reason": result.told.english})
                return FAILED
            return batch.complain(source, result.told, language)
        if options.format == "json":
            terminal.print_json({"path": source.name, **result})
        else:
            print("\n".join(map(printable, [source.name, *_lines(result, voice)])))
        return GOOD if sound(result) else BAD

    return batch.each(
        partial(found_in, roots=_roots(settings)), sources, take, jobs=options.jobs, seconds=settings.compute_seconds
    )


def found_in(source: Source, roots: tuple[bytes, bytes] = (b"", b"")) -> dict[str, Any]:
    """The inspection of one source; `roots` of seals and of timestamps, as PEM. Raises Unusable."""
    from schemas.inspection import inspect
    from signing.borne import verified
    from signing.trust import Trust

    data = source.read()
    verdict = verified(data, Trust(*roots), SystemClock().now())
    return {**inspect(data).as_json(), "seals": verdict.with_seals() if verdict else None}


def _roots(settings: Settings) -> tuple[bytes, bytes]:
    """The roots that are believed. Raises Misconfigured."""
    if settings.seal_roots is None and settings.timestamp_roots is None:
        return b"", b""
    from gateway.main import read_trust

    trust = read_trust(settings)
    return trust.sealers, trust.authorities


def sound(found: Mapping[str, Any]) -> bool:
    """Whether it would be taken as an invoice and nothing in it disagrees."""
    pdf, page = found["pdf"], found["page"]
    broken = found["seals"] is not None and found["seals"]["indication"] == "failed"
    if found["taken"] != "yes" or broken:
        return False
    if pdf is None or page is None:
        return True
    signed = found["seals"] is not None or all(one["covers_whole_file"] == "yes" for one in pdf["signatures"] or ())
    claims = not (pdf["pdfa"]["claim"] and pdf["pdfa"]["verdict"] == "failed")
    says = page["legible"] != "unread" and all(one["standing"] == "found" for one in page["values"] or ())
    return signed and claims and says and not pdf["mismatches"]


# For people ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Voice:
    """Says things in one language."""

    language: str

    def say(self, key: str, **values: object) -> str:
        """The words for a key, with values in their places."""
        return _WORDS[key].into(self.language).format(**values)

    def row(self, label: str, text: str) -> str:
        """One line with its label."""
        told = _LABELS.get(label)
        return f"  {told.into(self.language) if told is not None else label:<12} {text}"

    def reason(self, text: str) -> str:
        """A reason that the inspection gives."""
        for english, french in _REASONS.items() if self.language == "fr" else ():
            text = text.replace(english, french)
        return text


def _lines(found: Mapping[str, Any], voice: _Voice) -> Iterator[str]:
    """What was found, a line each."""
    known = ", ".join(part for part in (found["title"], found["profile_name"] or found["profile"]) if part)
    name = known or (voice.say(found["kind"]) if found["kind"] in _WORDS else found["kind"])
    number = voice.say("number", number=found["number"]) if found["number"] else ""
    yield voice.row("is", name + number)
    yield voice.row("invoice", voice.say("taken" if found["taken"] == "yes" else "not taken"))
    for finding in found["refused"]:
        yield f"    {finding['rule']}: {finding['says']}" + (f" ({finding['found']})" if finding.get("found") else "")
    if found["content"] is not None:
        yield from _content(found["content"], voice)
    if found["pdf"] is not None:
        yield from _pdf(found["pdf"], voice)
    yield from _seals(found["seals"], voice)
    if found["page"] is not None:
        yield from _page(found["page"], voice)


def _content(content: Mapping[str, Any], voice: _Voice) -> Iterator[str]:
    unknown = content["unknown"]
    if unknown:
        state = voice.say("unknown", count=len(unknown) + content["more_unknown"])
    else:
        state = voice.say("unread" if unknown is None else "known")
    root = f"{content['root']}, " if content["root"] else ""
    yield voice.row("content", f"{root}{voice.say('size', **content)}; {state}")
    yield from (f"    {path}" for path in unknown or ())


def _pdf(pdf: Mapping[str, Any], voice: _Voice) -> Iterator[str]:
    untold = voice.say("not told")
    pages = voice.say("pages", count=untold if pdf["pages"] is None else pdf["pages"])
    changed = voice.say("changed") if pdf["revisions"] > 1 else ""
    yield voice.row("PDF", f"{pdf['version'] or '?'}, {pages}{changed}")
    yield voice.row("encrypted", voice.say(pdf["encrypted"]))
    yield voice.row("active", voice.say(pdf["active"]) + (f" ({pdf['active_part']})" if pdf["active_part"] else ""))
    if pdf["attachments"] is None:
        yield voice.row("attachment", untold)
    for one in pdf["attachments"] or ():
        parts = {"media": one["media_type"] or "-", "relation": one["relationship"] or "-"}
        listed = "" if one["associated"] else voice.say("unlisted")
        yield voice.row("attachment", voice.say("attached", name=one["name"], size=one["size"], **parts) + listed)
    yield voice.row("XML", voice.reason(pdf["why"]) or voice.say("none"))
    yield from _xmp(pdf["mismatches"], voice)
    yield from _pdfa(pdf["pdfa"], voice)
    if pdf["pdfua"]:
        yield voice.row("PDF/UA", voice.say("unchecked", part=pdf["pdfua"]))
    yield from _signatures(pdf["signatures"], voice)


def _xmp(mismatches: list[Mapping[str, Any]] | None, voice: _Voice) -> Iterator[str]:
    yield voice.row("XMP", voice.say("uncompared" if mismatches is None else "differs" if mismatches else "agrees"))
    for one in mismatches or ():
        what = _DIFFERENCES[one["what"]].into(voice.language)
        told = voice.say("difference", what=what, claimed=one["claimed"] or "-", expected=one["expected"])
        yield f"    {told}"


def _pdfa(pdfa: Mapping[str, Any], voice: _Voice) -> Iterator[str]:
    checked = f" ({pdfa['checked']})" if pdfa["checked"] else ""
    claim = voice.say("not told") if pdfa["claim"] is None else pdfa["claim"] or voice.say("no claim")
    yield voice.row("PDF/A", f"{claim}; {voice.say(pdfa['verdict'])}{checked}")
    yield from (f"    {one['clause'] or '-'}: {one['says']} (x{one['times']})" for one in pdfa["reasons"])


def _signatures(signatures: list[Mapping[str, Any]] | None, voice: _Voice) -> Iterator[str]:
    if not signatures:
        yield voice.row("signature", voice.say("not told" if signatures is None else "unsigned"))
    for one in signatures or ():
        about = ", ".join(one[part] or "-" for part in ("field", "kind", "signer", "at"))
        yield voice.row("signature", voice.say("signature", about=about, covers=voice.say(one["covers_whole_file"])))


def _seals(seals: Mapping[str, Any] | None, voice: _Voice) -> Iterator[str]:
    """What each seal is worth."""
    for one in (seals["seals"] or [seals]) if seals else ():
        told = voice.say(f"seal {one['indication']}", sub=one["sub"])
        by = one.get("sealed_by", "-")
        yield voice.row("seal", voice.say("sealed", level=one.get("level", "-"), by=by, verdict=told))


def _page(page: Mapping[str, Any], voice: _Voice) -> Iterator[str]:
    values = page["values"]
    if page["legible"] == "no text":
        told = voice.say("scan")
    elif values is None:
        told = voice.say("page uncompared", why=voice.reason(page["reason"]))
    else:
        told = voice.say("stated", found=sum(one["standing"] == "found" for one in values), count=len(values))
    yield voice.row("page", told + (voice.say("hidden") if page["hidden"] else ""))
    for one in values or ():
        if one["standing"] != "found":
            name = _TERMS.get(one["term"], one["name"]) if voice.language == "fr" else one["name"]
            standing = voice.say(one["standing"], instead=one["instead"])
            yield f"    {voice.say('value', term=one['term'], name=name, value=one['value'], standing=standing)}"
