"""The JSON form of an invoice: its fields by their names in `schemas.invoice`, and a published JSON Schema of them.

The models that check it are generated from the dataclasses, so there is one list of fields. Reading tells every fault
at once, each with a JSON pointer and the id of its term. It refuses what could be read in two ways: duplicate keys,
unknown fields (with a suggestion), NaN, numbers that would pass through binary floating point, dates that are not
YYYY-MM-DD, control characters.

Friendly where nothing is guessed: amounts may be left out and are calculated (`schemas.totals`), or given and are
checked; an identifier without scheme may be a plain text. These are filled in: type_code 380, the EN 16931 profile,
line ids 1, 2, 3…, unit C62 (one), VAT category S where a rate above 0 stands without one,
the media type of an attachment by the ending of its filename.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas.finding import Finding, Severity
from schemas.invoice import Attachment, Invoice, Line, Party, Profile, Shape, id_of, shapes, term_at
from schemas.profiles import named
from schemas.totals import complete, counts
from schemas.xml import Unreadable, refusal

SIZE_LIMIT = 20_000_000
"""Bytes of one JSON document."""
DEPTH_LIMIT = 32
"""Levels of objects and arrays; the model has six."""
DIGITS_LIMIT = 40
"""Digits of one JSON number; no amount comes near."""

EN16931 = "urn:cen.eu:en16931:2017"
"""BT-24 of a plain EN 16931 invoice."""
ONE = "C62"
"""UN/ECE Recommendation 20: one, a piece."""
INVOICE_TYPE = "380"
"""UNTDID 1001: commercial invoice."""

_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
_SCHEMA_ID = "urn:estafette:schema:invoice"
_WITHOUT_LINES = frozenset({Profile.MINIMUM, Profile.BASIC_WL})
_OPTIONAL = frozenset(
    (
        *("BT-3", "BT-24", "BT-126", "BT-130", "BT-151", "BT-95", "BT-102", "BT-131", "BT-92", "BT-99", "BT-136"),
        *("BT-141", "BT-129", "BT-146", "BT-106", "BT-109", "BT-112", "BT-115", "BT-116", "BT-117"),
        *("BG-8", "BG-22", "BG-23", "BG-25", "BG-29", "BG-30"),
    )
)
"""Terms the norm demands and the JSON form does not: filled in, calculated, or missed by `totals` or `_missing`."""
_ANY_PARTY = frozenset({"BG-4", "BG-7"})
"""Groups in which a party has all that the norm demands of it; the parties of the extensions say what they know."""

T = TypeVar("T")
Path: TypeAlias = tuple[str | int, ...]
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def loads(data: bytes) -> object:
    """JSON bytes into objects, arrays, text, bool, None, int and Decimal; never a float.

    Raises Unreadable: JSON-SIZE, JSON-ENCODING, JSON-DEPTH, JSON-SYNTAX, JSON-NUMBER, JSON-DUPLICATE-KEY (all of them).
    """
    if len(data) > SIZE_LIMIT:
        raise _refusal("JSON-SIZE", f"The JSON is {len(data)} bytes long; at most {SIZE_LIMIT} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal("JSON-ENCODING", f"Byte {error.start + 1} is no UTF-8.") from None
    _check_depth(data)
    duplicates: dict[str, None] = {}

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    duplicates[name] = None
                seen.add(name)
        return found

    try:
        value: object = json.loads(
            text, parse_float=_exact, parse_int=_integer, parse_constant=_constant, object_pairs_hook=members
        )
    except json.JSONDecodeError as error:
        says = f"No JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        raise refusal("JSON-SYNTAX", says, layer="json", line=error.lineno) from None
    if duplicates:
        says = "A member stands twice in one object, which readers read differently."
        raise Unreadable(
            Finding("JSON-DUPLICATE-KEY", Severity.FATAL, "json", says, found=name[:100]) for name in duplicates
        )
    return value


def read(data: bytes) -> Invoice:
    """The JSON form into the model, with its totals complete.

    Raises Unreadable with all findings: those of `loads`, or JSON-UNKNOWN-FIELD, JSON-MISSING, JSON-TYPE, JSON-VALUE,
    or, when the form is right, TOTALS-….
    """
    value = loads(data)
    missing = tuple(_missing(value))
    try:
        made = form(value, Invoice)
    except Unreadable as error:
        raise Unreadable((*error.findings, *missing)) from None
    if missing:
        raise Unreadable(missing)
    completion = complete(_fill(made))
    if nameless := tuple(_untyped(completion.invoice)):
        raise Unreadable((*nameless, *completion.findings))
    if any(finding.severity is Severity.FATAL for finding in completion.findings):
        raise Unreadable(completion.findings)
    return completion.invoice


def form(value: object, cls: type[T], *, partial: bool = False) -> T:
    """What `loads` gave as a dataclass made like those of `schemas.invoice`; nothing is calculated or filled in.

    With `partial` nothing is mandatory. Raises Unreadable with all findings, as `read` does for the form.
    """
    shape: Any = cls
    try:
        checked = _model(shape, "", partial).model_validate(value)
    except pydantic.ValidationError as error:
        raise Unreadable(_finding(one, cls) for one in error.errors(include_url=False, include_context=True)) from None
    made: T = _from_form(checked, shape)
    return made


def as_members(value: Any) -> dict[str, Any]:
    """A dataclass made like those of `schemas.invoice` as JSON members, absent fields left out."""
    return _to_form(value)


def write(invoice: Invoice) -> bytes:
    """The model as JSON: UTF-8, fields in the order of the model, absent ones left out, numbers as exact text."""
    return json.dumps(_to_form(invoice), ensure_ascii=False, indent=2).encode() + b"\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `read` takes; titles and ids are those of the terms."""
    schema = _model(Invoice, "").model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _SCHEMA_ID,
        **schema,
        "title": "Invoice",
        "description": (
            "An EN 16931 invoice, with the terms of Factur-X EXTENDED and EXTENDED-CTC-FR (BT-X-…). Amounts that are "
            "left out are calculated. Mandatory beside what is required: lines, but in the profiles MINIMUM and "
            "BASIC WL; the VAT of a line, but in subtotals (kind GROUP) and information; the address of the buyer, "
            "but in MINIMUM."
        ),
    }


