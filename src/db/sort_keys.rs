//! The sort orders of image lists. Each is an index, and inserting into it costs a write at a random position. A
//! table that is filled in bulk is therefore filled without these indexes, which are created at the end.

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query, sql_types};

use super::{Conn, DbResult};

const SQLITE: &str = include_str!("../../migrations/sqlite/2026-11-29-000158_sort_keys/up.sql");
const POSTGRES: &str = include_str!("../../migrations/postgres/2026-11-29-000158_sort_keys/up.sql");
const MYSQL: &str = include_str!("../../migrations/mysql/2026-11-29-000158_sort_keys/up.sql");

/// How an index is made: the word before its name, as the migration has it at the beginning of a line.
const MAKES: [&str; 2] = ["CREATE INDEX ", "ADD INDEX "];

/// An index of the migration.
struct Order {
    name: &'static str,
    /// The line that makes it, without what divides it from the next.
    line: &'static str,
}

/// The indexes in the text of the migration, a line each.
fn orders(migration: &'static str) -> impl Iterator<Item = Order> {
    migration.lines().filter_map(|line| {
        let line = line.trim().trim_end_matches([';', ',']);
        let rest = MAKES.iter().find_map(|makes| line.strip_prefix(makes))?;
        Some(Order { name: rest.split(' ').next()?, line })
    })
}

fn migration(conn: &Conn) -> &'static str {
    match conn {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
        Conn::Mysql(_) => MYSQL,
    }
}

/// Takes the indexes away. Lists of many images are slow until [`make`] has run.
///
/// # Errors
/// Only the database's own.
pub fn lay_aside(conn: &mut Conn) -> DbResult<()> {
    let there = names(conn)?;
    let gone = orders(migration(conn)).filter(|order| there.iter().any(|name| name == order.name));
    let drops: Vec<String> = gone.map(|order| format!("DROP INDEX {}", order.name)).collect();
    alter(conn, &drops)
}

/// Creates the missing indexes, if any.
///
/// # Errors
/// Only the database's own.
pub fn make(conn: &mut Conn) -> DbResult<()> {
    let there = names(conn)?;
    let missing = orders(migration(conn)).filter(|order| !there.iter().any(|name| name == order.name));
    let makes: Vec<String> = missing.map(|order| order.line.to_owned()).collect();
    alter(conn, &makes)
}

/// Changes the table; MySQL reads it once for all of them.
fn alter(conn: &mut Conn, changes: &[String]) -> DbResult<()> {
    let sql = match conn {
        _ if changes.is_empty() => return Ok(()),
        Conn::Mysql(_) => format!("ALTER TABLE images {}", changes.join(", ")),
        Conn::Sqlite(_) | Conn::Postgres(_) => changes.join(";\n"),
    };
    conn.batch_execute(super::dialect::of(conn).lift_limits())?;
    Ok(conn.batch_execute(&sql)?)
}

/// The names of all indexes of the table of images.
fn names(conn: &mut Conn) -> DbResult<Vec<String>> {
    #[derive(diesel::QueryableByName)]
    struct Named {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    let sql = match conn {
        Conn::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'images'",
        Conn::Postgres(_) => {
            "SELECT indexname::text AS name FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'images'"
        }
        Conn::Mysql(_) => {
            "SELECT DISTINCT index_name AS name FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND table_name = 'images'"
        }
    };
    let rows: Vec<Named> = sql_query(sql).load(conn)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Proves that the text of each migration is read whole: twenty orders, of the same names on each database.
    #[test]
    fn the_migrations_have_the_same_orders() {
        let named = |text| orders(text).map(|order| order.name).collect::<Vec<_>>();
        assert_eq!(named(SQLITE).len(), 20);
        assert_eq!(named(SQLITE), named(POSTGRES));
        assert_eq!(named(SQLITE), named(MYSQL));
    }
}
