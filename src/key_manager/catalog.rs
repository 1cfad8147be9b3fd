//! The key manager in a catalog of services, as `GET /v3/auth/catalog` answers it.

use serde_json::Value;

use super::settings::Interface;

/// The type of the service.
const KEY_MANAGER: &str = "key-manager";

/// The first endpoint of a key manager with this interface, in this region if one is given.
pub fn endpoint<'a>(catalog: &'a Value, interface: Interface, region: Option<&str>) -> Option<&'a str> {
    let text = |value: &'a Value, name: &str| value.get(name).and_then(Value::as_str);
    let services = catalog.as_array()?.iter().filter(|service| text(service, "type") == Some(KEY_MANAGER));
    let mut endpoints = services.filter_map(|service| service.get("endpoints")?.as_array()).flatten();
    let found = endpoints.find(|endpoint| {
        let here = text(endpoint, "region_id").or_else(|| text(endpoint, "region"));
        text(endpoint, "interface") == Some(interface.word()) && (region.is_none() || here == region)
    });
    text(found?, "url")
}

/// The root of a version below an address that may name the version already; no slash at its end.
pub fn root(endpoint: &str, version: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.strip_suffix(version).is_some_and(|before| before.ends_with('/')) {
        true => endpoint.to_owned(),
        false => format!("{endpoint}/{version}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    /// Proves that an endpoint is of the right type, interface and region, and of any region if none is asked for.
    #[test]
    fn the_endpoint_is_the_one_of_type_interface_and_region() {
        let catalog = json!([
            {"type": "image", "endpoints": [{"region": "Two", "interface": "public", "url": "http://image"}]},
            {"type": "key-manager", "endpoints": [
                {"region_id": "One", "interface": "public", "url": "http://one"},
                {"region": "Two", "interface": "internal", "url": "http://inside"},
                {"region": "Two", "interface": "public", "url": "http://two"},
            ]},
        ]);
        for (interface, region, found) in [
            (Interface::Public, Some("Two"), Some("http://two")),
            (Interface::Internal, Some("Two"), Some("http://inside")),
            (Interface::Public, None, Some("http://one")),
            (Interface::Admin, None, None),
            (Interface::Public, Some("two"), None),
        ] {
            assert_eq!(endpoint(&catalog, interface, region), found, "{interface:?} {region:?}");
        }
        assert_eq!(endpoint(&json!(null), Interface::Public, None), None);
    }

    /// Proves that a version is named once.
    #[test]
    fn the_version_follows_the_address_once() {
        for written in ["http://b:9311", "http://b:9311/", "http://b:9311/v1", "http://b:9311/v1/"] {
            assert_eq!(root(written, "v1"), "http://b:9311/v1");
        }
        assert_eq!(root("http://b/keysv1", "v1"), "http://b/keysv1/v1");
    }
}
