"""The rules of the house that a machine can hold: sizes, names, one door to each parser, README and Makefile agree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway.__main__ import parser

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "signing", "adapters", "gateway")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
NAMELESS = {"utils", "helpers", "common", "base", "misc", "core", "manager", "service"}
LINES = 600
FUNCTION_LINES = 70

DOORS = {
    "lxml": ("schemas", "signing/xml"),
    "signxml": ("signing/xml_verdict.py",),
    "pyhanko": ("signing",),
    "pkcs11": ("adapters/token_key.py",),
    "saxonche": (),
    "pikepdf": ("schemas/formats/facturx",),
    "pypdf": ("schemas/formats/facturx/page_text.py",),
    "typst": ("schemas/formats/facturx",),
    "xmlschema": ("schemas/xsd.py",),
    "asyncpg": ("gateway/store",),
    "subprocess": ("gateway/commands", "gateway/store/embedded.py"),
    "pickle": (),
    "yaml": ("gateway/api",),
}
"""Where a library may be imported: a parser or a way out has one door (RELIABILITY T43)."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_small_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LINES
    assert path.stem not in NAMELESS
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, node.name
    for owner in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_each_library_has_its_door(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for module in modules:
            doors = DOORS.get(module.split(".")[0])
            if doors is not None:
                assert any(name(path).startswith(door) for door in doors), f"{module} has no door here"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_money_is_no_float_and_time_is_asked_of_the_clock(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"float\((?:amount|total|price|due|paid)", text)
    if (
        path.name not in ("clock.py", "main.py", "logs.py")
        and "commands" not in path.parts
        and "platform" not in path.parts
    ):
        assert not re.search(r"datetime\.(?:now|utcnow|today)\(", text), "ask the injected clock"


def test_an_init_holds_no_code():
    for path in MODULES:
        if path.name == "__init__.py" and "formats" not in path.parts:
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1, f"{name(path)} holds more than its page"


def test_the_readme_names_commands_that_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(re.findall(r"```(?:sh|text)?\n(.*?)```", readme, re.DOTALL))
    inline = "\n".join(re.findall(r"`([^`\n]+)`", readme))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code + "\n" + inline))
    assert {"demo", "test"} <= named
    assert named <= targets
    commands = set(next(a for a in parser()._actions if hasattr(a, "choices") and a.choices).choices)
    used = set(re.findall(r"(?:^|[/`\s])estafette ([a-z]+)", code + "\n" + inline))
    assert used
    assert used <= commands


def test_every_setting_is_in_the_readme():
    from dataclasses import fields

    from gateway.settings import Settings

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for item in fields(Settings):
        assert item.metadata["name"] in readme


def test_the_lock_names_no_registry():
    lock = (ROOT / "requirements.lock").read_text() + (ROOT / "tests" / "requirements.lock").read_text()
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > 500


def test_the_project_holds_no_path_of_a_machine():
    for path in ROOT.rglob("*"):
        if (
            path.suffix in (".py", ".md", ".toml", ".yaml", ".sql", ".typ")
            and ".venv" not in path.parts
            and path.is_file()
        ):
            assert not re.search(r"/(?:work|root|home)/[a-z]", path.read_text(encoding="utf-8")), name(path)


def test_a_target_of_the_makefile_stands_once():
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(targets) == len(set(targets))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(targets)
