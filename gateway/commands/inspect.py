"""`estafette inspect`: what a file is, what a PDF carries and claims, and whether its page says what its XML says."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from typing import Any

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
against that XML, the verdict on PDF/A (level B of the part it claims), signatures (counted, not verified), encryption,
what in it could act; and for number, dates, names, totals and IBAN whether the page states them as the XML does:
found, not found, or contradicted (the page names the term and states another value). A scan has no text to compare.

"not told" means that it could not be told; it never means that it is fine. The official rules are not run: that is
estafette validate.

With --format json one object a line, with every member always there; null is what is not told or does not apply.

Exit code 0: every file would be taken as an invoice, and nothing in it disagrees. 1: some would not, or have an XMP,
a page, a signature or a claim of PDF/A that does not hold, or a page that could not be read. 2: some could not be
opened at all.
"""

_ANSWERS = {"yes": Told("yes", "oui"), "no": Told("no", "non"), "not told": Told("not told", "indéterminé")}
_STANDINGS = {
    "not found": Told("not on the page", "absent de la page"),
    "contradicted": Told("the page states", "la page indique"),
}
_VERDICTS = {
    "passed": Told("passed", "respecté"),
    "failed": Told("BROKEN", "NON RESPECTÉ"),
    "not told": Told("not told", "indéterminé"),
}
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
            print("\n".join(map(printable, [source.name, *_lines(result, language)])))
        return GOOD if sound(result) else BAD

    return batch.each(found_in, sources, take, jobs=options.jobs, seconds=settings.compute_seconds)


def found_in(source: Source) -> dict[str, Any]:
    """The inspection of one source. Raises Unusable."""
    from schemas.inspection import inspect

    return inspect(source.read()).as_json()


def sound(found: Mapping[str, Any]) -> bool:
    """Whether it would be taken as an invoice and nothing in it disagrees."""
    pdf, page = found["pdf"], found["page"]
    if found["taken"] != "yes":
        return False
    if pdf is None or page is None:
        return True
    signed = all(one["covers_whole_file"] == "yes" for one in pdf["signatures"] or ())
    claims = not (pdf["pdfa"]["claim"] and pdf["pdfa"]["verdict"] == "failed")
    says = page["legible"] != "unread" and all(one["standing"] == "found" for one in page["values"] or ())
    return signed and claims and says and not pdf["mismatches"]


# For people ----------------------------------------------------------------------------------------------------------


def _lines(found: Mapping[str, Any], language: str) -> Iterator[str]:
    """What was found, a line each."""

    def say(english: str, french: str) -> str:
        return french if language == "fr" else english

    def row(english: str, french: str, text: str) -> str:
        return f"  {say(english, french):<12} {text}"

    names = {
        "empty": say("an empty file", "un fichier vide"),
        "other": say("neither XML, JSON nor PDF", "ni XML, ni JSON, ni PDF"),
    }
    known = ", ".join(part for part in (found["title"], found["profile_name"] or found["profile"]) if part)
    number = say(f", number {found['number']}", f", numéro {found['number']}") if found["number"] else ""
    yield row("is", "est", (known or names.get(found["kind"], found["kind"])) + number)
    yield row("invoice", "facture", _taken(found, language))
    for finding in found["refused"]:
        yield f"    {finding['rule']}: {finding['says']}" + (f" ({finding['found']})" if finding.get("found") else "")
    if found["content"] is not None:
        yield from _content(found["content"], language)
    if found["pdf"] is not None:
        yield from _pdf(found["pdf"], language)
    if found["page"] is not None:
        yield from _page(found["page"], language)


def _taken(found: Mapping[str, Any], language: str) -> str:
    if found["taken"] == "yes":
        return "serait prise" if language == "fr" else "would be taken"
    return "ne serait PAS prise" if language == "fr" else "would NOT be taken"


def _content(content: Mapping[str, Any], language: str) -> Iterator[str]:
    french = language == "fr"
    size = f"{content['size']} {'octets' if french else 'bytes'}, {content['lines']} {'lignes' if french else 'lines'}"
    if content["unknown"] is None:
        state = "contenu non lu" if french else "content not read"
    elif content["unknown"]:
        count = len(content["unknown"]) + content["more_unknown"]
        state = f"{count} éléments inconnus du modèle" if french else f"{count} elements our model does not know"
    else:
        state = "tout est connu du modèle" if french else "all of it is known to our model"
    root = f"{content['root']}, " if content["root"] else ""
    yield f"  {'contenu' if french else 'content':<12} {root}{size}; {state}"
    yield from (f"    {path}" for path in content["unknown"] or ())


