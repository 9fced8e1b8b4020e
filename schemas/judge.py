"""The one verdict on a document: recognised, well-formed, its XSD, its official rules, the house's own.

This is what the API, the command line and the line all call, so that no two of them can judge differently. It is pure,
any thread may call it, and its arguments and answer cross process borders: a long invoice takes its time, so the
gateway runs it in worker processes. The document is parsed once for the XSD and read once for all layers of rules.

After a failed XSD the rule layers are reported as skipped, with the reason. The base rules and BR-FR are both run,
because a caller wants all the findings at once and neither needs the other. What keeps all rules must be readable too:
official rules let pass what no reader can make sense of (a 31 February), and such a value is fatal. The verdict is
- invalid, when a rule is broken by a finding that is fatal, or a value cannot be read;
- unjudged, when none is known to be broken and a layer that had to run could not;
- valid otherwise.

Each layer is judged by the edition of its artefact in force on the day of the document. Status messages (CDAR) and
e-reporting (flux 10) are judged the same way, by their XSD and their rules; the house has none for them.

A JSON invoice is written as CII and judged as such: it is that XML that will be sealed. Its findings point into the
generated XML by path and by business term; they have no line, because no line of what was submitted is meant. Of a PDF
the XML it carries is judged, and paths and lines point into that; its page is held against it, which only ever warns.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from lxml import etree

from schemas import explain, json_form, rulebook
from schemas.catalogue import FACTURX, FORMATS, JSON, MESSAGES, Recognised, chain, day_of, opened, profile_of
from schemas.finding import FINDINGS_LIMIT, Finding, Layer, LayerVerdict, Report, Severity, Verdict
from schemas.formats.facturx import page_text
from schemas.formats.facturx.page_text import Legible
from schemas.invoice import Invoice
from schemas.likeness import compare
from schemas.loss import losses
from schemas.payment_terms import beyond_any_law
from schemas.place import place
from schemas.rulebook import ENGINE, Case, Rules
from schemas.rulebooks import house
from schemas.schematron.tree import Unparsable, of, uncollected
from schemas.xml import Twins, Unreadable, parse, serialise

_WRAPPINGS = {JSON: "json", FACTURX: "pdf"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a document is to be judged."""

    french: bool = False
    """By BR-FR-Flux2 too, the rules between French businesses."""
    folder: str | None = None
    """The operator's folder of artefacts, which goes before the installed packages."""
    pinned: tuple[str, ...] = ()
    """Beginnings of the SHA-256 of editions to apply whatever the day: for a replay, or to rehearse an edition."""
    hybrid: bool = False
    """A CII invoice that will become a Factur-X: the rules of that are applied as the platforms do."""


def judge(
    data: bytes,
    *,
    french: bool = False,
    folder: str | None = None,
    page: bytes | None = None,
    pinned: tuple[str, ...] = (),
    hybrid: bool = False,
) -> Report:
    """What all layers say about a document in any form the catalogue takes.

    `page` is the PDF that people will read beside the data; of a Factur-X it is the document itself. For the rest see
    `Wanted`. Raises nothing on account of the document.
    """
    wanted = Wanted(french, folder, pinned, hybrid)
    try:
        document = opened(data, messages=True)
    except Unreadable as unreadable:
        return _unreadable(unreadable.findings, Recognised("", ""))
    if document.tree is not None:
        page = data if document.recognised.format == FACTURX else page
        return _judged(document.recognised, document.tree, wanted, page=page)
    try:
        invoice = json_form.read(data)
        tree = parse(FORMATS["cii"].write(invoice))
    except Unreadable as unreadable:
        return _unreadable(unreadable.findings, document.recognised)
    return _judged(replace(document.recognised, profile=profile_of(tree)), tree, wanted, invoice, page=page)


def warm(folder: str | None = None) -> None:
    """Load, once per process, what nearly every document needs: the schemas and rules of EN 16931 and BR-FR.

    For worker processes: what is in memory then stays for good, so the garbage collector is told to walk it no more.
    """
    for syntax in ("cii", "ubl-invoice"):
        for rules in chain(syntax, "urn:cen.eu:en16931:2017", french=True):
            rulebook.prepare(rules, folder)
    gc.collect()
    gc.freeze()