def form_schema(cls: Any, description: str, *, partial: bool = False) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `form` takes for a dataclass."""
    return {**_model(cls, "", partial).model_json_schema(), "title": cls.__name__, "description": description}


def _refusal(rule: str, says: str) -> Unreadable:
    return refusal(rule, says, layer="json")


def _check_depth(data: bytes) -> None:
    """Refuses nesting before the parser meets it, since the parser recurses."""
    depth = 0
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise _refusal("JSON-DEPTH", f"The JSON is nested deeper than {DEPTH_LIMIT} levels.")
        elif token in (b"}", b"]"):
            depth -= 1


def _exact(text: str) -> Decimal:
    if len(text) > DIGITS_LIMIT:
        raise _refusal("JSON-NUMBER", f"A number has {len(text)} characters; at most {DIGITS_LIMIT} are read.")
    return Decimal(text)


def _integer(text: str) -> int:
    return int(_exact(text))


def _constant(text: str) -> object:
    raise _refusal("JSON-NUMBER", f"{text} is no JSON number.")


# What each kind of value is on the wire. The validators see what `loads` made, never a float.


def _fail(code: str, expected: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{expected}", {"expected": expected})  # the message names only what we expect


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _fail("type", "a text in quotes")
    if not value.strip() or _CONTROL.search(value):
        raise _fail(
            "value", "a text that is not blank and has no control characters; leave the field out if it is absent"
        )
    return value


def _code(value: object) -> str:
    text = _text(value)
    if text != text.strip() or "\n" in text or "\t" in text:
        raise _fail("value", "a code without spaces around it")
    return text


def _number(decimals: int) -> Callable[[object], Decimal]:
    """Validator of a decimal number with at most so many decimals (trailing zeros not counted)."""
    expected = f"a number, or a number as text, with a dot and at most {decimals} decimals"

    def check(value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise _fail("type", expected)
        if isinstance(value, Decimal) and abs(value.adjusted()) > DIGITS_LIMIT:
            raise _fail("value", expected)
        text = value if isinstance(value, str) else format(Decimal(value), "f")
        if not _DECIMAL.fullmatch(text) or len(text.partition(".")[2].rstrip("0")) > decimals:
            raise _fail("value", expected)
        return Decimal(text)

    return check


def _date(value: object) -> datetime.date:
    expected = "a day of the calendar, YYYY-MM-DD"
    if not isinstance(value, str):
        raise _fail("type", expected)
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise _fail("value", expected)
    try:
        return datetime.date.fromisoformat(value)
    except ValueError:
        raise _fail("value", expected) from None


def _binary(value: object) -> bytes:
    if not isinstance(value, str):
        raise _fail("type", "Base64 in a text")
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _fail("value", "Base64") from None
    if not content:
        raise _fail("value", "Base64 of at least one byte")
    return content


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _fail("type", "true or false, without quotes")
    return value


def _identifier(value: object) -> object:
    """An identifier without scheme may be written as a plain text."""
    return {"value": value} if isinstance(value, str) else value


def _numeric(decimals: int) -> dict[str, Any]:
    pattern = rf"^-?[0-9]{{1,20}}(\.[0-9]{{1,{decimals}}}0*)?$"
    return {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "number"}]}


_KINDS: dict[str, Any] = {
    "text": Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string", "pattern": r"\S"})],
    "code": Annotated[str, BeforeValidator(_code), WithJsonSchema({"type": "string", "pattern": r"^\S(.*\S)?$"})],
    "amount": Annotated[Decimal, BeforeValidator(_number(2)), WithJsonSchema(_numeric(2))],
    "price": Annotated[Decimal, BeforeValidator(_number(20)), WithJsonSchema(_numeric(20))],
    "quantity": Annotated[Decimal, BeforeValidator(_number(20)), WithJsonSchema(_numeric(20))],
    "percentage": Annotated[Decimal, BeforeValidator(_number(20)), WithJsonSchema(_numeric(20))],
    "date": Annotated[datetime.date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})],
    "indicator": Annotated[bool, BeforeValidator(_truth), WithJsonSchema({"type": "boolean"})],
    "binary": Annotated[
        bytes, BeforeValidator(_binary), WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 1})
    ],
}


@cache
def _model(cls: Any, group: str, partial: bool = False) -> type[pydantic.BaseModel]:
    """The pydantic model of a dataclass as it stands in a group; `group` decides the ids in its schema."""
    members: dict[str, Any] = {}
    for one in fields(cls):
        shape, term = shapes(cls)[one.name], id_of(one, group)
        required = not one.metadata and one.name == "value"  # an identifier or a classification
        required |= not partial and term not in _OPTIONAL and _demanded(cls, one, group)
        about = " ".join(part for part in (term, one.metadata.get("name", "")) if part)
        members[one.name] = (
            _member(shape, term, partial, many_required=bool(required)),
            Field(default=... if required else None, description=about or None, validate_default=False),
        )
    name = cls.__name__ + (f"_{group.replace('-', '')}" if group else "") + ("_part" if partial else "")
    return pydantic.create_model(name, __config__=ConfigDict(extra="forbid", frozen=True, title=name), **members)


def _demanded(cls: Any, one: Any, group: str) -> bool:
    cardinality: str = one.metadata.get("cardinality", "")
    return cardinality.startswith("1") and not (cls is Party and group not in _ANY_PARTY)


def _member(shape: Shape, term: str, partial: bool, *, many_required: bool) -> Any:
    kind: Any
    if shape.kind in _KINDS:
        kind = _KINDS[shape.kind]
    else:
        cls: Any = shape.cls
        kind = _model(cls, term if shape.kind == "group" else "", partial)
        if shape.kind == "identifier":
            kind = Annotated[
                kind,
                BeforeValidator(_identifier, json_schema_input_type=str | kind),
            ]
    if shape.many:
        kind = Annotated[list[kind], Field(min_length=1 if many_required else 0, max_length=100_000)]
    return kind


def _from_form(form: Any, cls: Any) -> Any:
    """The dataclass of a checked form; groups in which nothing is said are absent."""
    values: dict[str, Any] = {}
    for name in form.model_fields_set:
        value, shape = getattr(form, name), shapes(cls)[name]
        if shape.kind not in _KINDS:
            value = [_from_form(one, shape.cls) for one in value] if shape.many else _from_form(value, shape.cls)
            if shape.optional and value == shape.cls():
                continue
        values[name] = tuple(value) if shape.many else value
    return cls(**values)


def _to_form(value: Any) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for one in fields(value):
        shape, content = shapes(type(value))[one.name], getattr(value, one.name)
        if content is None or content in ("", ()):
            continue
        written = [_written(each, shape.kind) for each in content] if shape.many else _written(content, shape.kind)
        if written != {}:
            form[one.name] = written
    return form


def _written(value: Any, kind: str) -> Any:
    if kind not in _KINDS:
        return _to_form(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _fill(invoice: Invoice) -> Invoice:
    """The values that a short form may leave out; the module's docstring lists them."""
    return replace(
        invoice,
        type_code=invoice.type_code or INVOICE_TYPE,
        profile=invoice.profile or EN16931,
        lines=tuple(_fill_line(line, number) for number, line in enumerate(invoice.lines, start=1)),
        allowances=tuple(replace(x, vat_category=_category(x.vat_category, x.vat_rate)) for x in invoice.allowances),
        attachments=tuple(map(_fill_attachment, invoice.attachments)),
        charges=tuple(replace(x, vat_category=_category(x.vat_category, x.vat_rate)) for x in invoice.charges),
    )


