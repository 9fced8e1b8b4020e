"""Forged XML seals, made from genuine ones: wrapped, torn, cut, moved, or made over what is not the document.

Each forger takes a sealed UBL and gives it back forged. Where it needs a signature that holds over something odd, it is
made with the sealer's own key, as by a sealer who was led to sign that: what was signed must be what is read.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256

from lxml import etree

from signing.keys import PrivateKey, to_pair
from signing.xml import DS, ENVELOPED, EXCLUSIVE, EXT, SHA256, XADES, canonical, read
from tests.signing import authority

_D, _E, _X = f"{{{DS}}}", f"{{{EXT}}}", f"{{{XADES}}}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"

Forger = Callable[[bytes], bytes]


def written(root: etree._Element) -> bytes:
    """The tree as bytes."""
    made: bytes = etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)
    return made


def seal_of(root: etree._Element) -> etree._Element:
    """The first seal."""
    return next(root.iter(f"{_D}Signature"))


def removed(element: etree._Element) -> None:
    """Take an element out of its parent."""
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def raised(root: etree._Element) -> None:
    """The forger's gain: another amount to pay."""
    amount = next(root.iter(f"{CBC}PayableAmount"))
    amount.text = "999999.00"


def signed_again(seal: etree._Element, key: PrivateKey | None = None) -> None:
    """Sign the SignedInfo as it stands now, with the sealer's own key."""
    key = key or authority.seal_key()
    info, value = seal.find(f"{_D}SignedInfo"), seal.find(f"{_D}SignatureValue")
    assert info is not None
    assert value is not None
    signature = key.sign(sha256(canonical(deepcopy(info))).digest())
    value.text = b64encode(to_pair(key.chain[0], signature)).decode()


def references(seal: etree._Element) -> list[etree._Element]:
    """What it says it covers: the document first, then its properties."""
    return seal.findall(f"{_D}SignedInfo/{_D}Reference")


def pointed(reference: etree._Element, uri: str, hashed: bytes, steps: tuple[str, ...] = (EXCLUSIVE,)) -> None:
    """Let a reference point elsewhere, honestly hashed."""
    reference.set("URI", uri)
    transforms = reference.find(f"{_D}Transforms")
    assert transforms is not None
    for one in list(transforms):
        transforms.remove(one)
    for step in steps:
        etree.SubElement(transforms, f"{_D}Transform", Algorithm=step)
    value = reference.find(f"{_D}DigestValue")
    assert value is not None
    value.text = b64encode(sha256(hashed).digest()).decode()


# Wrapping, in eight kinds --------------------------------------------------------------------------------------------


def _wrapped_in_the_seal(data: bytes) -> bytes:
    """The genuine document goes into an object of the seal, a forged one takes its place."""
    genuine, forged = read(data), read(data)
    raised(forged)
    holder = etree.SubElement(seal_of(forged), f"{_D}Object")
    holder.append(genuine)
    return written(forged)


def _wrapped_in_an_extension(data: bytes) -> bytes:
    """The genuine document goes into an extension beside the seal's."""
    genuine, forged = read(data), read(data)
    raised(forged)
    extension = etree.SubElement(forged[0], f"{_E}UBLExtension")
    etree.SubElement(extension, f"{_E}ExtensionContent").append(genuine)
    return written(forged)


def _wrapped_and_seal_moved_in(data: bytes) -> bytes:
    """The genuine document, with the only seal, inside an extension of a forged one."""
    genuine, forged = read(data), read(data)
    raised(forged)
    seal = seal_of(forged)
    removed(seal)
    extension = etree.SubElement(forged[0], f"{_E}UBLExtension")
    etree.SubElement(extension, f"{_E}ExtensionContent").append(genuine)
    return written(forged)


def _wrapped_by_another_root(data: bytes) -> bytes:
    """A root around both: the forged document first, the genuine one behind."""
    genuine, forged = read(data), read(data)
    raised(forged)
    seal = seal_of(forged)
    removed(seal)
    root = etree.Element("Both")
    root.extend([forged, genuine])
    return written(root)


