//! URLs as Glance writes them, and the container of an image (`glance_store/_drivers/swift/store.py: StoreLocation,
//! get_container_name`).

use super::accounts::{Account, Who};
use crate::store::{StoreError, StoreErrorKind, StoreResult, StoreUrl, backend::Beginning};

/// The schemes of Swift. What the store writes has the last.
pub(super) const SCHEMES: [&str; 4] = ["swift+https", "swift", "swift+http", "swift+config"];
const BY_REFERENCE: &str = "swift+config";
/// Hexadecimal digits of an image's id.
pub(super) const DIGITS_MAX: u64 = 32;

/// An object of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The reference of the account.
    pub(super) account: String,
    pub(super) container: String,
    pub(super) object: String,
}

/// How images are spread over containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Containers {
    /// The container, or what the names of all of them begin with.
    pub(super) name: String,
    /// Digits of an image's id that choose one of several; none is one container.
    pub(super) digits: usize,
}

impl Containers {
    /// The container of what has this name, which begins with the id of its image.
    pub(super) fn of(&self, name: &str) -> String {
        if self.digits == 0 {
            return self.name.clone();
        }
        let id = name.to_lowercase();
        // Dashes are kept, but not counted among the first digits only, as in Glance.
        let dashes = id.chars().take(self.digits).filter(|c| *c == '-').count();
        let part: String = id.chars().take(self.digits.saturating_add(dashes)).collect();
        format!("{}_{part}", self.name)
    }

    /// What the names of all containers begin with, if there are several.
    pub(super) fn prefix(&self) -> Option<String> {
        (self.digits > 0).then(|| format!("{}_", self.name))
    }
}

/// The URL under which an account has an object.
pub(super) fn url_of(reference: &str, container: &str, object: &str) -> StoreUrl {
    StoreUrl::new(format!("{BY_REFERENCE}://{reference}/{container}/{object}"))
}

/// What the URLs of accounts begin with, up to their containers: by reference, and by the address where one logs in, in
/// front of which Glance writes user and password. The password is that of the configuration, whatever a URL says.
pub(super) fn readable(accounts: &[Account]) -> Vec<Beginning> {
    let mut all = Vec::new();
    for account in accounts {
        let written = format!("{BY_REFERENCE}://{}/", account.reference);
        all.push(Beginning { text: written.clone(), user: None, written: written.clone() });
        let (scheme, place) = account.address.split_once("://").unwrap_or(("https", &account.address));
        let schemes: &[&str] = if scheme == "http" { &["swift+http"] } else { &["swift+https", "swift"] };
        let user = match &account.who {
            Who::User { user, .. } => Some(user.clone()),
            Who::Credential { .. } => None,
        };
        all.extend(schemes.iter().map(|scheme| Beginning {
            text: format!("{scheme}://{place}/"),
            user: user.clone(),
            written: written.clone(),
        }));
    }
    all
}

/// What the URLs begin with of what the store writes.
pub(super) fn own(reference: &str, containers: &Containers) -> String {
    let container = containers.prefix().unwrap_or_else(|| format!("{}/", containers.name));
    format!("{BY_REFERENCE}://{reference}/{container}")
}

/// What is at a URL.
pub(super) fn place_of(readable: &[Beginning], url: &StoreUrl) -> StoreResult<Place> {
    let bad = |why: &'static str| StoreError::new(StoreErrorKind::BadUrl, url.to_string(), why);
    if url.full().matches("://").count() != 1 {
        return Err(bad("not a URL of Swift"));
    }
    let written = readable.iter().find_map(|beginning| beginning.written(url.full()));
    let written = written.ok_or_else(|| bad("no account of the configuration has it"))?;
    let (_, place) = written.full().split_once("://").unwrap_or_default();
    let mut parts = place.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(account), Some(container), Some(object), None)
            if ![container, object].iter().any(|name| name.is_empty() || name.contains(['?', '#', '\0'])) =>
        {
            let [account, container, object] = [account, container, object].map(str::to_owned);
            Ok(Place { account, container, object })
        }
        _ => Err(bad("no object of a container is named")),
    }
}

/// Whether this can be the name of a blob.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::kinds::swift::accounts::Version;

    fn accounts() -> Vec<Account> {
        let account = |reference: &str, pairs: &[(&str, &str)]| {
            let said: BTreeMap<_, _> =
                pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Account::of(reference, &said, Version::Three).unwrap()
        };
        vec![
            account("ref1", &[("auth_address", "http://k:5000/v3/"), ("user", "p:u"), ("key", "new")]),
            account("ref2", &[("auth_address", "http://k:5000/v3/"), ("user", "p:o"), ("key", "k")]),
            account(
                "app",
                &[
                    ("auth_address", "https://k/v3"),
                    ("application_credential_id", "i"),
                    ("application_credential_secret", "s"),
                ],
            ),
        ]
    }

    /// Proves that each form of Glance's URLs is read, by the user that it names and whatever password it has.
    #[test]
    fn urls_of_glance_are_read() {
        for (url, account) in [
            ("swift+config://ref2/c/o", "ref2"),
            ("swift+http://p%3Au:old@k:5000/v3/c/o", "ref1"),
            ("swift+http://p:u:o%2Fld@k:5000/v3/c/o", "ref1"),
            ("swift+http://p%3Ao:k@k:5000/v3/c/o", "ref2"),
            ("swift+https://k/v3/c/o", "app"),
            ("swift://k/v3/c/o", "app"),
        ] {
            let expected =
                Place { account: account.to_owned(), container: "c".to_owned(), object: "o".to_owned() };
            assert_eq!(place_of(&readable(&accounts()), &StoreUrl::new(url)).unwrap(), expected, "{url}");
        }
    }

    /// Proves that URLs of accounts that nobody configured are refused, and that no secret is told of them.
    #[test]
    fn sec_13_urls_of_other_accounts_are_refused() {
        for url in [
            "swift+config://ref9/c/o",
            "swift+config://p:u:hush@ref1/c/o",
            "swift+http://p%3Ax:hush@k:5000/v3/c/o",
            "swift+http://k:5000/v3/c/o",
            "swift+https://p%3Au:hush@k:5000/v3/c/o",
            "swift+http://p%3Au:hush@evil/v3/c/o",
            "swift+http://p%3Au:hush@k:5000/v3/c/",
            "swift+http://hush@k:5000/v3/c/o",
            "swift+config://ref1/c/d/o",
            "swift://p:u:hush@http://k:5000/v3/c/o",
            "http://k:5000/v3/c/o",
            "swift+config://ref1",
            "",
        ] {
            let error = place_of(&readable(&accounts()), &StoreUrl::new(url)).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::BadUrl, "{url}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    /// Proves which container an image has, with and without digits of its id.
    #[test]
    fn containers_are_chosen_by_digits() {
        let id = "3A1B2c3d-0123-4567-89ab-0123456789ab";
        for (digits, container) in [
            (0, "glance"),
            (1, "glance_3"),
            (8, "glance_3a1b2c3d"),
            (9, "glance_3a1b2c3d-0"),
            (32, "glance_3a1b2c3d-0123-4567-89ab-0123456789ab"),
        ] {
            let containers = Containers { name: "glance".to_owned(), digits };
            assert_eq!(containers.of(id), container, "{digits}");
        }
    }
}
