"""RELIABILITY T27 and T32, from the catalogue: append-only by right, tenants apart by row-level security."""

from __future__ import annotations

import pytest

APPEND_ONLY = ("event", "entry", "content", "content_data", "payment", "invoice_number", "idempotency", "leaf", "node",
               "checkpoint", "custody", "stamp", "renewal", "renewed", "vouched", "archive_read", "archive_read_ended",
               "generation", "audit_run", "emission", "write_off", "reminder", "bank_statement",
               "bank_entry", "bank_sighting", "bank_match", "bank_match_part", "bank_decision")  # fmt: skip
SHARED = {"collection", "stray", "chore", "network", "installation", "migration", "node", "checkpoint", "archive_key",
          "custody", "stamp", "trouble", "renewal", "renewed", "vouched", "generation", "audit_run"}  # fmt: skip
"""Tables that belong to nobody's account."""
KEPT = ("content", "content_data", "entry", "event", "archive_read", "archive_read_ended")
"""Tables of which the keeper sees the rows of one account."""


@pytest.fixture
async def connection(pool):
    async with pool.owner() as connection:
        yield connection


async def tables(connection) -> list[str]:
    rows = await connection.fetch(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname"
    )
    return [row["relname"] for row in rows]


async def test_every_table_is_of_an_account_or_named_as_shared(connection):
    for table in await tables(connection):
        columns = [
            row["attname"]
            for row in await connection.fetch(
                "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped",
                table,
            )
        ]
        assert ("account_id" in columns) != (table in SHARED), table


async def test_row_level_security_is_enabled_forced_and_both_ways(connection):
    for table in set(await tables(connection)) - SHARED:
        row = await connection.fetchrow(
            "select relrowsecurity, relforcerowsecurity from pg_class where oid = $1::regclass", table
        )
        assert row["relrowsecurity"], table
        assert row["relforcerowsecurity"], table
        policies = await connection.fetch("select * from pg_policies where tablename = $1", table)
        own = [p for p in policies if p["policyname"] == "own"]
        assert len(own) == 1, table
        assert own[0]["qual"] == own[0]["with_check"], table
        assert "estafette.account" in own[0]["qual"], table
        assert own[0]["roles"] == ["estafette_app"], table


async def test_only_the_policies_we_know_look_past_the_account(connection):
    rows = await connection.fetch(
        "select tablename, policyname, cmd, roles::text[] from pg_policies where policyname <> 'own'"
    )
    assert {(r["tablename"], r["policyname"], r["cmd"], *r["roles"]) for r in rows} == {
        ("credential", "presented", "SELECT", "estafette_app"),
        ("token", "presented", "SELECT", "estafette_app"),
        ("task", "any_account", "ALL", "estafette_worker"),
        ("delivery", "any_account", "SELECT", "estafette_worker"),
        ("account", "any_account", "SELECT", "estafette_worker"),
        ("participant", "any_account", "SELECT", "estafette_worker"),
        ("inbound", "any_account", "SELECT", "estafette_worker"),
        ("arrival", "any_account", "SELECT", "estafette_worker"),
        ("leaf", "any_account", "ALL", "estafette_worker"),
        ("webhook", "any_account", "SELECT", "estafette_worker"),
        ("webhook_message", "any_account", "ALL", "estafette_worker"),
        ("letter", "any_account", "SELECT", "estafette_worker"),
        *(
            (table, "kept", "ALL", "estafette_keeper")
            for table in ("content", "content_data", "entry", "event", "archive_read", "archive_read_ended")
        ),
    }


async def test_keys_and_references_start_with_the_account(connection):
    known = {"credential_public_id", "token_sha256", "leaf_place"}
    for table in set(await tables(connection)) - SHARED:
        rows = await connection.fetch(
            """
            select i.relname as name, a.attname as first from pg_index x
            join pg_class i on i.oid = x.indexrelid
            join pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[0]
            where x.indrelid = $1::regclass and x.indisunique
            """,
            table,
        )
        for row in rows:
            assert row["first"] == "account_id" or row["name"] in known, row["name"]
        rows = await connection.fetch(
            """
            select conname, (select attname from pg_attribute where attrelid = conrelid and attnum = conkey[1]) as first
            from pg_constraint where contype = 'f' and conrelid = $1::regclass
            """,
            table,
        )
        for row in rows:
            assert row["first"] == "account_id", row["conname"]


