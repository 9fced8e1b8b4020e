"""The XMP packet of a hybrid PDF: written from one fixed template, read whoever wrote it.

pikepdf's own writer knows no extension schemas and removes what it does not know, so the packet is written whole, after
the PDF/A check of everything else. The Dublin Core and PDF values equal those of the document information dictionary.
Packets of others go through the only door to XML; one that cannot be read claims nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from schemas.xml import Unreadable, name_of, parse

FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
"""Namespace of the Factur-X properties (Factur-X 1.0 and later)."""

_FAMILY = re.compile(r"urn:(factur-x|zugferd|ferd):pdfa:.+#")
"""Factur-X 1, ZUGFeRD 2 and 1, and Order-X name their properties alike, each in a namespace of its own."""
_PDFA = "http://www.aiim.org/pdfa/ns/id/"
_PDFUA = "http://www.aiim.org/pdfua/ns/id/"
_INSTRUCTION = re.compile(rb"<\?xpacket.*?\?>", re.DOTALL)
_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))

_PROPERTIES = (
    ("DocumentFileName", "The name of the embedded XML document"),
    ("DocumentType", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER"),
    ("Version", "The actual version of the standard applying to the embedded XML document"),
    ("ConformanceLevel", "The conformance level of the embedded XML document"),
)


@dataclass(frozen=True, slots=True)
class Packet:
    """What the packet says."""

    title: str
    author: str
    language: str
    producer: str
    created: datetime
    conformance: str
    """A, B or U."""
    universal: bool
    """Whether the page claims PDF/UA-1."""
    file_name: str
    level: str
    """ConformanceLevel: MINIMUM, BASIC WL, BASIC, EN 16931, EXTENDED or XRECHNUNG."""
    version: str = "1.0"
    """Version of the standard of the XML: 1.0, or for XRECHNUNG that of XRechnung."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a packet claims; a text is empty where nothing is said."""

    part: str = ""
    """Of PDF/A: 1 to 4."""
    conformance: str = ""
    """Of PDF/A: A, B, U, or E, F for part 4."""
    universal: str = ""
    """Part of PDF/UA."""
    namespace: str = ""
    """Of the properties that follow; it tells Factur-X from ZUGFeRD."""
    document_type: str = ""
    file_name: str = ""
    version: str = ""
    level: str = ""


_CLAIMED = {"DocumentType": "document_type", "DocumentFileName": "file_name", "Version": "version",
            "ConformanceLevel": "level"}  # fmt: skip


def read(packet: bytes) -> Claims:
    """What a packet says, in elements or in attributes; nothing when it is absent or no XML."""
    try:
        tree = parse(_INSTRUCTION.sub(b"", _in_utf8(packet)).strip())
    except (Unreadable, UnicodeDecodeError):
        return Claims()
    found: dict[str, str] = {}
    for element in tree.iter("{*}*"):
        namespace, name = name_of(element)
        _claim(found, namespace, name, element.text or "")
        for key, value in element.attrib.items():
            namespace, _, name = str(key).removeprefix("{").rpartition("}")
            _claim(found, namespace, name, str(value))
    return Claims(**found)


def readable(packet: bytes) -> bool:
    """Whether a packet is XML that can be read, whatever it claims."""
    try:
        parse(_INSTRUCTION.sub(b"", _in_utf8(packet)).strip())
    except (Unreadable, UnicodeDecodeError):
        return False
    return True


_SCHEMA = "{http://www.aiim.org/pdfa/ns/schema#}prefix"


def declared(packet: bytes) -> frozenset[str]:
    """The prefixes whose properties the packet declares by extension schemas, as PDF/A asks; none when unreadable."""
    try:
        tree = parse(_INSTRUCTION.sub(b"", _in_utf8(packet)).strip())
    except (Unreadable, UnicodeDecodeError):
        return frozenset()
    written = {(element.text or "").strip() for element in tree.iter(_SCHEMA)}
    return frozenset(written | {element.get(_SCHEMA, "") for element in tree.iter("{*}*")} - {""})


