//! Whom a job makes images for.

use super::Imports;
use crate::{model::caller::Caller, work::Work};

/// The caller who asked for the job, with the roles that he had then.
pub fn caller(imports: &Imports, work: &Work, roles: &[String]) -> Caller {
    let mut caller = Caller {
        user_id: work.job.user_id.clone(),
        project_id: work.job.owner.clone(),
        is_admin_project: true,
        roles: roles.to_vec(),
        ..Caller::default()
    };
    caller.is_admin = imports.images.access.is_admin(&caller);
    caller
}
