"""The judges that are always there: the strict check of PDF/A, qpdf, reading back, and making the same again."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pikepdf
from pikepdf import Name, pdfa

from schemas.formats.facturx.extract import extract
from tests.conformance.judges import Absent, Opinion
from tests.conformance.specimens import Specimen

LEVELS = (("minimum", "MINIMUM"), ("basicwl", "BASIC WL"), ("basic", "BASIC"), ("extended", "EXTENDED"),
          ("extended-ctc-fr", "EXTENDED"), ("xrechnung_3.0", "XRECHNUNG"), ("en16931:2017", "EN 16931"))  # fmt: skip
"""ConformanceLevel by the ending of BT-24, as the standard has it and not as our code does."""


def strict(specimen: Specimen) -> Opinion:
    """pikepdf's check: nothing but the notes on what it does not know of Factur-X, of level A and of PDF/UA."""
    findings = pdfa.validate_written(BytesIO(specimen.pdf), "3b").findings
    by_rule = Counter(finding.rule.partition(":")[2] for finding in findings)
    known = {"6.6.2.3.1-1": 9} if specimen.wrapped else {"6.6.2.3.1-1": 10, "6.6.4-3": 1}
    told = tuple(f"{one.rule} at {one.where}: {one.message}" for one in findings) if by_rule != known else ()
    return Opinion(by_rule == known, told)


def qpdf(specimen: Specimen) -> Opinion:
    """`qpdf --check`, by the qpdf inside pikepdf."""
    try:
        with pikepdf.open(BytesIO(specimen.pdf)) as pdf:
            problems = tuple(map(str, pdf.check_pdf_syntax()))
    except pikepdf.PdfError as broken:
        problems = (str(broken),)
    return Opinion(not problems, problems)


def container(specimen: Specimen) -> Opinion:
    """Name, relationship, media type, checksum, size, dates, place and XMP of the XML, which is as it was given."""
    found = extract(specimen.pdf)
    level = next(level for ending, level in LEVELS if specimen.profile.endswith(ending))
    name = "xrechnung.xml" if level == "XRECHNUNG" else "factur-x.xml"
    relationship = "Data" if level in ("MINIMUM", "BASIC WL") else "Alternative"
    version = "3.0" if level == "XRECHNUNG" else "1.0"
    claims = found.claims
    with pikepdf.open(BytesIO(specimen.pdf)) as pdf:
        files = {str(one.UF): one for one in pdf.Root.AF}
        tree = list(pdf.Root.Names.EmbeddedFiles.Names)
        stream = files[name].EF.F
        holds = {
            "XML": found.xml == specimen.xml == stream.read_bytes(),
            "name": found.name == name,
            "relationship": found.relationship == relationship,
            "media type": stream.Subtype == Name("/text/xml"),
            "size": int(stream.Params.Size) == len(specimen.xml),
            "checksum": bytes(stream.Params.CheckSum) == hashlib.md5(specimen.xml, usedforsecurity=False).digest(),
            "date": str(stream.Params.ModDate) == str(pdf.docinfo.ModDate) == "D:20261124093000+00'00'",
            "tree": {str(key) for key in tree[::2]} == set(files),
            "XMP": (claims.document_type, claims.file_name, claims.level, claims.version)
            == ("INVOICE", name, level, version),
            "claims": (claims.part, claims.conformance, claims.universal)
            == (("3", "B", "") if specimen.wrapped else ("3", "A", "1")),
        }
    wrong = tuple(f"the {part} is not as the standard has it" for part, right in holds.items() if not right)
    return Opinion(not wrong, wrong)


def repeated(specimen: Specimen) -> Opinion:
    """The same input gives the same bytes."""
    same = specimen.make() == specimen.pdf
    return Opinion(same, () if same else ("made again, it has other bytes",))


def looks(specimen: Specimen) -> Opinion:
    """A page of another looks as it did, pixel by pixel. Raises Absent without pdftoppm, which draws it."""
    before, after = drawn(specimen.supplied), drawn(specimen.pdf)
    same = before == after and len(before) > 0
    return Opinion(same, () if same else ("it does not look as before",))


def drawn(pdf: bytes) -> list[bytes]:
    """Each page as pixels."""
    if shutil.which("pdftoppm") is None:
        raise Absent("pdftoppm (Poppler) is not installed here")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "it.pdf"
        path.write_bytes(pdf)
        command = ["pdftoppm", "-r", "100", str(path), str(Path(folder) / "page")]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return [one.read_bytes() for one in sorted(Path(folder).glob("page-*.ppm"))]


def spoil(good: Path, bad: Path) -> None:
    """Write a PDF without its metadata, which no judge may pass."""
    with pikepdf.open(good) as pdf:
        del pdf.Root.Metadata
        pdf.save(bad, fix_metadata_version=False)


CHECKS: dict[str, Callable[[Specimen], Opinion]] = {
    "pikepdf.pdfa, with the known notes": strict,
    "qpdf --check": qpdf,
    "container and XML read back": container,
    "made again, the same bytes": repeated,
}
