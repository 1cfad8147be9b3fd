//! URLs: of sources of imports, of data in stores, of databases.

use std::{net::Ipv4Addr, path::Path};

use ipnet::IpNet;

use super::utf8::text;
use crate::{
    db::url::Place,
    outbound::{self, Filter},
    store::{StoreUrl, file},
};

/// What is looked for where nothing secret may be shown.
const SECRET: &str = "secret99";

/// A URI to import from: what the filter passes is what is connected to, whoever reads it.
pub(super) fn import(data: &[u8]) {
    let Some(uri) = text(data) else { return };
    for filter in filters() {
        let Ok(checked) = outbound::check(&filter, uri) else { continue };
        assert!(matches!(checked.url.scheme(), "http" | "https"), "a scheme that is never fetched from");
        assert!(
            checked.url.username().is_empty() && checked.url.password().is_none(),
            "a password is sent on"
        );
        assert!(filter.allowed_ports.is_empty() || filter.allowed_ports.contains(&checked.port));
        assert_ne!(checked.name.is_some(), checked.address.is_some(), "a host is a name or an address");
        if let Some(name) = &checked.name {
            assert!(!is_disguised(name), "{name} is an address in disguise");
        }
        let again = outbound::check(&filter, checked.url.as_str());
        let again = again.map(|again| (again.name, again.address, again.port));
        assert_eq!(
            again.ok(),
            Some((checked.name, checked.address, checked.port)),
            "read anew it is another"
        );
    }
}

fn filters() -> [Filter; 3] {
    let listed = Filter {
        allowed_hosts: vec!["images.example.org".to_owned()],
        allowed_networks: "10.0.0.0/8".parse::<IpNet>().into_iter().collect(),
        ..Filter::default()
    };
    let open = Filter { allowed_ports: Vec::new(), disallowed_ports: vec![22], ..Filter::default() };
    [Filter::default(), listed, open]
}

/// Whether resolvers read the name as an address: its last part is a number, in whatever base.
fn is_disguised(name: &str) -> bool {
    let last = name.strip_suffix('.').unwrap_or(name).rsplit('.').next().unwrap_or_default();
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    name.parse::<Ipv4Addr>().is_ok()
        || hexadecimal
        || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

/// A URL of data: shown, it keeps its secrets; a store of files takes it for a file of its own folder or for none.
pub(super) fn store(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let url = StoreUrl::new(text);
    let shown = url.to_string();
    if let Some((before, after)) = text.split_once(SECRET)
        && !after.contains(SECRET)
        && !after.contains("://")
    {
        let in_front = after.split(['?', '#']).next().unwrap_or_default();
        let is_secret = before.contains(['?', '#']) || in_front.contains('@');
        assert!(!is_secret || !shown.contains(SECRET), "a secret is shown: {shown}");
    }
    let folder = Path::new("/srv/images");
    if let Ok(found) = file::path_in(&url, |parent| parent == folder) {
        let (parent, name) = (found.parent(), found.file_name().and_then(|name| name.to_str()));
        assert_eq!(parent, Some(folder), "a file outside of the folder");
        assert!(name.is_some_and(|name| !name.starts_with('.') && !name.contains('\0')), "a hidden file");
        assert_eq!(found.components().count(), 4, "{} is not plainly in its folder", found.display());
    }
}

/// The URL of a database: shown, it keeps its password.
pub(super) fn database(data: &[u8]) {
    let Some(text) = text(data) else { return };
    // These name files, which would be opened.
    if ["ssl_ca", "ssl_cert", "ssl_key", "read_default"].iter().any(|option| text.contains(option))
        || text.contains('%')
    {
        return;
    }
    let Ok(place @ (Place::Postgres(_) | Place::Mysql { .. })) = Place::parse(text) else { return };
    let shown = place.shown();
    // A second one may be the name of a database.
    let has_password = text.matches("hunter2").count() == 1
        && text.split_once(":hunter2@").is_some_and(|(before, _)| before.contains(':'));
    assert!(!has_password || !shown.contains("hunter2"), "a password is shown: {shown}");
}
