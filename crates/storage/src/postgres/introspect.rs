//! The schema as the system catalogs tell it.
//!
//! All catalog queries go out in one flight and in one snapshot; `fold` makes the schema of their rows.

mod fold;
mod functions;
mod media;
mod rules;
mod types;

use futures_util::future::{join3, try_join_all};
use roadbed_plan::Schema;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Error, Row};

/// Schemas that are not the user's, given the row of `pg_namespace` as `n`.
macro_rules! users_own {
    () => {
        "n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'roadbed')"
    };
}

const NAMESPACES: &str =
    concat!("select n.oid, n.nspname, obj_description(n.oid, 'pg_namespace') from pg_namespace n where ", users_own!());

const ROLES: &str = "select oid, rolname, rolsuper, rolinherit, rolbypassrls, rolcanlogin, \
    shobj_description(oid, 'pg_authid') from pg_roles";

const MEMBERS: &str = "select member, roleid from pg_auth_members order by member, roleid";

const TYPES: &str = concat!(
    "select t.oid, n.nspname, t.typname, t.typtype::text, t.typelem, t.typbasetype, t.typtypmod, t.typnotnull, ",
    "format_type(t.oid, null) from pg_type t join pg_namespace n on n.oid = t.typnamespace ",
    // Each table has a row type and an array type of it; no column of ours can be told from them.
    "left join pg_type e on e.oid = t.typelem where t.typtype <> 'c' and coalesce(e.typtype, 'b') <> 'c' ",
    "and t.typtype <> 'p'"
);

const LABELS: &str = "select enumtypid, enumlabel from pg_enum order by enumtypid, enumsortorder";

const RELATIONS: &str = concat!(
    "select c.oid, n.nspname, c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'), ",
    "pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity, ",
    "coalesce(c.reloptions && '{security_invoker=true,security_invoker=on,security_invoker=1,security_invoker=yes}', false), ",
    "case when c.relkind in ('v', 'f') then pg_relation_is_updatable(c.oid, true) & 28 <> 0 else c.relkind <> 'm' end ",
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace ",
    "where c.relkind in ('r', 'v', 'm', 'f', 'p') and ",
    users_own!(),
    " order by c.oid"
);

const COLUMNS: &str = concat!(
    "select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), ",
    "a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text, ",
    "s.seqstart, s.seqincrement, col_description(a.attrelid, a.attnum) ",
    "from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace ",
    "left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum ",
    "left join pg_depend i on a.attidentity <> '' and i.refclassid = 'pg_class'::regclass and i.refobjid = a.attrelid ",
    "and i.refobjsubid = a.attnum and i.classid = 'pg_class'::regclass and i.deptype = 'i' ",
    "left join pg_sequence s on s.seqrelid = i.objid ",
    "where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'v', 'm', 'f', 'p') and ",
    users_own!(),
    " order by a.attrelid, a.attnum"
);

const CONSTRAINTS: &str = concat!(
    "select k.conrelid, k.conname, k.contype::text, k.conkey, k.confrelid, k.confkey, k.confdeltype::text, ",
    "k.confupdtype::text, k.condeferrable, k.condeferred, ",
    // The column exists since PostgreSQL 15.
    "coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) ",
    "from pg_constraint k join pg_namespace n on n.oid = k.connamespace ",
    "left join pg_index i on i.indexrelid = k.conindid and k.contype = 'u' ",
    "where k.contype in ('p', 'u', 'f') and k.conrelid <> 0 and ",
    // A foreign key of a partitioned table is that of its partitions too, and one to it is one to each of them.
    "(k.contype <> 'f' or k.conparentid = 0) and ",
    users_own!(),
    " order by k.conrelid, k.oid"
);

/// Each key of an index with its column's number, or 0 and its text where it is an expression.
const INDEXES: &str = concat!(
    "select i.indrelid, x.relname, i.indisunique, ",
    "coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), ",
    "array(select i.indkey[k - 1] from generate_series(1, i.indnkeyatts) k), ",
    "array(select pg_get_indexdef(i.indexrelid, k, false) from generate_series(1, i.indnkeyatts) k), ",
    // Bit 0: descending. Bit 1: nulls first.
    "array(select i.indoption[k - 1] from generate_series(1, i.indnkeyatts) k), ",
    "pg_get_expr(i.indpred, i.indrelid), obj_description(i.indexrelid, 'pg_class') ",
    "from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace ",
    "join pg_class x on x.oid = i.indexrelid where i.indisvalid and not exists ",
    "(select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')) and ",
    users_own!(),
    " order by i.indrelid, i.indexrelid"
);