def _fill_attachment(attachment: Attachment) -> Attachment:
    if attachment.content is None or attachment.media_type:
        return attachment
    return replace(attachment, media_type=_MEDIA_TYPES.get(attachment.filename.lower().rpartition(".")[2], ""))


def _untyped(invoice: Invoice) -> Iterator[Finding]:
    """Attached documents need a media type; EN 16931 allows the six of _MEDIA_TYPES."""
    for at, attachment in enumerate(invoice.attachments):
        if attachment.content is not None and not attachment.media_type:
            says, fix = "An attached document needs its media type.", "Add media_type, or a filename that tells it."
            path = pointer(("attachments", at, "media_type"))
            yield Finding("JSON-MISSING", Severity.FATAL, "json", says, ("BT-125-1",), path, fix=fix)


def _missing(document: object) -> Iterator[Finding]:
    """What is mandatory in some profiles and in some lines only, as far as the document can be read at all."""
    if not isinstance(document, dict):
        return
    told, lines, buyer = document.get("profile"), document.get("lines"), document.get("buyer")
    profile = named(told) if isinstance(told, str) else None
    if not lines and profile not in _WITHOUT_LINES:
        yield _absent(("lines",), "BG-25")
    if isinstance(buyer, dict) and "address" not in buyer and profile is not Profile.MINIMUM:
        yield _absent(("buyer", "address"), "BG-8")
    for at, line in enumerate(lines if isinstance(lines, list) else ()):
        if isinstance(line, dict) and "vat" not in line and line.get("kind") not in ("GROUP", "INFORMATION"):
            yield _absent(("lines", at, "vat"), "BG-30")