def _pdf(pdf: Mapping[str, Any], language: str) -> Iterator[str]:
    french = language == "fr"
    unknown = _ANSWERS["not told"].into(language)

    def row(english: str, name: str, text: str) -> str:
        return f"  {name if french else english:<12} {text}"

    count = pdf["pages"]
    pages = f"pages: {unknown}" if count is None else f"{count} page{'s' if count > 1 else ''}"
    changed = "modifié après sa création" if french else "changed after it was made"
    yield row("PDF", "PDF", f"{pdf['version'] or '?'}, {pages}" + (f"; {changed}" if pdf["revisions"] > 1 else ""))
    active = _ANSWERS[pdf["active"]].into(language) + (f" ({pdf['active_part']})" if pdf["active_part"] else "")
    yield row("encrypted", "chiffré", _ANSWERS[pdf["encrypted"]].into(language))
    yield row("active", "actif", active)
    if pdf["attachments"] is None:
        yield row("attachments", "pièces", unknown)
    for one in pdf["attachments"] or ():
        listed = "" if one["associated"] else (" ; hors /AF" if french else "; not in /AF")
        size = f"{one['size']} {'octets' if french else 'bytes'}"
        yield row(
            "attachment",
            "pièce",
            f"{one['name']}  {one['media_type'] or '-'}, {one['relationship'] or '-'}, {size}{listed}",
        )
    yield row("XML", "XML", (_reason(pdf["why"]) if french else pdf["why"]) or ("aucun" if french else "none"))
    yield from _xmp(pdf, language)
    checked = f" ({pdf['pdfa']['checked']})" if pdf["pdfa"]["checked"] else ""
    claim = pdf["pdfa"]["claim"] or ("aucune prétention" if french else "no claim")
    yield row("PDF/A", "PDF/A", f"{claim}; {_VERDICTS[pdf['pdfa']['verdict']].into(language)}{checked}")
    yield from (f"    {one['clause'] or '-'}: {one['says']} (x{one['times']})" for one in pdf["pdfa"]["reasons"])
    if pdf["pdfua"]:
        yield row("PDF/UA", "PDF/UA", f"PDF/UA-{pdf['pdfua']}; " + ("non vérifié" if french else "not checked"))
    yield from _signatures(pdf["signatures"], language)


def _reason(text: str) -> str:
    """A reason in French."""
    for english, french in _REASONS.items():
        text = text.replace(english, french)
    return text


def _xmp(pdf: Mapping[str, Any], language: str) -> Iterator[str]:
    french = language == "fr"
    if pdf["mismatches"] is None:
        yield f"  {'XMP':<12} {'non comparé au XML' if french else 'not held against an XML'}"
    elif not pdf["mismatches"]:
        yield f"  {'XMP':<12} {'conforme au XML' if french else 'agrees with the XML'}"
    else:
        yield f"  {'XMP':<12} {'DIFFÈRE du XML' if french else 'DIFFERS from the XML'}"
    for one in pdf["mismatches"] or ():
        claimed, expected = one["claimed"] or "-", one["expected"]
        words = f" : {claimed}, attendu {expected}" if french else f": {claimed}, expected {expected}"
        yield f"    {_DIFFERENCES[one['what']].into(language)}{words}"


def _signatures(signatures: list[Mapping[str, Any]] | None, language: str) -> Iterator[str]:
    french = language == "fr"
    name = "signatures"
    if not signatures:
        nothing = "aucune" if french else "none"
        yield f"  {name:<12} {_ANSWERS['not told'].into(language) if signatures is None else nothing}"
    for one in signatures or ():
        covers = _ANSWERS[one["covers_whole_file"]].into(language)
        whole = f"couvre tout le fichier : {covers}" if french else f"covers the whole file: {covers}"
        verified = "NON vérifiée" if french else "NOT verified"
        about = ", ".join(one[part] or "-" for part in ("kind", "signer", "at"))
        yield f"  {name:<12} {one['field'] or '-'}  {about}; {whole}; {verified}"


def _page(page: Mapping[str, Any], language: str) -> Iterator[str]:
    french = language == "fr"
    values = page["values"]
    if page["legible"] == "no text":
        told = "aucun texte (numérisation) : non comparée" if french else "no text (a scan): not compared"
    elif values is None:
        told = f"non comparée ({_reason(page['reason'])})" if french else f"not compared ({page['reason']})"
    else:
        found = sum(one["standing"] == "found" for one in values)
        count = len(values)
        told = (
            f"{found} valeurs du XML sur {count} y figurent"
            if french
            else f"states {found} of {count} values of the XML"
        )
    if page["hidden"]:
        told += " ; du texte y est invisible" if french else "; some of its text is invisible"
    yield f"  {'page':<12} {told}"
    for one in values or ():
        if one["standing"] != "found":
            name = _TERMS.get(one["term"], one["name"]) if french else one["name"]
            instead = f" {one['instead']}" if one["instead"] else ""
            what = f"{one['term']} {name}" + (" :" if french else ":")
            yield f"    {what} XML {one['value']}; {_STANDINGS[one['standing']].into(language)}{instead}"