const POLICIES: &str = "select p.polrelid, p.polname, p.polcmd::text, p.polpermissive, p.polroles, \
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid) from pg_policy p \
    order by p.polrelid, p.polname";

/// What is granted on namespaces, relations, columns, sequences and functions; the column's number where it is on one.
const GRANTS: &str = concat!(
    "select 'n' as kind, n.oid, 0::int2, a.grantee, a.privilege_type, a.is_grantable ",
    "from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a where ",
    users_own!(),
    " union all select case c.relkind when 'S' then 's' else 'r' end, c.oid, 0::int2, a.grantee, a.privilege_type, a.is_grantable ",
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace, ",
    "aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::\"char\" else 'r' end, c.relowner))) a ",
    "where c.relkind in ('r', 'v', 'm', 'f', 'p', 'S') and ",
    users_own!(),
    " union all select 'r', c.oid, t.attnum, a.grantee, a.privilege_type, a.is_grantable ",
    "from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace, ",
    "aclexplode(t.attacl) a where t.attnum > 0 and not t.attisdropped and ",
    users_own!(),
    " union all select 'f', p.oid, 0::int2, a.grantee, a.privilege_type, a.is_grantable ",
    "from pg_proc p join pg_namespace n on n.oid = p.pronamespace, ",
    "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where ",
    users_own!()
);

const SEQUENCES: &str = concat!(
    "select c.oid, n.nspname, c.relname, s.seqstart, s.seqincrement, d.refobjid, d.refobjsubid::int4 ",
    "from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_sequence s on s.seqrelid = c.oid ",
    "left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0 ",
    "and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i') where ",
    users_own!()
);

const FUNCTIONS: &str = concat!(
    "select p.oid, n.nspname, p.proname, p.proargnames, p.proargtypes::oid[], ",
    "array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as x(t, i) order by i), ",
    "p.prorettype, format_type(p.prorettype, null), p.proretset, l.lanname, p.prosecdef, p.proisstrict, p.prosrc, ",
    "obj_description(p.oid, 'pg_proc'), p.provolatile::text, p.pronargdefaults, p.provariadic <> 0, ",
    "pg_get_userbyid(p.proowner), p.proallargtypes::oid[], p.proargmodes::text[], t.typrelid, ",
    // The columns of a composite type that is no relation's.
    "array(select a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid where a.attrelid = t.typrelid ",
    "and c.relkind = 'c' and a.attnum > 0 and not a.attisdropped order by a.attnum), ",
    "array(select a.atttypid from pg_attribute a join pg_class c on c.oid = a.attrelid where a.attrelid = t.typrelid ",
    "and c.relkind = 'c' and a.attnum > 0 and not a.attisdropped order by a.attnum), p.prorows = 1 ",
    "from pg_proc p join pg_type t on t.oid = p.prorettype join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang ",
    "where p.prokind = 'f' and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass ",
    "and d.objid = p.oid and d.deptype = 'e') and ",
    users_own!(),
    " order by p.oid"
);

/// The rules that views are, with where their columns come from.
const RULES: &str = concat!(
    "select r.ev_class, r.ev_action::text from pg_rewrite r join pg_class c on c.oid = r.ev_class ",
    "join pg_namespace n on n.oid = c.relnamespace where r.rulename = '_RETURN' and ",
    users_own!()
);

/// In the order in which `fold` takes them.
const QUERIES: [&str; 16] = [
    NAMESPACES,
    ROLES,
    MEMBERS,
    TYPES,
    LABELS,
    RELATIONS,
    COLUMNS,
    CONSTRAINTS,
    INDEXES,
    POLICIES,
    GRANTS,
    SEQUENCES,
    FUNCTIONS,
    RULES,
    media::AGGREGATES,
    media::POSTGIS,
];

/// Reads everything that is the user's, whichever role may see it.
pub(super) async fn read_schema(client: &Client) -> Result<Schema, Error> {
    let queries = try_join_all(QUERIES.iter().map(|sql| client.query_typed(sql, &[])));
    let (begun, rows, ended) = join3(
        // Without a search path every name comes with its schema, and so means the same to each caller.
        client.batch_execute("begin isolation level repeatable read read only; set local search_path = ''"),
        queries,
        client.batch_execute("commit"),
    )
    .await;
    begun?;
    let rows = rows?;
    ended?;
    fold::fold(&rows)
}

/// Takes a row's fields from left to right.
struct Fields<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Fields<'a> {
    fn of(row: &'a Row) -> Self {
        Self { row, next: 0 }
    }

    fn take<T: FromSql<'a>>(&mut self) -> Result<T, Error> {
        self.next += 1;
        self.row.try_get(self.next - 1)
    }
}
