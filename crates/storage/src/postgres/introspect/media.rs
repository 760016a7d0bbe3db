//! Aggregates whose result has the type of a media type, and where PostGIS is.

use roadbed_plan::schema::{MediaHandler, is_media_type};
use roadbed_plan::terms::{Handler, RowForm};
use tokio_postgres::{Error, Row};

use super::Fields;

/// Aggregates of one argument that is a relation's row, or anything; the types of their results are domains.
pub(super) const AGGREGATES: &str = concat!(
    "select n.nspname, p.proname, lower(t.typname), r.nspname, c.relname ",
    "from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_type t on t.oid = p.prorettype ",
    "left join pg_class c on c.reltype = p.proargtypes[0] and c.relkind in ('r', 'v', 'm', 'f', 'p') ",
    "left join pg_namespace r on r.oid = c.relnamespace ",
    "where p.prokind = 'a' and p.pronargs = 1 and t.typtype = 'd' and t.typname like '%/%' ",
    "and (c.oid is not null or p.proargtypes[0] = 'anyelement'::regtype) and ",
    "n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'roadbed') order by p.oid"
);

/// The schema of the extension's function that makes a feature of a row; it has one since version 3.
pub(super) const POSTGIS: &str = "select n.nspname from pg_proc p join pg_namespace n on n.oid = p.pronamespace \
    join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e' \
    join pg_extension e on e.oid = d.refobjid and e.extname = 'postgis' \
    where p.proname = 'st_asgeojson' and p.proargtypes[0] = 'record'::regtype";

/// What the rows of the two queries say.
pub(super) fn handlers(aggregates: &[Row], postgis: &[Row]) -> Result<Vec<MediaHandler>, Error> {
    let mut handlers = Vec::with_capacity(aggregates.len() + postgis.len());
    for row in aggregates {
        let mut fields = Fields::of(row);
        let (schema, name, media): (String, String, String) = (fields.take()?, fields.take()?, fields.take()?);
        let relation: (Option<String>, Option<String>) = (fields.take()?, fields.take()?);
        let relation = relation.0.zip(relation.1);
        if is_media_type(&media) {
            let form = RowForm::Handled(Handler { schema, name, relation: relation.clone() });
            handlers.push(MediaHandler { media, relation, form });
        }
    }
    // After those that the user has made: the first that fits is taken.
    for row in postgis.iter().take(1) {
        let form = RowForm::GeoJson(Fields::of(row).take()?);
        handlers.push(MediaHandler { media: "application/geo+json".to_owned(), relation: None, form });
    }
    Ok(handlers)
}