def _claim(found: dict[str, str], namespace: str, name: str, value: str) -> None:
    field = ""
    if namespace == _PDFA and name in ("part", "conformance"):
        field = name
    elif namespace == _PDFUA and name == "part":
        field = "universal"
    elif name in _CLAIMED and _FAMILY.fullmatch(namespace):
        field = _CLAIMED[name]
        found.setdefault("namespace", namespace)
    if field:
        found.setdefault(field, value.strip())


def _in_utf8(packet: bytes) -> bytes:
    for mark, encoding in _MARKS:
        if packet.startswith(mark):
            return packet.decode(encoding).encode()
    return packet


def write(packet: Packet) -> bytes:
    """The packet as bytes, UTF-8, without padding: the file is not meant to be changed in place."""
    at = packet.created.isoformat(timespec="seconds")
    universal = "\n   <pdfuaid:part>1</pdfuaid:part>" if packet.universal else ""
    properties = "\n".join(_property(name, says) for name, says in _PROPERTIES)
    universal_schema = _UA_SCHEMA if packet.universal else ""
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
    xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:fx={quoteattr(FX)}>
   <pdfaid:part>3</pdfaid:part>
   <pdfaid:conformance>{packet.conformance}</pdfaid:conformance>{universal}
   <dc:format>application/pdf</dc:format>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(packet.title)}</rdf:li></rdf:Alt></dc:title>
   <dc:creator><rdf:Seq><rdf:li>{escape(packet.author)}</rdf:li></rdf:Seq></dc:creator>
   <dc:language><rdf:Bag><rdf:li>{escape(packet.language)}</rdf:li></rdf:Bag></dc:language>
   <pdf:Producer>{escape(packet.producer)}</pdf:Producer>
   <xmp:CreatorTool>{escape(packet.producer)}</xmp:CreatorTool>
   <xmp:CreateDate>{at}</xmp:CreateDate>
   <xmp:ModifyDate>{at}</xmp:ModifyDate>
   <xmp:MetadataDate>{at}</xmp:MetadataDate>
   <fx:DocumentType>INVOICE</fx:DocumentType>
   <fx:DocumentFileName>{escape(packet.file_name)}</fx:DocumentFileName>
   <fx:Version>{escape(packet.version)}</fx:Version>
   <fx:ConformanceLevel>{escape(packet.level)}</fx:ConformanceLevel>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
    xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
   <pdfaExtension:schemas>
    <rdf:Bag>
     <rdf:li rdf:parseType="Resource">
      <pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>
      <pdfaSchema:namespaceURI>{FX}</pdfaSchema:namespaceURI>
      <pdfaSchema:prefix>fx</pdfaSchema:prefix>
      <pdfaSchema:property>
       <rdf:Seq>
{properties}
       </rdf:Seq>
      </pdfaSchema:property>
     </rdf:li>{universal_schema}
    </rdf:Bag>
   </pdfaExtension:schemas>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()


def _property(name: str, says: str, kind: str = "Text", category: str = "external") -> str:
    return f"""        <rdf:li rdf:parseType="Resource">
         <pdfaProperty:name>{name}</pdfaProperty:name>
         <pdfaProperty:valueType>{kind}</pdfaProperty:valueType>
         <pdfaProperty:category>{category}</pdfaProperty:category>
         <pdfaProperty:description>{says}</pdfaProperty:description>
        </rdf:li>"""


_UA_SCHEMA = f"""
     <rdf:li rdf:parseType="Resource">
      <pdfaSchema:schema>PDF/UA Universal Accessibility Schema</pdfaSchema:schema>
      <pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
      <pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
      <pdfaSchema:property>
       <rdf:Seq>
{_property("part", "Indicates which part of ISO 14289 the file follows", "Integer", "internal")}
       </rdf:Seq>
      </pdfaSchema:property>
     </rdf:li>"""