def _judged(
    recognised: Recognised,
    tree: etree._ElementTree,
    wanted: Wanted,
    invoice: Invoice | None = None,
    *,
    page: bytes | None = None,
) -> Report:
    """1. XSD; 2. where it holds, the official rules and the house's; 3. what the findings mean to a person."""
    is_invoice = recognised.format not in MESSAGES
    wrapping = _WRAPPINGS.get(recognised.format)
    layers = [Layer(name, "", LayerVerdict.PASSED) for name in (wrapping, "xml") if name]
    findings: list[Finding] = []
    xsd, *others = chain(recognised.syntax, recognised.profile, wanted.french)
    hybrid = wanted.hybrid or recognised.format in _WRAPPINGS
    case = Case(day_of(tree, recognised.syntax), wanted.pinned, hybrid)
    # 1.
    layer, said = rulebook.apply(xsd, tree, b"", wanted.folder, case)
    layers.append(layer)
    findings.extend(said)
    # 2.
    if layer.verdict is LayerVerdict.PASSED:
        for layer, said in _official(others, tree, wanted.folder, case):
            layers.append(layer)
            findings.extend(said)
        if is_invoice:
            layers, findings, invoice = _by_the_house(recognised, tree, layers, findings, invoice, page)
            findings.extend(beyond_any_law(invoice) if wanted.french and invoice is not None else ())
    else:
        names = [*(rules.layer for rules in others), *((house.NAME,) if is_invoice else ())]
        layers.extend(Layer(name, "", LayerVerdict.SKIPPED, _after(layer)) for name in names)
    # 3.
    kept = _kept(findings)
    told = _placed(_told(kept, recognised, invoice), tree)
    if recognised.format == JSON:
        told = [replace(finding, line=None) for finding in told]
    return _report(recognised, layers, findings, told)


def _by_the_house(
    recognised: Recognised,
    tree: etree._ElementTree,
    layers: list[Layer],
    findings: list[Finding],
    invoice: Invoice | None,
    page: bytes | None,
) -> tuple[list[Layer], list[Finding], Invoice | None]:
    """The house's own rules, whether an invoice that keeps the official ones can be read, and what its page says."""
    layer, said = house.apply(tree)
    layers.append(layer)
    findings.extend(said)
    if recognised.format == JSON and invoice is not None:
        findings.extend(house.left_out(losses(invoice, FORMATS[recognised.syntax].read(serialise(tree)).invoice)))
    valid = _verdict(findings) is Verdict.VALID
    if invoice is None and (valid or page is not None):
        invoice, unread = _read(recognised)
        if valid and unread:
            layers = [_failed_by(unread, layer) for layer in layers]
            findings = [*unread, *findings]
    if page is not None:
        findings.extend(_of_page(page, invoice))
    return layers, findings, invoice


def _of_page(data: bytes, invoice: Invoice | None) -> tuple[Finding, ...]:
    """Whether the page that people read says what the data say; where either cannot be read, that this is not known."""
    if invoice is None:
        return (house.without_page("a value of the XML cannot be read"),)
    page = page_text.read(data)
    if page.legible is not Legible.TEXT:
        return (house.without_page(page.reason),)
    return house.of_page(compare(invoice, page.text), page.hidden)


def _failed_by(findings: tuple[Finding, ...], layer: Layer) -> Layer:
    """The layer, failed where one of the findings is its own."""
    named = any(finding.layer == layer.name for finding in findings)
    return replace(layer, verdict=LayerVerdict.FAILED) if named else layer


def _official(
    chain: Iterable[Rules], tree: etree._ElementTree, folder: str | None, case: Case
) -> Iterator[tuple[Layer, tuple[Finding, ...]]]:
    """What the layers of official rules say. The document is walked once for all of them; where that cannot be, each
    layer is given its bytes and says so."""
    with uncollected():
        try:
            light = of(tree.getroot())
        except Unparsable:
            data = serialise(tree)
            yield from (rulebook.apply(rules, tree, data, folder, case) for rules in chain)
            return
        try:
            for rules in chain:
                yield rulebook.apply(rules, tree, light, folder, case)
        finally:
            light.discard()


def _after(layer: Layer) -> str:
    state = "failed" if layer.verdict is LayerVerdict.FAILED else "could not be judged"
    return f"the layer {layer.name} {state}"


def _unreadable(findings: tuple[Finding, ...], recognised: Recognised) -> Report:
    """The report on what could not even be read."""
    name = findings[0].layer if findings else "xml"
    layers = (
        Layer(name, "", LayerVerdict.FAILED),
        Layer("xsd", "", LayerVerdict.SKIPPED, f"the layer {name} failed"),
    )
    findings = tuple(replace(one, place=one.path) if one.layer == JSON else one for one in findings)
    return _report(recognised, layers, findings, _told(_kept(findings), recognised, None))