def _absent(path: Path, term: str) -> Finding:
    says, fix = "The field is mandatory and absent.", f"Add {path[-1]}."
    return Finding("JSON-MISSING", Severity.FATAL, "json", says, (term,), pointer(path), fix=fix)


def _fill_line(line: Line, number: int) -> Line:
    if not counts(line):
        return replace(line, id=line.id or str(number))
    vat = replace(line.vat, category=_category(line.vat.category, line.vat.rate))
    return replace(line, id=line.id or str(number), unit=line.unit or ONE, vat=vat)


def _category(category: str, rate: Decimal | None) -> str:
    return category or ("S" if rate else "")


# Faults, as pydantic tells them, into findings.


def _finding(error: ErrorDetails, root: type[Any]) -> Finding:
    path = tuple(error["loc"])
    kind, rule, says, fix = error["type"], "JSON-TYPE", "The value has another type than the field.", None
    found: str | None = _shown(error["input"])
    expected = error.get("ctx", {}).get("expected")
    if kind == "extra_forbidden":
        rule, says, found = "JSON-UNKNOWN-FIELD", "The field does not exist here.", str(path[-1])[:100]
        fix, expected = _suggestion(path, root), None
    elif kind == "missing":
        rule, says, found = "JSON-MISSING", "The field is mandatory and absent.", None
        fix = f"Add {path[-1]}."
    elif kind in ("too_short", "too_long"):
        rule, says = "JSON-VALUE", "The list has too few or too many entries."
        expected, found = ("at least 1" if kind == "too_short" else "at most 100000"), None
    elif kind == "value":
        rule, says = "JSON-VALUE", "The value cannot be read."
    elif expected is None:
        expected = "a list" if kind == "list_type" else "an object"
    term = term_at(path if kind != "extra_forbidden" else path[:-1], root)
    return Finding(
        rule=rule,
        severity=Severity.FATAL,
        layer="json",
        says=says,
        terms=(term,) if term else (),
        path=pointer(path),
        found=found,
        expected=expected,
        fix=fix,
    )


def pointer(path: Path) -> str:
    """A path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _shown(value: object) -> str | None:
    if isinstance(value, str):
        return value[:100]
    return str(value)[:100] if isinstance(value, int | Decimal) or value is None else type(value).__name__


def _suggestion(path: Path, root: type[Any]) -> str:
    """What was probably meant: the nearest field name, or the field whose name in the norm is nearest."""
    cls: Any = root
    group = ""
    for step in path[:-1]:
        if isinstance(step, str):
            group = id_of(cls.__dataclass_fields__[step], group)
            cls = shapes(cls)[step].cls
    wanted = str(path[-1]).lower().replace("-", "_").replace(" ", "_")
    known = dict(_spellings(cls, group))
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {known[near[0]]}?"
    return f"Fields known here: {', '.join(one.name for one in fields(cls))}."


def _spellings(cls: Any, group: str) -> Iterator[tuple[str, str]]:
    """Spelling → field: the norm's name, the name behind its group (BT-27 Seller name), the id, the field itself."""
    for one in fields(cls):
        name = one.metadata.get("name", "").lower().replace(" ", "_")
        for spelling in (name, name.removeprefix("invoice_"), id_of(one, group).lower().replace("-", "_")):
            if spelling:
                yield spelling, one.name
    for one in fields(cls):
        yield one.name, one.name
