-- Orders become invoices: an order, what was delivered of it, and the document that invoices each delivery.

-- An order of a buyer. What remains of it follows from its deliveries and is kept nowhere else.
create table purchase_order (
    account_id   uuid not null references account,
    order_id     uuid not null,
    participant  text not null,                 -- SIREN of the legal entity that delivers
    number       text not null,                 -- the buyer's number; BT-13 of its invoices
    buyer        text not null,                 -- identifier of the buyer: SIREN, VAT number or other, as found
    buyer_name   text not null,
    seller       text not null,
    issue_date   date not null,
    currency     text not null,
    total        numeric,                       -- without VAT, in currency; null: the order does not say
    format       text not null,                 -- order-x, ubl-order, json
    sha256       bytea not null,                -- of the bytes as submitted
    form         jsonb not null,                -- the order as read, in its JSON form
    unknown      jsonb not null,                -- element paths that the form does not hold, an array
    remarks      jsonb not null,                -- findings that refused nothing, an array
    state        text not null check (state in ('open', 'delivered', 'closed')),
    version      bigint not null,               -- grows with each delivery, correction and closing
    key          text not null,                 -- Idempotency-Key, or the order's own id
    fingerprint  bytea not null,                -- SHA-256 of the request that brought it
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (account_id, order_id),
    unique (account_id, key),
    foreign key (account_id, sha256) references content
);
-- A buyer's number names one order; another may take its place when that one is closed.
create unique index purchase_order_named on purchase_order (account_id, participant, buyer, number)
    where state <> 'closed';
create index purchase_order_number on purchase_order (account_id, number);
create index purchase_order_recent on purchase_order (account_id, created_at desc, order_id desc);

-- A delivery of an order. Append-only.
create table order_delivery (
    account_id       uuid not null,
    delivery_id      uuid not null,
    order_id         uuid not null,
    seq              integer not null,          -- from 1 within the order; the shares of allowances follow it
    delivered_on     date not null,             -- BT-72
    despatch_advice  text not null,             -- BT-16; may be empty
    remarks          jsonb not null,            -- findings that refused nothing, an array
    created_at       timestamptz not null,
    primary key (account_id, delivery_id),
    unique (account_id, order_id, seq),
    foreign key (account_id, order_id) references purchase_order
);

-- What was delivered of one line of the order. Append-only.
create table order_delivery_line (
    account_id   uuid not null,
    delivery_id  uuid not null,
    line         text not null,                 -- identifier of the order's line; BT-132
    quantity     numeric not null check (quantity > 0),
    primary key (account_id, delivery_id, line),
    foreign key (account_id, delivery_id) references order_delivery
);

-- The document that invoices a delivery; the highest take is in force, those before it were refused. Append-only.
create table order_invoice (
    account_id   uuid not null,
    delivery_id  uuid not null,
    take         integer not null,              -- 1: the first; more: corrections
    document_id  uuid not null,
    number       text not null,                 -- BT-1
    call         jsonb not null,                -- what the call said, and those before it
    created_at   timestamptz not null,
    primary key (account_id, delivery_id, take),
    unique (account_id, document_id),
    foreign key (account_id, delivery_id) references order_delivery,
    foreign key (account_id, document_id) references document
);
create index order_invoice_number on order_invoice (account_id, number);

-- A series of invoice numbers without a gap: the next number is taken in the transaction that issues the invoice.
create table invoice_series (
    account_id   uuid not null references account,
    participant  text not null,
    series       text not null,                 -- what its numbers begin with
    next         bigint not null check (next > 0),
    primary key (account_id, participant, series)
);

create trigger order_delivery_append_only before update or delete on order_delivery
    for each row execute function refuse_change();
create trigger order_delivery_no_truncate before truncate on order_delivery
    for each statement execute function refuse_change();
create trigger order_delivery_line_append_only before update or delete on order_delivery_line
    for each row execute function refuse_change();
create trigger order_delivery_line_no_truncate before truncate on order_delivery_line
    for each statement execute function refuse_change();
create trigger order_invoice_append_only before update or delete on order_invoice
    for each row execute function refuse_change();
create trigger order_invoice_no_truncate before truncate on order_invoice
    for each statement execute function refuse_change();

do $$
declare name text;
begin
    foreach name in array array['purchase_order', 'order_delivery', 'order_delivery_line', 'order_invoice',
                                'invoice_series'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy own on %I to estafette_app '
                       'using (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid) '
                       'with check (account_id = nullif(current_setting(''estafette.account'', true), '''')::uuid)', name);
    end loop;
end $$;

grant select, insert on order_delivery, order_delivery_line, order_invoice to estafette_app;
grant select, insert, update on purchase_order, invoice_series to estafette_app;
