//! Revocations of unexpired tokens.

use diesel::prelude::*;

use super::LIST_ROWS_MAX;
use crate::{
    db::{Conn, DbResult, schema::identity_revocations},
    model::time::Timestamp,
};

/// One row of `identity_revocations`: a token is revoked when every id given here is its own, and it was issued no later
/// than `issued_before`, or its login was where the row is about a user or a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = identity_revocations)]
pub struct Revocation {
    /// 32 hexadecimal digits.
    pub id: String,
    /// This very token.
    pub audit_id: Option<String>,
    /// Every token that descends from one login.
    pub audit_chain_id: Option<String>,
    /// Tokens of this user.
    pub user_id: Option<String>,
    /// Tokens for this project.
    pub project_id: Option<String>,
    /// Tokens of this domain's users, and tokens for this domain or its projects.
    pub domain_id: Option<String>,
    /// Microseconds since 1970 UTC.
    pub issued_before: i64,
    /// Microseconds since 1970 UTC.
    pub revoked_at: i64,
}

/// The attributes of a token that a revocation can match.
#[derive(Clone, Debug)]
pub struct Marks {
    /// The token's own audit id.
    pub audit_id: String,
    /// The audit id of the login that it descends from; its own for a first token.
    pub audit_chain_id: String,
    /// Its user.
    pub user_id: String,
    /// Its project.
    pub project_id: Option<String>,
    /// Domains of its user and of its scope.
    pub domain_ids: Vec<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When the login was from which it descends.
    pub login_at: Timestamp,
}

impl Revocation {
    /// Whether this row revokes the token with these marks.
    pub fn revokes(&self, marks: &Marks) -> bool {
        let is = |wanted: &Option<String>, had: &str| wanted.as_deref().is_none_or(|wanted| wanted == had);
        is(&self.audit_id, &marks.audit_id)
            && is(&self.audit_chain_id, &marks.audit_chain_id)
            && is(&self.user_id, &marks.user_id)
            && self.project_id.as_ref().is_none_or(|wanted| marks.project_id.as_ref() == Some(wanted))
            && self.domain_id.as_ref().is_none_or(|wanted| marks.domain_ids.contains(wanted))
            && self.time_of(marks).0 <= self.issued_before
    }

    /// The time of a token that counts here. Where a login is what has lost its worth, a token that was drawn from it at
    /// the same moment, or later by another node, has none either.
    fn time_of(&self, marks: &Marks) -> Timestamp {
        let of_login = self.user_id.is_some() || self.audit_chain_id.is_some();
        if of_login { marks.login_at } else { marks.issued_at }
    }
}

/// Adds a revocation.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, row: &Revocation) -> DbResult<()> {
    diesel::insert_into(identity_revocations::table).values(row).execute(conn)?;
    Ok(())
}

/// Whether the token with these marks is revoked.
///
/// # Errors
/// Only the database's own.
pub fn is_revoked(conn: &mut Conn, marks: &Marks) -> DbResult<bool> {
    use identity_revocations::{audit_chain_id, audit_id, domain_id, issued_before, project_id, user_id};
    let candidates: Vec<Revocation> = identity_revocations::table
        .filter(issued_before.ge(marks.login_at.0))
        .filter(
            audit_id
                .eq(&marks.audit_id)
                .or(audit_chain_id.eq(&marks.audit_chain_id))
                .or(user_id.eq(&marks.user_id))
                .or(project_id.eq(marks.project_id.as_deref().unwrap_or_default()))
                .or(domain_id.eq_any(&marks.domain_ids)),
        )
        .select(Revocation::as_select())
        .load(conn)?;
    Ok(candidates.iter().any(|row| row.revokes(marks)))
}

/// Revocations made at or after `since`, oldest first.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, since: Timestamp) -> DbResult<Vec<Revocation>> {
    Ok(identity_revocations::table
        .filter(identity_revocations::revoked_at.ge(since.0))
        .order((identity_revocations::revoked_at, identity_revocations::id))
        .limit(LIST_ROWS_MAX + 1)
        .select(Revocation::as_select())
        .load(conn)?)
}

/// Forgets revocations made before `limit`: every token that they concern has expired. Returns how many.
///
/// # Errors
/// Only the database's own.
pub fn reap(conn: &mut Conn, limit: Timestamp) -> DbResult<usize> {
    Ok(diesel::delete(identity_revocations::table.filter(identity_revocations::issued_before.lt(limit.0)))
        .execute(conn)?)
}
