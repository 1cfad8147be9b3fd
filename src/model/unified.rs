//! The limits that an identity service keeps for projects (`glance/quota/keystone.py`).

use super::error::{Error, Result};
use serde_json::json;

/// What is limited. The order is that of Glance's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// MiB that images take in stores, at each of their locations.
    SizeTotal,
    /// MiB of data that is staged for imports.
    StageTotal,
    /// Images.
    CountTotal,
    /// Images whose data is being uploaded, staged or imported.
    CountUploading,
}

impl Resource {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::SizeTotal, Self::StageTotal, Self::CountTotal, Self::CountUploading];

    /// Its name in the identity service.
    pub fn name(self) -> &'static str {
        match self {
            Self::SizeTotal => "image_size_total",
            Self::StageTotal => "image_stage_total",
            Self::CountTotal => "image_count_total",
            Self::CountUploading => "image_count_uploading",
        }
    }

    /// What an amount of it is called.
    fn unit(self) -> &'static str {
        match self {
            Self::SizeTotal | Self::StageTotal => "MiB",
            Self::CountTotal | Self::CountUploading => "images",
        }
    }
}

/// The limits of one project; -1 is unlimited. A resource that is not registered has a limit of 0, as in oslo.limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnifiedLimits([i64; 4]);

/// The limits that a project has to keep to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectLimits {
    /// Its own.
    pub own: UnifiedLimits,
    /// What it shares with the other projects of its domain, where limits are enforced on two levels.
    pub shared: Option<SharedLimits>,
}

/// Limits of a domain, which its projects have together (Keystone's model `strict_two_level`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLimits {
    /// The id of the domain.
    pub domain: String,
    /// The ids of all its projects.
    pub projects: Vec<String>,
    /// How much they may have together.
    pub limits: UnifiedLimits,
}

impl UnifiedLimits {
    /// The limits that `limit_of` names; what it does not know is not registered.
    pub fn of(limit_of: impl Fn(&str) -> Option<i64>) -> Self {
        Self(Resource::ALL.map(|resource| limit_of(resource.name()).unwrap_or(0)))
    }

    /// The limit of a resource as it is shown.
    pub fn get(&self, resource: Resource) -> i64 {
        let [size, stage, total, uploading] = self.0;
        match resource {
            Resource::SizeTotal => size,
            Resource::StageTotal => stage,
            Resource::CountTotal => total,
            Resource::CountUploading => uploading,
        }
    }

    /// Whether a resource is limited at all.
    pub fn limits(&self, resource: Resource) -> bool {
        self.get(resource) >= 0
    }

    /// Requires that a project which uses `used` of a resource may have `more`. With a domain that is what all its projects
    /// use.
    ///
    /// # Errors
    /// [`Error::TooLarge`], naming project, limit, use and request.
    pub fn check(
        &self,
        (project, domain): (Option<&str>, Option<&str>),
        resource: Resource,
        used: u64,
        more: u64,
    ) -> Result<()> {
        let Ok(limit) = u64::try_from(self.get(resource)) else { return Ok(()) };
        if used.saturating_add(more) <= limit {
            return Ok(());
        }
        let (name, unit) = (resource.name(), resource.unit());
        let whose = project.map_or_else(|| "Whoever has no project".to_owned(), |id| format!("Project {id}"));
        let text = match domain {
            None => format!(
                "{whose} is over the limit {name}: it may have {limit} {unit}, uses {used}, and requests {more} more."
            ),
            Some(domain) => format!(
                "{whose} is over the limit {name} of its domain {domain}: the projects of the domain may have {limit} \
                 {unit} together, use {used}, and {more} more are requested."
            ),
        };
        let mut details =
            json!({"project": project, "resource": name, "limit": limit, "usage": used, "requested": more});
        if let Some(domain) = domain {
            details["domain"] = json!(domain);
        }
        Err(Error::TooLarge(text).because("over-limit", details))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Proves that a limit is reached and not passed, that -1 limits nothing, that what is not registered may not be had,
    /// and that a refusal names everything that matters.
    #[test]
    fn limits_are_reached_and_not_passed() {
        let limits = UnifiedLimits::of(|name| match name {
            "image_size_total" => Some(3),
            "image_count_total" => Some(-1),
            _ => None,
        });
        assert!(limits.check((Some("p"), None), Resource::SizeTotal, 2, 1).is_ok());
        let refusal = limits.check((Some("p"), None), Resource::SizeTotal, 2, 2).unwrap_err().to_string();
        for part in ["Project p", "image_size_total", "3 MiB", "uses 2", "requests 2"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        assert!(limits.check((Some("p"), None), Resource::CountTotal, u64::MAX, u64::MAX).is_ok());
        assert!(!limits.limits(Resource::CountTotal) && limits.limits(Resource::CountUploading));
        assert!(limits.check((None, None), Resource::CountUploading, 1, 0).is_err());
        assert!(limits.check((None, None), Resource::CountUploading, 0, 0).is_ok());
    }
}
