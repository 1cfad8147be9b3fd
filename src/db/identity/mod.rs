//! The rows of the built-in identity: domains, projects, users, roles and their assignments, the catalog, application
//! credentials, limits, revocations, and the keys that sign tokens. `identity/builtin` decides what may be done with
//! them.

pub mod app_credentials;
pub mod assignments;
pub mod catalog;
pub mod domains;
pub mod keys;
pub mod limits;
pub mod projects;
pub mod revocations;
pub mod roles;
pub mod users;

/// Rows that a list answers at most; what is beyond is cut, and the answer says `truncated`.
pub const LIST_ROWS_MAX: i64 = 10_000;

/// The statements that every table keyed by `id` needs.
macro_rules! keyed_rows {
    ($table:ident, $row:ty) => {
        /// The row with this id.
        ///
        /// # Errors
        /// Only the database's own.
        pub fn find(conn: &mut $crate::db::Conn, id: &str) -> $crate::db::DbResult<Option<$row>> {
            Ok($table::table.filter($table::id.eq(id)).select(<$row>::as_select()).first(conn).optional()?)
        }

        /// Adds a row.
        ///
        /// # Errors
        /// [`DbError::Duplicate`](crate::db::DbError::Duplicate) when its id or name is taken.
        pub fn insert(conn: &mut $crate::db::Conn, row: &$row) -> $crate::db::DbResult<()> {
            diesel::insert_into($table::table).values(row).execute(conn)?;
            Ok(())
        }

        /// Saves a row that exists.
        ///
        /// # Errors
        /// [`DbError::Duplicate`](crate::db::DbError::Duplicate) when its new name is taken.
        pub fn save(conn: &mut $crate::db::Conn, row: &$row) -> $crate::db::DbResult<()> {
            diesel::update($table::table.filter($table::id.eq(&row.id))).set(row).execute(conn)?;
            Ok(())
        }
    };
}
use keyed_rows;
