"""Writes a Schematron in the form in which publishers compile it to XSLT, from rules given in Python.

The templates that say where a finding is are taken from an installed artefact when a test runs: they are not ours, and
the engine accepts no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from schemas import rulebook
from schemas.rulebooks import facturx

XSL = "http://www.w3.org/1999/XSL/Transform"
_HEAD = (
    f'<xsl:stylesheet version="2.0" xmlns:xsl="{XSL}" xmlns:svrl="http://purl.oclc.org/dsdl/svrl" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:our="urn:our" xmlns:x="urn:x" xmlns:y="urn:y">'
)
_MODES = ("schematron-select-full-path", "schematron-get-full-path")


@dataclass(frozen=True)
class Assert:
    """One assertion; `report` for one that fires when its test is true."""

    test: str
    id: str = ""
    flag: str = ""
    message: str = "Our message."
    """XML: may hold xsl:value-of."""
    report: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule; variables are computed before its assertions."""

    context: str
    asserts: tuple[Assert, ...]
    variables: dict[str, str] = field(default_factory=dict)
    goes_on: bool = True


def stylesheet(*patterns: tuple[Rule, ...], globals_: str = "") -> bytes:
    """The stylesheet of some patterns of rules; `globals_` is XSLT for functions and variables of the whole."""
    modes = [f"M{number}" for number in range(1, len(patterns) + 1)]
    applied = "".join(f'<xsl:apply-templates select="/" mode="{mode}"/>' for mode in modes)
    whole = f'<xsl:template match="/"><svrl:schematron-output>{applied}</svrl:schematron-output></xsl:template>'
    templates = [
        _template(rule, mode, 1000 + len(rules) - place)
        for mode, rules in zip(modes, patterns, strict=True)
        for place, rule in enumerate(rules)
    ]
    defaults = [
        f'<xsl:template match="text()" priority="-1" mode="{mode}"/>'
        f'<xsl:template match="@*|node()" priority="-2" mode="{mode}">{_onward(mode)}</xsl:template>'
        for mode in modes
    ]
    return "\n".join([_HEAD, globals_, _locations(), whole, *templates, *defaults, "</xsl:stylesheet>"]).encode()


def written(folder: Path, *patterns: tuple[Rule, ...], globals_: str = "", name: str = "ours.xslt") -> str:
    """The same in a file; its path."""
    file = folder / name
    file.write_bytes(stylesheet(*patterns, globals_=globals_))
    return str(file)


def _onward(mode: str) -> str:
    return f'<xsl:apply-templates select="*" mode="{mode}"/>'


def _template(rule: Rule, mode: str, priority: int) -> str:
    variables = "".join(
        f"<xsl:variable name={quoteattr(name)} select={quoteattr(select)}/>" for name, select in rule.variables.items()
    )
    return (
        f'<xsl:template match={quoteattr(rule.context)} priority="{priority}" mode="{mode}">'
        f"<svrl:fired-rule context={quoteattr(escape(rule.context))}/>{variables}"
        f"{''.join(map(_assertion, rule.asserts))}{_onward(mode) if rule.goes_on else ''}</xsl:template>"
    )


def _assertion(assertion: Assert) -> str:
    name = "successful-report" if assertion.report else "failed-assert"
    attributes = "".join(
        f'<xsl:attribute name="{key}">{escape(value)}</xsl:attribute>'
        for key, value in (("id", assertion.id), ("flag", assertion.flag))
        if value
    )
    said = (
        f'<svrl:{name} test="true()">{attributes}<xsl:attribute name="location">'
        f'<xsl:apply-templates select="." mode="{_MODES[0]}"/></xsl:attribute>'
        f"<svrl:text>{assertion.message}</svrl:text></svrl:{name}>"
    )
    test = quoteattr(assertion.test)
    if assertion.report:
        return f"<xsl:if test={test}>{said}</xsl:if>"
    return f"<xsl:choose><xsl:when test={test}/><xsl:otherwise>{said}</xsl:otherwise></xsl:choose>"


@cache
def _locations() -> str:
    artefact = facturx.chain("urn:factur-x.eu:1p0:minimum")[1].artefact
    root = etree.parse(rulebook.find(artefact).path).getroot()
    found = [each for each in root.iter(f"{{{XSL}}}template") if each.get("mode") in _MODES]
    return "".join(etree.tostring(each, encoding="unicode", with_tail=False) for each in found)
