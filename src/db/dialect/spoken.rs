//! The trait that each dialect implements, and the classification of errors that they share.

use diesel::{QueryResult, result::Error as DieselError};

use crate::db::{Limits, Sessions, conn::Conn, error::DbError};

/// One of the three databases.
pub trait Dialect: Sync {
    /// Prepares a fresh connection. Statements that exceed the limits are ended by the server.
    fn set_up(&self, conn: &mut Conn, limits: Limits, sessions: &Sessions) -> QueryResult<()>;

    /// Lets the statements of a connection take their time, as migrations must.
    fn lift_limits(&self) -> &'static str;

    /// Begins a transaction that sees one state of the database and changes nothing.
    fn begin_read(&self) -> &'static str;

    /// The same, in which statements that are kept prepared are not planned again for what is bound.
    fn begin_kept(&self) -> &'static str {
        self.begin_read()
    }

    /// Begins a transaction that may change something.
    fn begin_write(&self) -> &'static str;

    /// Ends a transaction that went wrong, and says what `error` means and whether the connection is still good.
    fn fail(&self, conn: &mut Conn, error: DbError) -> (DbError, bool);

    /// A text as a 64-bit integer, NULL unless it is one to eighteen digits.
    fn number(&self, text: &str) -> String;

    /// The sum of an expression over all rows as a 64-bit integer, 0 without any.
    fn sum(&self, expression: &str) -> String {
        format!("CAST(COALESCE(SUM({expression}), 0) AS BIGINT)")
    }

    /// What ends the `INSERT` of an account that may be there already, so that it is locked all the same until the
    /// transaction ends; `None` where only one writes at a time anyway.
    fn on_known_account(&self) -> Option<&'static str> {
        Some("ON CONFLICT (project_id) DO UPDATE SET project_id = excluded.project_id")
    }

    /// The condition that an image is not deleted, spelled so that the database uses the indexes made for it.
    fn not_deleted(&self, images: &str) -> String {
        format!("NOT {images}.deleted")
    }

    /// A column of `images`, in which NULL counts as `null`, in the words of the indexes by which lists are sorted.
    fn sort_key(&self, images: &str, column: &str, null: &str) -> String {
        format!("COALESCE({images}.{column}, {null})")
    }

    /// Memberships `m` with their images `i`, read from the memberships on: a project has few of them, whatever a database
    /// that plans for all projects at once takes to be usual.
    fn shared_images(&self) -> &'static str {
        "image_members m JOIN images i ON i.id = m.image_id"
    }

    /// The condition that an image `i` is public or of the community, where one that it is one of them does not say so to
    /// the indexes of such images.
    fn is_visible(&self) -> Option<&'static str> {
        None
    }

    /// A query of the columns of a table, as `name` and `kind`, its type in capitals.
    fn columns(&self, table: &str) -> String {
        format!(
            "SELECT CAST(column_name AS CHAR(64)) AS name, UPPER(CAST(data_type AS CHAR(64))) AS kind \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{table}' \
             AND extra NOT LIKE '% GENERATED' ORDER BY ordinal_position"
        )
    }

    /// Columns as a text, an array of JSON.
    fn json_array(&self, columns: &[&str]) -> String {
        format!("JSON_ARRAY({})", columns.join(", "))
    }

    /// What stands before the values of rows that bring keys which the database would number by itself.
    fn with_own_keys(&self) -> &'static str {
        ""
    }

    /// What stands behind a bound text so that it becomes a value of a type; `None` where that goes without saying.
    fn cast(&self, _kind: &str) -> Option<String> {
        None
    }

    /// Whether a column of times that asks for no precision keeps fractions of seconds.
    fn has_fractions(&self) -> bool {
        true
    }

    /// The statement after which such keys continue from those that are there, where that does not go without saying.
    fn renumber(&self, _table: &str, _key: &str) -> Option<String> {
        None
    }

    /// The condition that a boolean column is false, spelled likewise.
    fn is_false(&self, column: &str) -> String {
        format!("{column} = FALSE")
    }
}

/// The message of an error that the driver has no kind for; others are judged without looking at the connection.
pub(super) fn unknown(error: &DbError) -> Option<&dyn diesel::result::DatabaseErrorInformation> {
    match error {
        DbError::Driver(DieselError::DatabaseError(_, info)) => Some(&**info),
        _ => None,
    }
}

/// The classification of an otherwise unknown error.
pub(super) fn fault(error: DbError) -> DbError {
    match error {
        DbError::Driver(error) => DbError::Other(error.to_string()),
        known => known,
    }
}
