//! Finds Swift's endpoint in a Keystone catalogue.

use serde::Deserialize;

/// Where the data of an account is, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An address to use in place of the catalogue's.
    pub fixed: Option<String>,
    /// Type of the service.
    pub service: String,
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// Region, if it matters.
    pub region: Option<String>,
}

impl Endpoint {
    /// The address in a catalogue.
    pub(super) fn in_catalogue(&self, catalogue: &[Service]) -> Option<String> {
        let wanted = |address: &Address| {
            let region = address.region_id.as_ref().or(address.region.as_ref());
            address.interface == self.interface && (self.region.is_none() || self.region.as_ref() == region)
        };
        let services = catalogue.iter().filter(|service| service.kind == self.service);
        services
            .flat_map(|service| &service.endpoints)
            .find(|address| wanted(address))
            .map(|found| found.url.clone())
    }
}

/// A service of a catalogue.
#[derive(Deserialize)]
pub(super) struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    /// Proves which of a catalogue's addresses is taken, by type, interface and region.
    #[test]
    fn the_catalogue_is_read() {
        let address = |interface: &str, region: &str| json!({"interface": interface, "region_id": region, "url": format!("http://{interface}.{region}")});
        let all = [address("internal", "one"), address("public", "one"), address("public", "two")];
        let catalogue: Vec<Service> = serde_json::from_value(json!([
            {"type": "image", "endpoints": all}, {"type": "object-store", "endpoints": all},
        ]))
        .unwrap();
        let find = |service: &str, interface: &str, region: Option<&str>| {
            let endpoint = Endpoint {
                fixed: None,
                service: service.to_owned(),
                interface: interface.to_owned(),
                region: region.map(str::to_owned),
            };
            endpoint.in_catalogue(&catalogue)
        };
        assert_eq!(find("object-store", "public", None).unwrap(), "http://public.one");
        assert_eq!(find("object-store", "public", Some("two")).unwrap(), "http://public.two");
        assert_eq!(find("object-store", "internal", None).unwrap(), "http://internal.one");
        assert_eq!(find("object-store", "internal", Some("two")), None);
        assert_eq!(find("share", "public", None), None);
    }
}
