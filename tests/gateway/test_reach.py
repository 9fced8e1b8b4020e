"""What addresses are to the directory, what is said of those without a line, and the regime of an invoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from adapters.directory import DirectoryLine, LegalUnit, LineStanding, Receiver
from adapters.port import ElectronicAddress
from gateway import regime
from gateway.reach import Asked, Level, Reach, Reachability, Told, asked_of, finding, nearest, soon, standing
from schemas.explain import explain
from schemas.finding import Severity
from schemas.invoice import Address, Identifier, Invoice, Note, Party, VatBreakdown

TODAY = date(2026, 11, 25)
SIREN, SIRET, OTHER = "812046373", "81204637300017", "81204637300025"


def line(
    address: str, standing_: LineStanding = LineStanding.ENABLED, siret: str = "", **more: object
) -> DirectoryLine:
    return DirectoryLine(address, standing_, siren=SIREN, siret=siret, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheme", "value", "address", "level"),
    [
        ("0225", SIREN, SIREN, Level.COMPANY),
        ("0002", "812 046 373", SIREN, Level.COMPANY),
        ("0009", SIRET, f"{SIREN}_{SIRET}", Level.FACILITY),
        ("0225", f"{SIREN}_{SIRET}", f"{SIREN}_{SIRET}", Level.FACILITY),
        ("0225", f"{SIREN}_{SIRET}_SERV-1", f"{SIREN}_{SIRET}_SERV-1", Level.CODE),
        ("0225", f"{SIREN}_FACTURES", f"{SIREN}_FACTURES", Level.SUFFIX),
        ("0225", f"{SIREN}_10000041300011", f"{SIREN}_10000041300011", Level.SUFFIX),
    ],
)
def test_what_the_directory_is_asked(scheme: str, value: str, address: str, level: Level) -> None:
    asked = asked_of(scheme, value)
    assert isinstance(asked, Asked)
    assert (asked.address, asked.siren, asked.level) == (address, SIREN, level)


@pytest.mark.parametrize(
    ("scheme", "value", "verdict"),
    [
        ("EM", "a@example.org", Reachability.OUTSIDE),
        ("0208", "0123456789", Reachability.OUTSIDE),
        ("0225", "", Reachability.NO_ADDRESS),
        (None, None, Reachability.NO_ADDRESS),
        ("0225", "DUPONT", Reachability.MALFORMED),
        ("0225", f"{SIREN}-{SIRET}", Reachability.MALFORMED),
        ("0225", f"{SIREN}_é", Reachability.MALFORMED),
        ("0225", f"{SIREN}_" + "A" * 120, Reachability.MALFORMED),
        ("0225", f"{SIREN}/../x", Reachability.MALFORMED),
        ("0009", SIREN, Reachability.MALFORMED),
        ("0002", SIRET, Reachability.MALFORMED),
        ("0002", "８１２０４６３７３", Reachability.MALFORMED),
    ],
)
def test_what_the_directory_is_not_asked(scheme: str | None, value: str | None, verdict: Reachability) -> None:
    found = asked_of(scheme, value)
    assert isinstance(found, Reach)
    assert found.verdict is verdict


def test_the_days_of_a_line_go_before_what_is_said_of_it() -> None:
    assert standing(line(SIREN), TODAY) is LineStanding.ENABLED
    assert standing(line(SIREN, ends=TODAY), TODAY) is LineStanding.ENABLED
    assert standing(line(SIREN, ends=date(2026, 11, 24)), TODAY) is LineStanding.DISABLED
    assert standing(line(SIREN, begins=date(2026, 11, 26)), TODAY) is LineStanding.UPCOMING
    assert standing(line(SIREN, LineStanding.DISABLED, begins=date(2026, 1, 1)), TODAY) is LineStanding.DISABLED


def test_the_nearest_lines_come_in_the_order_of_the_directorys_operator() -> None:
    asked = asked_of("0009", SIRET)
    assert isinstance(asked, Asked)
    lines = [
        line(f"{SIREN}_Z"),
        line(f"{SIREN}_{OTHER}", siret=OTHER),
        line(SIREN),
        line(f"{SIREN}_{SIRET}_B", siret=SIRET),
        line(f"{SIREN}_{SIRET}_A", siret=SIRET),
        line(f"{SIREN}_{SIRET}_C", LineStanding.UPCOMING, siret=SIRET),
    ]
    assert [one.address for one in nearest(asked, lines, TODAY)] == [
        f"{SIREN}_{SIRET}_A",
        f"{SIREN}_{SIRET}_B",
        SIREN,
        f"{SIREN}_{OTHER}",
        f"{SIREN}_Z",
    ]


def test_a_finding_names_the_address_the_reason_and_the_way_out() -> None:
    asked = asked_of("0009", SIRET)
    assert isinstance(asked, Asked)
    ended = line(f"{SIREN}_{SIRET}", LineStanding.DISABLED, siret=SIRET, ends=date(2026, 10, 31))
    found = finding(Reach(Reachability.ENDED, asked, ended, (line(SIREN),)), TODAY)
    assert found.rule == "HOUSE-ADDRESS-INACTIVE"
    assert found.severity is Severity.FATAL
    assert found.terms == ("BT-49",)
    assert found.says == f"This SIRET ({SIRET}) has no active line since 2026-10-31; nearest active: {SIREN}."
    assert found.found == f"{SIREN}_{SIRET}"
    assert SIREN in str(found.fix)
    alone = finding(Reach(Reachability.NO_LINE, asked, unit=LegalUnit(SIREN, closed=True)), TODAY)
    assert alone.says == f"This SIRET ({SIRET}) has no line in the French directory; the company is closed."
    many = finding(Reach(Reachability.NO_LINE, asked, complete=False), TODAY)
    assert "too many lines to look at" in many.says


def test_a_line_that_begins_soon_is_waited_for() -> None:
    asked = asked_of("0002", SIREN)
    assert isinstance(asked, Asked)
    coming = line(SIREN, LineStanding.UPCOMING, begins=date(2026, 11, 28))
    assert soon(Reach(Reachability.UPCOMING, asked, coming), TODAY)
    assert finding(Reach(Reachability.UPCOMING, asked, coming), TODAY).severity is Severity.WARNING
    late = replace(coming, begins=date(2026, 11, 29))
    assert not soon(Reach(Reachability.UPCOMING, asked, late), TODAY)
    assert not soon(Reach(Reachability.UPCOMING, asked, replace(coming, begins=None)), TODAY)
    today = replace(coming, begins=date(2026, 11, 24))
    assert soon(Reach(Reachability.UPCOMING, asked, today), TODAY), "directories show changes the next day"
    stuck = Reach(Reachability.UPCOMING, asked, replace(coming, begins=date(2026, 11, 23)))
    assert not soon(stuck, TODAY), "its directory never moves it: the document waited for ever"
    assert finding(stuck, TODAY).severity is Severity.FATAL


def test_every_finding_is_explained_in_both_languages() -> None:
    for rule in ("FORM", "UPCOMING", "INACTIVE", "UNKNOWN", "UNCHECKED"):
        told = explain(f"HOUSE-ADDRESS-{rule}")
        assert told is not None


# --- the regime


def invoice(**more: object) -> Invoice:
    """An invoice to a French business."""
    france = Address(country="FR")
    seller = Party(name="S", legal_id=Identifier("100000108", "0002"), address=france)
    buyer = Party(name="B", legal_id=Identifier(SIREN, "0002"), address=france)
    return Invoice(**{"seller": seller, "buyer": buyer, **more})  # type: ignore[arg-type]


def buyer_(country: str = "", vat: str = "", siren: str = "") -> Party:
    legal = Identifier(siren, "0002") if siren else None
    return Party(name="B", vat_id=vat, legal_id=legal, address=Address(country=country) if country else None)


ACTIVE = Reach(
    Reachability.ACTIVE,
    Asked(SIREN, SIREN),
    line(SIREN),
    told=Told("directory.example.org", datetime(2026, 11, 25, tzinfo=UTC)),
)
UNASKED = Reach(Reachability.UNASKED)
PUBLIC = replace(ACTIVE, line=line(SIREN, receiver=Receiver.STATE))


@pytest.mark.parametrize(
    ("document", "reach", "said", "rule", "by"),
    [
        (invoice(), ACTIVE, None, "B2B", "directory"),
        (invoice(), UNASKED, None, "B2B", "buyer"),
        (invoice(), PUBLIC, None, "B2G", "directory"),
        (invoice(), PUBLIC, "B2B", "B2B", "submission"),
        (invoice(buyer=buyer_("DE", "DE123456789")), UNASKED, None, "B2BInt", "buyer"),
        (invoice(buyer=buyer_("DE")), UNASKED, None, "B2C", "buyer"),
        (invoice(buyer=buyer_("FR")), UNASKED, None, "B2C", "buyer"),
        (invoice(buyer=buyer_()), UNASKED, None, "B2C", "buyer"),
        (invoice(buyer=buyer_("", "BE0123456789")), UNASKED, None, "B2BInt", "buyer"),
        (invoice(buyer=buyer_("GF", siren=SIREN)), UNASKED, None, "B2BInt", "buyer"),
        (invoice(buyer=buyer_("RE", siren=SIREN)), UNASKED, None, "B2B", "buyer"),
        (invoice(buyer=buyer_("DE", siren=SIREN)), ACTIVE, None, "B2B", "directory"),
        (invoice(seller=buyer_("BE", "BE0123456789")), UNASKED, None, "OutOfScope", "invoice"),
        (invoice(notes=(Note(text="B2C", subject="BAR"),)), ACTIVE, None, "B2C", "invoice"),
        (invoice(notes=(Note(text="ArchiveOnly", subject="BAR"),)), ACTIVE, None, "ArchiveOnly", "invoice"),
        (invoice(notes=(Note(text="B2B", subject="BAR"),)), PUBLIC, None, "B2G", "directory"),
        (invoice(notes=(Note(text="B2B", subject="BAR"),)), ACTIVE, None, "B2B", "directory"),
        (invoice(notes=(Note(text="B2B", subject="BAR"),)), UNASKED, None, "B2B", "invoice"),
        (
            invoice(vat_breakdown=(VatBreakdown(category="E", exemption_code="VATEX-FR-CGI261-4"),)),
            UNASKED,
            None,
            "OutOfScope",
            "invoice",
        ),
        (
            invoice(
                vat_breakdown=(
                    VatBreakdown(category="E", exemption_code="VATEX-FR-CGI261-4"),
                    VatBreakdown(category="S"),
                )
            ),
            UNASKED,
            None,
            "B2B",
            "buyer",
        ),
    ],
)
def test_the_regime(document: Invoice, reach: Reach, said: str | None, rule: str, by: str) -> None:
    found = regime.regime(said, regime.signs(document), reach)
    assert (found.rule, found.by) == (rule, by)


def test_the_sentence_explains_the_route_and_names_nobody() -> None:
    found = regime.regime(None, regime.signs(invoice()), ACTIVE)
    told = regime.sentence(found, "afnor", ElectronicAddress("0225", SIREN), ACTIVE)
    assert told.english == (
        "Invoice between businesses in France (B2B), as the buyer is in the French directory: by afnor, at the active "
        "line of its company (SIREN), says directory.example.org on 2026-11-25"
    )
    assert told.french == (
        "Facture entre entreprises en France (B2B), car l'acheteur figure dans l'annuaire français : par afnor, à la "
        "ligne active de son entreprise (SIREN), dit directory.example.org le 2026-11-25"
    )
    old = replace(ACTIVE, told=replace(ACTIVE.told, stale=True))  # type: ignore[type-var]
    assert "which is away now" in regime.sentence(found, "afnor", ElectronicAddress("0225", SIREN), old).english
    mail = regime.sentence(found, "mail", ElectronicAddress("EM", "a@b.example"), Reach(Reachability.OUTSIDE))
    assert mail.english.endswith("its electronic address is an e-mail address")
    assert SIREN not in told.english + told.french
