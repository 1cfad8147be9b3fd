//! Revocation of tokens. Rows survive a restart and are deleted with the last token they concern.

use super::{Builtin, context::Token, new_id};
use crate::{
    db::{
        Conn, DbResult,
        identity::revocations::{self, Revocation},
    },
    model::{error::Result, time::Timestamp},
};

fn row(now: Timestamp) -> Revocation {
    let now = now.0;
    Revocation { id: new_id(), issued_before: now, revoked_at: now, ..Revocation::default() }
}

/// Ends all tokens of a user issued up to `now`.
///
/// # Errors
/// Only the database's own.
pub fn user(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    revocations::insert(conn, &Revocation { user_id: Some(id.to_owned()), ..row(now) })
}

/// Ends all tokens for a project issued up to `now`.
///
/// # Errors
/// Only the database's own.
pub fn project(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    revocations::insert(conn, &Revocation { project_id: Some(id.to_owned()), ..row(now) })
}

/// Ends all tokens of a domain's users, for the domain, and for its projects, issued up to `now`.
///
/// # Errors
/// Only the database's own.
pub fn domain(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    revocations::insert(conn, &Revocation { domain_id: Some(id.to_owned()), ..row(now) })
}

impl Builtin {
    /// Ends one token and, with `cascade`, all that descend from the same login
    /// (`keystone/api/auth.py: AuthTokenResource.delete`).
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn revoke(&self, token: &Token, cascade: bool) -> Result<()> {
        let audit_id = token.claims.audit_id().to_owned();
        let chain = cascade.then(|| token.claims.audit_chain_id().to_owned());
        let clock = self.db.clock.clone();
        self.change("identity_revoke", move |conn| {
            let now = clock.now();
            revocations::insert(conn, &Revocation { audit_id: Some(audit_id.clone()), ..row(now) })?;
            match &chain {
                None => Ok(()),
                Some(chain) => {
                    revocations::insert(conn, &Revocation { audit_chain_id: Some(chain.clone()), ..row(now) })
                }
            }
        })
        .await
    }

    /// Revocations made at or after `since`, oldest first.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn revocations(&self, since: Timestamp) -> Result<Vec<Revocation>> {
        self.read("identity_revocations", move |conn| revocations::list(conn, since)).await
    }
}
