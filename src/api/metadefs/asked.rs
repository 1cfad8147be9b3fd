//! Query parameters that several calls share.

/// The `resource_type` of a query string; an empty one counts as none.
pub(super) fn resource_type(pairs: &[(String, String)]) -> Option<&str> {
    let found = pairs.iter().find(|(name, _)| name == "resource_type");
    found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}