async def test_the_keeper_sees_one_account_as_everybody_else(connection):
    rows = await connection.fetch("select policyname, qual, with_check from pg_policies where tablename = 'content'")
    assert len({(row["qual"], row["with_check"]) for row in rows}) == 1


@pytest.mark.parametrize("role", ["estafette_app", "estafette_worker", "estafette_keeper"])
async def test_the_roles_own_nothing_and_bypass_nothing(connection, role):
    row = await connection.fetchrow(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin from pg_roles where rolname = $1", role
    )
    assert not any(row.values())
    assert await connection.fetchval("select count(*) from pg_class where relowner = $1::regrole", role) == 0


async def test_nothing_runs_with_its_owners_eyes(connection):
    assert (
        await connection.fetchval(
            "select count(*) from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        )
        == 0
    )
    assert (
        await connection.fetchval(
            "select count(*) from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace"
        )
        == 0
    )


async def test_append_only_by_right(connection):
    rows = await connection.fetch(
        """
        select name, given, who from unnest($1::text[]) name, unnest(array['UPDATE', 'DELETE', 'TRUNCATE']) given,
            unnest(array['estafette_app', 'estafette_worker']) who where has_table_privilege(who, name, given)
        """,
        list(APPEND_ONLY),
    )
    assert rows == []
    assert len(APPEND_ONLY) > 20


BY_TRIGGER = (
    "event",
    "entry",
    "content",
    "content_data",
    "payment",
    "invoice_number",
    "leaf",
    "node",
    "checkpoint",
    "hold",
    "custody",
    "stamp",
    "renewal",
    "renewed",
    "vouched",
    "archive_read",
    "archive_read_ended",
    "write_off",
    "reminder",
    "bank_statement",
    "bank_entry",
    "bank_sighting",
    "bank_line",
    "bank_match",
    "bank_match_part",
    "bank_decision",
)
"""Tables that their owner, too, changes nothing in."""


async def test_append_only_by_trigger_even_for_the_owner(connection):
    for table in BY_TRIGGER:
        rows = await connection.fetch(
            "select tgname, tgtype from pg_trigger where tgrelid = $1::regclass and not tgisinternal", table
        )
        types = 0
        for row in rows:
            types |= row["tgtype"]
        assert types & 8, (table, "delete")
        assert types & 16, (table, "update")
        assert types & 32, (table, "truncate")
        await _refused(connection, f"truncate {table} cascade")


async def _refused(connection, statement: str) -> None:
    from asyncpg import RestrictViolationError

    with pytest.raises(RestrictViolationError, match="append-only"):
        async with connection.transaction():
            await connection.execute(statement)


async def test_the_keeper_changes_nothing_but_what_it_is_for(connection):
    for table in await tables(connection):
        may = {
            right
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if await connection.fetchval("select has_table_privilege('estafette_keeper', $1, $2)", table, right)
        }
        allowed = {"content_data": {"DELETE"}, "archive_read": {"DELETE"}, "archive_key": {"INSERT", "UPDATE"}}
        assert may == allowed.get(table, set()), table
    rows = await connection.fetch(
        "select table_name, column_name from information_schema.column_privileges "
        "where grantee = 'estafette_keeper' and privilege_type = 'UPDATE' and table_name <> 'archive_key'"
    )
    assert {(row["table_name"], row["column_name"]) for row in rows} == {
        ("content", "data"),
        ("content_data", "archive_key"),
        ("content_data", "wrapped"),
    }


async def test_the_worker_sees_no_document(connection):
    for table in ("document", "event", "entry", "content", "payment", "credential", "token", "arrival", "participant"):
        assert not await connection.fetchval("select has_table_privilege('estafette_worker', $1, 'SELECT')", table), (
            table
        )
