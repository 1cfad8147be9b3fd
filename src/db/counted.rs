//! The figures and spans of statements.

use super::{DbError, DbResult, patience::is_fault, url::Place};
use crate::telemetry::{self, trace::Kind};

/// What OpenTelemetry calls a kind of database (`db.system.name`).
pub(super) fn system(place: &Place) -> &'static str {
    match place {
        Place::Sqlite(_) => "sqlite",
        Place::Postgres(_) => "postgresql",
        Place::Mysql { .. } => "mysql",
    }
}

/// Does the work of one statement on a thread for that, and counts it.
pub(super) async fn counted<T: Send + 'static>(
    name: &'static str,
    system: &'static str,
    work: impl FnOnce() -> DbResult<T> + Send + 'static,
) -> DbResult<T> {
    let call = telemetry::metrics().statement(name);
    let mut span = telemetry::span(Kind::Client, name);
    span.set("db.system.name", system);
    span.set("db.operation.name", name);
    let result = match telemetry::blocking(work).await {
        Ok(result) => result,
        Err(fault) => Err(DbError::Other(format!("a database thread failed: {fault}"))),
    };
    call.end_as(match &result {
        Ok(_) => "ok",
        Err(_) if is_fault(&result) => {
            // What the database says may show what stands in its rows; the log has it.
            span.fail("fault", String::new);
            "error"
        }
        Err(_) => "refused",
    });
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::{
        super::{Conn, Db, Settings},
        *,
    };
    use crate::model::error::Error;

    /// Proves that statements are counted by name and outcome, a decision of the domain apart from a fault.
    #[tokio::test]
    async fn statements_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let connection = format!("sqlite:{}", dir.path().join("db").display());
        let db = Db::open(&Settings { connection, ..Settings::default() }).unwrap();
        db.read("test.counted", |_| Ok(())).await.unwrap();
        db.write("test.counted", |_| Ok(())).await.unwrap();
        let refuse = |_: &mut Conn| Err::<(), _>(DbError::Domain(Error::conflict("no")));
        db.write("test.counted", refuse).await.unwrap_err();
        let fail = |_: &mut Conn| Err::<(), _>(DbError::Other("broken".to_owned()));
        db.read("test.counted", fail).await.unwrap_err();
        let figures = crate::telemetry::metrics().text();
        for (outcome, count) in [("ok", 2), ("refused", 1), ("error", 1)] {
            let labels = format!("statement=\"test.counted\",outcome=\"{outcome}\"");
            let line = format!("vitrine_database_statements_total{{{labels}}} {count}");
            assert!(figures.lines().any(|found| found == line), "{line} is missing:\n{figures}");
        }
    }
}