def _pointed_at_a_part(data: bytes) -> bytes:
    """The signature holds, over one part by its Id; the rest is forged."""
    root = read(data)
    part = next(root.iter(f"{CBC}IssueDate"))
    part.set("Id", "part")
    seal = seal_of(root)
    pointed(references(seal)[0], "#part", canonical(deepcopy(part)))
    signed_again(seal)
    raised(root)
    return written(root)


def _pointed_at_a_copy(data: bytes) -> bytes:
    """The signature holds, over a copy of the document that the seal carries in an object."""
    root, genuine = read(data), read(data)
    seal = seal_of(root)
    held = etree.SubElement(seal, f"{_D}Object", Id="copy")
    old = seal_of(genuine)
    parent = old.getparent()
    assert parent is not None
    parent.remove(old)
    held.append(genuine)
    pointed(references(seal)[0], "#copy", canonical(deepcopy(held)))
    signed_again(seal)
    raised(root)
    return written(root)


def _same_name_twice(data: bytes) -> bytes:
    """Two elements of one Id: the properties that were signed, and others that are read."""
    root = read(data)
    seal = seal_of(root)
    properties = next(seal.iter(f"{_X}SignedProperties"))
    other = etree.SubElement(seal, f"{_D}Object")
    twin = deepcopy(properties)
    time = next(twin.iter(f"{_X}SigningTime"))
    time.text = "2020-01-01T00:00:00Z"
    other.append(twin)
    return written(root)


def _by_a_list(data: bytes) -> bytes:
    """The signature holds, over a list (Manifest) whose own references nobody has to check."""
    root = read(data)
    seal = seal_of(root)
    held = etree.SubElement(seal, f"{_D}Object")
    manifest = etree.SubElement(held, f"{_D}Manifest", Id="list")
    manifest.append(deepcopy(references(seal)[0]))
    pointed(references(seal)[0], "#list", canonical(deepcopy(manifest)))
    references(seal)[0].set("Type", f"{DS}Manifest")
    signed_again(seal)
    raised(root)
    return written(root)


WRAPPINGS: dict[str, Forger] = {
    "in an object of the seal": _wrapped_in_the_seal,
    "in an extension": _wrapped_in_an_extension,
    "in an extension, with the only seal": _wrapped_and_seal_moved_in,
    "by another root": _wrapped_by_another_root,
    "a part by its Id": _pointed_at_a_part,
    "a copy that the seal carries": _pointed_at_a_copy,
    "one Id twice": _same_name_twice,
    "a list of references": _by_a_list,
}


# Others --------------------------------------------------------------------------------------------------------------


def _forged(data: bytes) -> bytes:
    root = read(data)
    raised(root)
    return written(root)


def _stripped(data: bytes) -> bytes:
    root = read(data)
    seal = seal_of(root)
    removed(seal)
    return written(root)


