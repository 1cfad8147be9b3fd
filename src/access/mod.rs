//! Authorisation shared by several rooms: callers and targets, policy checks, property protections, quotas.
//!
//! A check that concerns one room only (may this member answer?) is in that room.

pub mod protection;
pub mod quota;
pub mod targets;
pub mod unified;

use std::sync::Arc;

use crate::{
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{Image, WRITTEN_BY_SERVICE},
    },
    policy::{Enforcer, Target},
};

use protection::{Action, Protections};
use targets::ImageTarget;

/// Rules that the defaults of earlier releases grant to strangers too, so that ownership is asked for beside them.
const RULES_OF_OWNERS: [&str; 6] =
    ["modify_image", "delete_image", "upload_image", "deactivate", "reactivate", "delete_image_location"];

/// Policy checks and property protections for the domain. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    policy: Arc<Enforcer>,
    protections: Option<Arc<Protections>>,
}

impl Access {
    /// Asks these; without protections what the service writes is protected, and nothing else.
    pub fn new(policy: Arc<Enforcer>, protections: Option<Protections>) -> Self {
        Self { policy, protections: protections.map(Arc::new) }
    }

    /// Whether the rules of earlier releases are in force (`enforce_new_defaults = false`): they allow more callers,
    /// and ownership is checked elsewhere.
    pub fn has_old_defaults(&self) -> bool {
        !self.policy.settings().enforce_new_defaults
    }

    /// Whether the policy counts the caller as an administrator.
    pub fn is_admin(&self, caller: &Caller) -> bool {
        self.policy.is_admin(caller)
    }

    /// Asks the policy.
    ///
    /// # Errors
    /// [`Error::Internal`] when a rule cannot be evaluated (an unknown rule, a remote check that fails).
    pub async fn allowed(&self, caller: &Caller, rule: &str, target: &dyn Target) -> Result<bool> {
        self.policy.check(rule, caller, target).await.map_err(|e| Error::internal("policy", e))
    }

    /// Requires a rule on an image; with `enforce_new_defaults = false` those that change it require its owner too
    /// (`glance/api/v2/policy.py: check_is_image_mutable`).
    ///
    /// # Errors
    /// [`Error::ImageNotFound`] when the caller may not even see the image, else [`Error::Forbidden`].
    pub async fn enforce(&self, caller: &Caller, rule: &str, image: &Image) -> Result<()> {
        let target = ImageTarget(image);
        if self.allowed(caller, rule, &target).await? {
            let asks_owner = self.has_old_defaults() && RULES_OF_OWNERS.contains(&rule);
            return if asks_owner { owned(caller, image) } else { Ok(()) };
        }
        if rule == "get_image" || !self.allowed(caller, "get_image", &target).await? {
            return Err(Error::ImageNotFound(image.id.clone()));
        }
        Err(refused(rule))
    }

    /// Whether the caller may do this to a property of this name.
    pub fn may(&self, caller: &Caller, action: Action, name: &str) -> bool {
        match &self.protections {
            Some(list) => list.allow(&self.policy, caller, action, name),
            None => {
                action == Action::Read || !self.is_services(name) || self.is_admin(caller) || caller.serves()
            }
        }
    }

    /// Whether a property is the service's to write, and no protections of an operator's say who else may.
    pub fn is_services(&self, name: &str) -> bool {
        self.protections.is_none() && WRITTEN_BY_SERVICE.contains(&name)
    }
}

/// Refuses read-only (anonymous) callers (`glance/common/utils.py: mutating`).
///
/// # Errors
/// [`Error::Forbidden`]
pub fn mutating(caller: &Caller) -> Result<()> {
    if caller.read_only {
        Err(Error::forbidden("Operation is not permitted for anonymous callers."))
    } else {
        Ok(())
    }
}

/// Requires that the caller is an administrator or belongs to the owning project: Glance's database checks this before
/// it saves, whatever the policy said (`glance/db/sqlalchemy/api.py: _check_mutate_authorization`).
///
/// # Errors
/// [`Error::Forbidden`]
pub fn owned(caller: &Caller, image: &Image) -> Result<()> {
    if caller.is_admin || caller.project_id.is_some() && caller.project_id == image.owner {
        Ok(())
    } else {
        Err(Error::forbidden(format!("You do not own image {}.", image.id)))
    }
}

/// The refusal of a rule, naming it so that an operator knows where to look.
pub fn refused(rule: &str) -> Error {
    Error::Forbidden(format!("You are not authorized to complete {rule} action."))
}
