"""The bank of the demo: a camt.053 in which customers pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

from gateway.commands.demo_invoices import IBAN

OPENING = Decimal("4210.55")


@dataclass(frozen=True, slots=True)
class Received:
    """A credit transfer that came in."""

    amount: Decimal
    payer: str
    text: str
    """What the payer wrote."""
    end_to_end: str


def statement(received: Sequence[Received], day: date) -> bytes:
    """A statement of one day in euro, ISO 20022 camt.053.001.08."""
    closing = OPENING + sum((one.amount for one in received), Decimal(0))
    entries = "".join(_entry(one, place, day) for place, one in enumerate(received, 1))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>\n'
        f"<GrpHdr><MsgId>DEMO-{day:%Y%m%d}</MsgId><CreDtTm>{day}T18:00:00Z</CreDtTm></GrpHdr>\n"
        f"<Stmt><Id>DEMO-{day:%Y%m%d}</Id><ElctrncSeqNb>1</ElctrncSeqNb><CreDtTm>{day}T18:00:00Z</CreDtTm>\n"
        f"<Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>\n"
        f"{_balance('OPBD', OPENING, day)}{_balance('CLBD', closing, day)}{entries}</Stmt></BkToCstmrStmt></Document>\n"
    ).encode()


def _balance(code: str, amount: Decimal, day: date) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount:f}</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>\n"
    )


def _entry(one: Received, place: int, day: date) -> str:
    return (
        f'<Ntry><Amt Ccy="EUR">{one.amount:f}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>{day:%Y%m%d}-{place}</AcctSvcrRef>\n"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>\n"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{escape(one.end_to_end)}</EndToEndId></Refs>"
        f"<RltdPties><Dbtr><Pty><Nm>{escape(one.payer)}</Nm></Pty></Dbtr></RltdPties>"
        f"<RmtInf><Ustrd>{escape(one.text)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
    )