def _report(
    recognised: Recognised, layers: Iterable[Layer], findings: Sequence[Finding], told: Sequence[Finding]
) -> Report:
    """The verdict on all findings, and those that are kept, told in full."""
    uncounted = len(findings) - len(told)
    return Report(_verdict(findings), recognised.format, recognised.profile, tuple(layers), tuple(told), uncounted)


def _kept(findings: Sequence[Finding]) -> Sequence[Finding]:
    """As many as a report keeps, in the order of layers; fatal ones are never the ones left out."""
    if len(findings) <= FINDINGS_LIMIT:
        return findings
    fatal = [finding for finding in findings if finding.severity is Severity.FATAL]
    return (fatal + [finding for finding in findings if finding.severity is not Severity.FATAL])[:FINDINGS_LIMIT]


def _verdict(findings: Iterable[Finding]) -> Verdict:
    """What the findings amount to: broken for certain, not known, or neither."""
    fatal = [finding for finding in findings if finding.severity is Severity.FATAL]
    if any(not finding.rule.startswith(ENGINE) for finding in fatal):
        return Verdict.INVALID
    return Verdict.UNJUDGED if fatal else Verdict.VALID


def _told(findings: Iterable[Finding], recognised: Recognised, invoice: Invoice | None) -> list[Finding]:
    """The findings with their business terms, what was found and expected, and what to do."""
    told = []
    for finding in findings:
        if finding.rule in _SUMS and invoice is None:
            invoice, _ = _read(recognised)
        found, expected = finding.found, finding.expected
        if invoice is not None and (compared := _compared(finding.rule, invoice)):
            found, expected = compared
        told.append(
            replace(
                finding,
                terms=finding.terms or explain.terms_of(finding.rule, finding.says),
                found=found,
                expected=expected,
                fix=finding.fix or explain.fix_of(finding.rule, finding.says),
            )
        )
    return told


def _placed(findings: list[Finding], tree: etree._ElementTree) -> list[Finding]:
    """The findings with their places in our model."""
    twins = Twins()
    return [replace(one, place=one.place or place(tree, one.path, one.terms, twins)) for one in findings]


def _read(recognised: Recognised) -> tuple[Invoice | None, tuple[Finding, ...]]:
    """The invoice in our model; None where it cannot be read, and why."""
    if recognised.xml is None or recognised.syntax not in FORMATS:
        return None, ()
    try:
        return FORMATS[recognised.syntax].read(recognised.xml).invoice, ()
    except Unreadable as unreadable:
        return None, unreadable.findings


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _or_zero(amount: Decimal | None) -> Decimal:
    return Decimal(0) if amount is None else amount


_SUMS: dict[str, Callable[[Invoice], tuple[Decimal | None, Decimal]]] = {
    "BR-CO-10": lambda i: (i.totals.lines, _sum(line.net_amount for line in i.lines)),
    "BR-CO-11": lambda i: (i.totals.allowances, _sum(each.amount for each in i.allowances)),
    "BR-CO-12": lambda i: (i.totals.charges, _sum(each.amount for each in i.charges)),
    "BR-CO-13": lambda i: (
        i.totals.without_vat,
        _or_zero(i.totals.lines) - _or_zero(i.totals.allowances) + _or_zero(i.totals.charges),
    ),
    "BR-CO-14": lambda i: (i.totals.vat, _sum(each.tax_amount for each in i.vat_breakdown)),
    "BR-CO-15": lambda i: (i.totals.with_vat, _or_zero(i.totals.without_vat) + _or_zero(i.totals.vat)),
    "BR-CO-16": lambda i: (
        i.totals.due,
        _or_zero(i.totals.with_vat) - _or_zero(i.totals.paid) + _or_zero(i.totals.rounding),
    ),
}
"""The sums of the norm: rule → what the invoice says, and what its own parts add up to."""


def _compared(rule: str, invoice: Invoice) -> tuple[str | None, str] | None:
    """For a rule that is a sum: what the invoice says, and what its own parts give; None where they do not differ."""
    if rule not in _SUMS:
        return None
    found, expected = _SUMS[rule](invoice)
    if found == expected:
        return None
    return (None if found is None else str(found)), str(expected)