def _filtered(data: bytes) -> bytes:
    """The signature holds, over what a filter (XPath) leaves of the document: nothing."""
    root = read(data)
    seal = seal_of(root)
    reference = references(seal)[0]
    pointed(reference, "", b"", (ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116", EXCLUSIVE))
    step = reference.findall(f"{_D}Transforms/{_D}Transform")[1]
    etree.SubElement(step, f"{_D}XPath").text = "false()"
    signed_again(seal)
    raised(root)
    return written(root)


def _not_the_document(data: bytes) -> bytes:
    """The signature holds, over its properties alone."""
    root = read(data)
    seal = seal_of(root)
    first = references(seal)[0]
    removed(first)
    signed_again(seal)
    raised(root)
    return written(root)


def _not_its_properties(data: bytes) -> bytes:
    """The signature holds, and its properties are not signed: when and by whom may be changed."""
    root = read(data)
    seal = seal_of(root)
    second = references(seal)[1]
    removed(second)
    signed_again(seal)
    next(seal.iter(f"{_X}SigningTime")).text = "2020-01-01T00:00:00Z"
    return written(root)


def _moved(data: bytes) -> bytes:
    """The seal directly below the root, where no UBL has one."""
    root = read(data)
    root.append(seal_of(root))
    return written(root)


def _twice(data: bytes) -> bytes:
    """A second seal beside the first."""
    root = read(data)
    seal = seal_of(root)
    parent = seal.getparent()
    assert parent is not None
    twin = deepcopy(seal)
    for one in twin.iter():
        if one.get("Id"):
            one.set("Id", f"{one.get('Id')}-two")
    parent.append(twin)
    return written(root)


def _another_time(data: bytes) -> bytes:
    root = read(data)
    next(root.iter(f"{_X}SigningTime")).text = "2020-01-01T00:00:00Z"
    return written(root)


def _another_certificate(data: bytes) -> bytes:
    """The certificate of somebody else in the place of the sealer's."""
    root = read(data)
    stranger = authority.seal_key(authority.person("Stranger", authority.person("Strange root")))
    next(root.iter(f"{_D}X509Certificate")).text = b64encode(stranger.chain[0].dump()).decode()
    return written(root)


def _another_key(data: bytes) -> bytes:
    """Forged and signed again by a stranger, under the sealer's own certificate among the others."""
    root = read(data)
    raised(root)
    seal = seal_of(root)
    stranger = authority.seal_key(authority.person("Stranger", authority.person("Strange root")))
    bare = deepcopy(root)
    old = seal_of(bare)
    parent = old.getparent()
    assert parent is not None
    parent.remove(old)
    pointed(references(seal)[0], "", canonical(bare), (ENVELOPED, EXCLUSIVE))
    signed_again(seal, stranger)
    return written(root)


def _weak(data: bytes) -> bytes:
    """SHA-1, which anybody may bend."""
    root = read(data)
    next(root.iter(f"{_D}SignatureMethod")).set("Algorithm", f"{DS}rsa-sha1")
    return written(root)


def _shared_secret(data: bytes) -> bytes:
    """A code of a shared secret in the place of a signature: the forger's secret is the certificate."""
    root = read(data)
    next(root.iter(f"{_D}SignatureMethod")).set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    return written(root)


def _weak_digest(data: bytes) -> bytes:
    root = read(data)
    next(root.iter(f"{_D}DigestMethod")).set("Algorithm", f"{DS}sha1")
    assert SHA256
    return written(root)


def _torn_value(data: bytes) -> bytes:
    """A comment inside a value: what is signed has none, and readers read only what stands before it."""
    amount = data.index(b"</cbc:PayableAmount>")
    return data[: amount - 1] + b"<!-- -->" + data[amount - 1 :]


def _torn_time(data: bytes) -> bytes:
    """The same in the seal's own properties."""
    at = data.index(b"</xades:SigningTime>")
    return data[: at - 4] + b"<!---->" + data[at - 4 :]


def _declared(data: bytes) -> bytes:
    """A document type that declares an entity."""
    at = data.index(b"?>") + 2
    return data[:at] + b'<!DOCTYPE Invoice [<!ENTITY x "y">]>' + data[at:]


OTHERS: dict[str, tuple[Forger, str]] = {
    "another amount": (_forged, "HASH_FAILURE"),
    "the seal stripped": (_stripped, "FORMAT_FAILURE"),
    "what a filter leaves": (_filtered, "FORMAT_FAILURE"),
    "its properties alone": (_not_the_document, "FORMAT_FAILURE"),
    "all but its properties": (_not_its_properties, "FORMAT_FAILURE"),
    "the seal moved": (_moved, "FORMAT_FAILURE"),
    "two seals": (_twice, "FORMAT_FAILURE"),
    "another time": (_another_time, "HASH_FAILURE"),
    "another certificate": (_another_certificate, "SIG_CRYPTO_FAILURE|SIG_CONSTRAINTS_FAILURE"),
    "another key": (_another_key, "SIG_CRYPTO_FAILURE"),
    "a weak signature": (_weak, "CRYPTO_CONSTRAINTS_FAILURE"),
    "a shared secret": (_shared_secret, "CRYPTO_CONSTRAINTS_FAILURE"),
    "a weak digest": (_weak_digest, "SIG_CRYPTO_FAILURE"),
    "a comment in a value": (_torn_value, "FORMAT_FAILURE"),
    "a comment in its time": (_torn_time, "FORMAT_FAILURE"),
    "a document type": (_declared, "FORMAT_FAILURE"),
}
