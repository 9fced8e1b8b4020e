"""Statements written in the formats of banks: the same movements as camt.053, MT940, CFONB 120 and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

IBAN = "FR7630006000011234567890189"


@dataclass(frozen=True)
class Move:
    """One entry to write."""

    day: date
    amount: str
    text: str = ""
    reference: str = ""
    end_to_end: str = ""
    party: str = "Librairie du Port"
    party_account: str = "FR1420041010050500013M02606"


def camt(
    moves: Sequence[Move], opening: str = "1000.00", *, closing: str = "", version: str = "02", number: str = "1"
) -> bytes:
    """A camt.053."""
    total = closing or str(Decimal(opening) + sum((Decimal(one.amount) for one in moves), Decimal(0)))
    entries = "".join(_entry(one, version) for one in moves)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-20T08:00:00</CreDtTm></GrpHdr><Stmt><Id>S{number}</Id>"
        f"<ElctrncSeqNb>{number}</ElctrncSeqNb><CreDtTm>2026-11-20T08:00:00</CreDtTm>"
        f"<Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{_balance('OPBD', opening)}{_balance('CLBD', total)}{entries}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def _balance(code: str, amount: str) -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount.lstrip("-")}</Amt>'
        f"<CdtDbtInd>{'DBIT' if amount.startswith('-') else 'CRDT'}</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal>"
    )


def _entry(one: Move, version: str) -> str:
    status = "<Sts><Cd>BOOK</Cd></Sts>" if version >= "08" else "<Sts>BOOK</Sts>"
    incoming = not one.amount.startswith("-")
    side = "Dbtr" if incoming else "Cdtr"
    name = f"<Pty><Nm>{one.party}</Nm></Pty>" if version >= "08" else f"<Nm>{one.party}</Nm>"
    reference = f"<AcctSvcrRef>{one.reference}</AcctSvcrRef>" if one.reference else ""
    return (
        f'<Ntry><Amt Ccy="EUR">{one.amount.lstrip("-")}</Amt><CdtDbtInd>{"CRDT" if incoming else "DBIT"}</CdtDbtInd>'
        f"{status}<BookgDt><Dt>{one.day}</Dt></BookgDt><ValDt><Dt>{one.day}</Dt></ValDt>{reference}<NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{one.end_to_end or 'NOTPROVIDED'}</EndToEndId></Refs><RltdPties><{side}>{name}</{side}>"
        f"<{side}Acct><Id><IBAN>{one.party_account}</IBAN></Id></{side}Acct></RltdPties>"
        f"<RmtInf><Ustrd>{one.text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def mt940(moves: Sequence[Move], opening: str = "1000.00", number: str = "1/1") -> bytes:
    """An MT940 with German subfields."""
    total = Decimal(opening) + sum((Decimal(one.amount) for one in moves), Decimal(0))
    lines = [":20:STARTUMS", f":25:{IBAN}", f":28C:{number}", f":60F:{_swift(Decimal(opening))}"]
    for one in moves:
        amount = Decimal(one.amount)
        mark = "C" if amount >= 0 else "D"
        lines.append(
            f":61:{one.day:%y%m%d}{one.day:%m%d}{mark}{abs(amount)}".replace(".", ",")
            + f"NTRF{one.end_to_end[:16] or 'NONREF'}" + (f"//{one.reference}" if one.reference else "")
        )  # fmt: skip
        e2e = f"EREF+{one.end_to_end}" if one.end_to_end else ""
        lines.append(f":86:166?00VIREMENT?20{e2e}SVWZ+{one.text}?31{one.party_account}?32{one.party}")
    lines += [f":62F:{_swift(total)}", "-"]
    return "\r\n".join(lines).encode()


def _swift(amount: Decimal) -> str:
    return f"{'C' if amount >= 0 else 'D'}261120EUR{abs(amount):f}".replace(".", ",")


def cfonb(moves: Sequence[Move], opening: str = "1000.00") -> bytes:
    """A CFONB 120 of the same account."""
    total = Decimal(opening) + sum((Decimal(one.amount) for one in moves), Decimal(0))
    lines = [_record("01", date(2026, 11, 1), Decimal(opening))]
    for one in moves:
        lines.append(_record("04", one.day, Decimal(one.amount), one.text, one.reference))
        lines.append(f"0530006    00001EUR2 12345678901  {one.day:%d%m%y}     NPY{one.party:<70}".ljust(120)[:120])
    lines.append(_record("07", date(2026, 11, 20), total))
    return "\n".join(lines).encode()


def _record(code: str, day: date, amount: Decimal, text: str = "", reference: str = "") -> str:
    cents = f"{abs(int(amount * 100)):014d}"
    last = ("}JKLMNOPQR" if amount < 0 else "{ABCDEFGHI")[int(cents[-1])]
    kind, value = ("05", f"{day:%d%m%y}") if code == "04" else ("  ", " " * 6)
    head = f"{code}30006    00001EUR2 12345678901{kind}{day:%d%m%y}  {value}{text[:31]:<31}"
    return f"{head}{' ' * 11}{cents[:-1]}{last}{reference[:16]:<16}"


def csv(moves: Sequence[Move]) -> bytes:
    """A CSV as a French bank writes it."""
    rows = [
        f"{one.day:%d/%m/%Y};{one.amount.replace('.', ',')};{one.text};{one.party};{one.reference}" for one in moves
    ]
    return "\r\n".join(["Date;Montant;Libellé;Tiers;Référence", *rows]).encode("windows-1252")
