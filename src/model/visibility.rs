//! Who may see which image: the rule for one image, and the same rule as a [`Scope`] that `db` turns into SQL.

pub use super::image::Visibility;
use super::{caller::Caller, image::Image, member::MemberStatus};

/// Which memberships count in a list: the `member_status` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberFilter {
    /// Every membership, whatever its status.
    All,
    /// Only memberships with this status.
    Only(MemberStatus),
}

/// The visibilities that a list requests: the `visibility` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisibilityFilter {
    /// Parameter absent: community images of other projects are left out.
    Default,
    /// `all`: everything that the caller may see.
    All,
    /// One visibility.
    Only(Visibility),
    /// A value that matches nothing (the empty text).
    Nothing,
}

/// What a list may contain, before the policy is checked for each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Admins see every image.
    pub admin: bool,
    /// The caller's project.
    pub project: Option<String>,
    /// Which memberships count.
    pub members: MemberFilter,
    /// The requested visibilities.
    pub visibility: VisibilityFilter,
}

impl Scope {
    /// The scope of a caller's list (`glance/db/sqlalchemy/api.py: _select_images_query`).
    pub fn of(caller: &Caller, members: MemberFilter, visibility: VisibilityFilter) -> Self {
        Self { admin: caller.is_admin, project: caller.project_id.clone(), members, visibility }
    }

    /// Whether the list contains `image`, given the caller's membership in it, if any.
    pub fn contains(&self, image: &Image, membership: Option<MemberStatus>) -> bool {
        let own = self.project.is_some() && image.owner == self.project;
        let shared_with_me = image.visibility == Visibility::Shared
            && match (self.members, membership) {
                (_, None) => false,
                (MemberFilter::All, Some(_)) => true,
                (MemberFilter::Only(wanted), Some(status)) => wanted == status,
            };
        let visible = self.admin
            || own
            || matches!(image.visibility, Visibility::Public | Visibility::Community)
            || shared_with_me;
        visible
            && match self.visibility {
                VisibilityFilter::Default => image.visibility != Visibility::Community || own,
                VisibilityFilter::All => true,
                VisibilityFilter::Only(wanted) => image.visibility == wanted,
                VisibilityFilter::Nothing => false,
            }
    }
}

/// Whether the caller is told what only the project that owns `image` and administrators are.
pub fn is_confided(caller: &Caller, image: &Image) -> bool {
    caller.is_admin || image.owner.is_some() && image.owner == caller.project_id
}

/// Whether the database shows `image` to the caller by id, before any policy; a membership of any status
/// counts (`glance/db/utils.py: is_image_visible`).
pub fn is_visible(caller: &Caller, image: &Image, is_member: bool) -> bool {
    caller.is_admin
        || image.owner.is_none()
        || matches!(image.visibility, Visibility::Public | Visibility::Community)
        || caller.project_id.is_some() && image.owner == caller.project_id
        || image.visibility == Visibility::Shared && is_member
}
