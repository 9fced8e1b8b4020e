"""Sealed documents to be judged: each form, level and kind of key, by people whose issuers publish revocations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing import keys
from signing.keys import PrivateKey
from signing.trust import Evidence
from tests.conformance.specimens import specimens
from tests.signing.authority import Published, person
from tests.signing.sealed import seal_json, seal_pdf, seal_xml
from tests.signing.test_long_term import known

SAMPLES = Path(__file__).parents[1] / "samples"
LEVELS = {"PAdES": ("B-B", "B-T", "B-LT", "B-LTA"), "XAdES": ("B-B", "B-T", "B-LT"), "JAdES": ("B-B", "B-T")}
KINDS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA-3072": lambda: rsa.generate_private_key(65537, 3072),
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed document."""

    name: str
    form: str
    """PAdES, XAdES or JAdES."""
    level: str
    data: bytes
    beside: bytes | None
    """The document, where the seal stands beside it."""
    flavour: str
    """The profile of PDF/A that the PDF claims: 3a or 3b; empty for XML."""
    people: Published


def sealed(pdfs: int, start: int) -> Iterator[Sealed]:
    """So many PDFs and every sample in XML, each at every level by every kind of key."""
    pages = list(islice(specimens(pdfs, start), pdfs))
    for kind, made in KINDS.items():
        people = Published("http://127.0.0.1:1")
        people.sealer = person("Published seal", people.issuer, answers=f"{people.url}/ocsp", key=made())  # type: ignore[no-untyped-call]
        key, evidence = keys.read(people.pem), known(people)
        for page in pages:
            for level in LEVELS["PAdES"]:
                data = seal_pdf(page.pdf, level, key, evidence=evidence, stamper=people.stamper)
                flavour = next((one for one in page.flavours if one.startswith("3")), "")
                yield Sealed(f"{page.name}-{kind}-{level}.pdf", "PAdES", level, data, None, flavour, people)
        yield from _xml(kind, key, evidence, people)
        if kind != "P-384":  # ES384 wants a digest that the key port does not sign
            yield from _json(kind, key, people)


def _xml(kind: str, key: PrivateKey, evidence: Evidence, people: Published) -> Iterator[Sealed]:
    for path in sorted([*SAMPLES.glob("ubl/*.xml"), *SAMPLES.glob("cii/*.xml")]):
        data = path.read_bytes()
        for level in LEVELS["XAdES"]:
            name = f"{path.parent.name}-{path.stem}-{kind}-{level}.xml"
            made = seal_xml(data, level, key, evidence=evidence, name="original.xml", stamper=people.stamper)
            beside = data if path.parent.name == "cii" else None
            yield Sealed(name, "XAdES", level, made, beside, "", people)


def _json(kind: str, key: PrivateKey, people: Published) -> Iterator[Sealed]:
    for path in sorted(SAMPLES.glob("json/*.json")):
        for level in LEVELS["JAdES"]:
            made = seal_json(path.read_bytes(), level, key, stamper=people.stamper)
            yield Sealed(f"json-{path.stem}-{kind}-{level}.json", "JAdES", level, made, None, "", people)


def publish(people: Published, folder: Path) -> None:
    """What is known of these people, as files: roots, lists, answers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.pem").write_bytes(people.root.pem)
    (folder / "time.pem").write_bytes(people.stamper_root.pem)
    evidence = known(people)
    for number, data in enumerate(evidence.lists):
        (folder / f"{number}.crl").write_bytes(data)
    for number, data in enumerate(evidence.answers):
        (folder / f"{number}.ocsp").write_bytes(data)
