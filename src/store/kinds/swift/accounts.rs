//! The configured accounts, each known by a reference (`glance_store/_drivers/swift/utils.py`).

use std::{collections::BTreeMap, fmt};

use crate::outbound::Url;

/// How one logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Swift's own, as TempAuth and Ceph have it.
    One,
    /// Keystone.
    #[default]
    Three,
}

/// A domain of Keystone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

/// As whom.
#[derive(Clone, PartialEq, Eq)]
pub enum Who {
    /// A user with a password.
    User {
        /// As `project:user`.
        user: String,
        /// The password.
        key: String,
        /// Where the user belongs to.
        user_domain: Domain,
        /// Where the project belongs to.
        project_domain: Domain,
    },
    /// An application credential; it has a project of its own.
    Credential {
        /// Its id.
        id: String,
        /// Its secret.
        secret: String,
    },
}

/// Where one logs in, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name by which URLs of data know it.
    pub reference: String,
    /// Where: an address with `http://` or `https://`.
    pub address: String,
    /// How.
    pub version: Version,
    /// As whom.
    pub who: Who,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Account {
    /// An account out of what is said of it, by the names that a file of accounts has for it.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn of(reference: &str, said: &BTreeMap<String, String>, version: Version) -> Result<Self, String> {
        let text = |name: &str| said.get(name).filter(|text| !text.is_empty()).cloned();
        let missing = |name: &str| format!("the reference `{reference}` has no {name}");
        let domain = |of: &str| match (text(&format!("{of}_domain_id")), text(&format!("{of}_domain_name"))) {
            (Some(id), _) => Domain::Id(id),
            (None, Some(name)) => Domain::Name(name),
            (None, None) => Domain::Id("default".to_owned()),
        };
        // Glance takes whatever a file says here for Keystone's version; 1 is the one that it does not know.
        let version = if text("auth_version").is_some_and(|v| matches!(v.as_str(), "1" | "1.0")) {
            Version::One
        } else {
            version
        };
        let id = text("application_credential_id");
        let secret = text("application_credential_secret");
        let who = match (id, secret) {
            (Some(id), Some(secret)) if version == Version::Three => Who::Credential { id, secret },
            (Some(_), Some(_)) => {
                return Err(format!(
                    "the reference `{reference}` has an application credential, which version 1 has not"
                ));
            }
            (Some(_), None) => return Err(missing("application_credential_secret")),
            (None, Some(_)) => return Err(missing("application_credential_id")),
            (None, None) => Who::User {
                user: text("user").ok_or_else(|| missing("user"))?,
                key: text("key").ok_or_else(|| missing("key"))?,
                user_domain: domain("user"),
                project_domain: domain("project"),
            },
        };
        if let (Who::User { user, .. }, Version::Three) = (&who, version)
            && user.split(':').count() != 2
        {
            return Err(format!("the user of the reference `{reference}` is not of the form project:user"));
        }
        let address = address_of(&text("auth_address").ok_or_else(|| missing("auth_address"))?);
        let address =
            address.map_err(|why| format!("the auth_address of the reference `{reference}` {why}"))?;
        Ok(Self { reference: reference.to_owned(), address, version, who })
    }

    /// The project and the user of a login by Keystone.
    pub(super) fn project_and_user(user: &str) -> (&str, &str) {
        user.split_once(':').unwrap_or((user, user))
    }
}

/// An address with its scheme, which is https where none is said.
fn address_of(text: &str) -> Result<String, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    match Url::parse(&full) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() =>
        {
            Ok(full.trim_end_matches('/').to_owned())
        }
        _ => Err("is not of the form http://HOST or https://HOST".to_owned()),
    }
}

/// Reads a file of accounts: one section for each reference (`configparser.ConfigParser`). A reference that cannot be
/// used is left out, and logged, as in Glance: others may be whole.
///
/// # Errors
/// A sentence that says in which line it is no such file.
pub fn read(text: &str, version: Version) -> Result<Vec<Account>, String> {
    let mut found = Vec::new();
    for (reference, said) in sections(text)? {
        match Account::of(&reference, &said, version) {
            Ok(account) => found.push(account),
            Err(reason) => tracing::error!(reason, "a reference of swift_store_config_file cannot be used"),
        }
    }
    Ok(found)
}

type Section = BTreeMap<String, String>;

/// The sections of a file in the form of Python's `configparser`; what `[DEFAULT]` says holds for all.
fn sections(text: &str) -> Result<Vec<(String, Section)>, String> {
    let (mut all, mut common): (Vec<(String, Section)>, Section) = (Vec::new(), Section::new());
    let mut inside = None;
    let mut option: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let bad = |why: &str| format!("line {}: {why}", index.saturating_add(1));
        let stripped = line.trim();
        if stripped.is_empty() || stripped.starts_with(['#', ';']) {
            continue;
        }
        let goes_on = line.starts_with([' ', '\t']);
        if let Some(name) = stripped.strip_prefix('[').filter(|_| !goes_on) {
            let name = name.strip_suffix(']').ok_or_else(|| bad("a section without its bracket"))?;
            inside = Some(name.to_owned());
            option = None;
            if name != "DEFAULT" && !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), Section::new()));
            }
            continue;
        }
        let section = match inside.as_deref() {
            Some("DEFAULT") => &mut common,
            Some(name) => match all.iter_mut().find(|(known, _)| known == name) {
                Some((_, section)) => section,
                None => return Err(bad("an option outside of sections")),
            },
            None => return Err(bad("an option outside of sections")),
        };
        if let (true, Some(name)) = (goes_on, &option) {
            let value = section.entry(name.clone()).or_default();
            value.push('\n');
            value.push_str(stripped);
            continue;
        }
        let (name, value) =
            stripped.split_once(['=', ':']).ok_or_else(|| bad("neither section nor option"))?;
        let name = name.trim().to_lowercase();
        section.insert(name.clone(), value.trim().to_owned());
        option = Some(name);
    }
    for (reference, section) in &mut all {
        for (name, value) in &common {
            section.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, value) in section {
            *value = plain(value).map_err(|why| format!("{name} of `{reference}` {why}"))?;
        }
    }
    Ok(all)
}

/// A value without its quotes, and with `%` for `%%`.
fn plain(value: &str) -> Result<String, String> {
    let value = value.replace("%%", "%");
    match value.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        None => Ok(value),
        Some(quote) if value.len() > 1 && value.ends_with(quote) => {
            Ok(value.get(1..value.len().saturating_sub(1)).unwrap_or_default().to_owned())
        }
        Some(_) => Err("begins with a quote that is not closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const FILE: &str = "\
# accounts\n[DEFAULT]\nuser_domain_name = Staff\n\n[ref1]\nauth_address = 'http://keystone:5000/v3/'\n\
user: service:glance\nkey = \"a%%b:c=d\"\n\n[old]\nauth_version = 1\nauth_address = swift.example/auth/v1.0\n\
user = a:b\nkey = k\nproject_domain_id = p\n[half]\nuser = x:y\n[app]\nauth_address = https://k\n\
application_credential_id = i\napplication_credential_secret = s\n";

    /// Proves how a file of accounts is read, quotes, colons and common values included, and that one account that
    /// cannot be used does not cost the others.
    #[test]
    fn a_file_of_accounts_is_read() {
        let accounts = read(FILE, Version::Three).unwrap();
        let names: Vec<_> = accounts.iter().map(|account| account.reference.as_str()).collect();
        assert_eq!(names, ["ref1", "old", "app"]);
        let user = |user: &str, key: &str, project_domain: &str| Who::User {
            user: user.to_owned(),
            key: key.to_owned(),
            user_domain: Domain::Name("Staff".to_owned()),
            project_domain: Domain::Id(project_domain.to_owned()),
        };
        assert!(accounts[0].who == user("service:glance", "a%b:c=d", "default"));
        assert_eq!(
            (accounts[0].address.as_str(), accounts[0].version),
            ("http://keystone:5000/v3", Version::Three)
        );
        assert!(accounts[1].who == user("a:b", "k", "p"));
        assert_eq!(
            (accounts[1].address.as_str(), accounts[1].version),
            ("https://swift.example/auth/v1.0", Version::One)
        );
        assert!(accounts[2].who == Who::Credential { id: "i".to_owned(), secret: "s".to_owned() });
        assert!(!format!("{accounts:?}").contains("a%b"), "a key is shown");
    }

    /// Proves that a file which is none is refused by its line, and says nothing of its values.
    #[test]
    fn what_is_no_file_of_accounts_is_refused() {
        for (text, why) in [
            ("user = x\n", "line 1: an option outside of sections"),
            ("[ref1\n", "line 1: a section without its bracket"),
            ("[ref1]\nhush\n", "line 2: neither section nor option"),
            ("[ref1]\nkey = 'hush\n", "key of `ref1` begins with a quote that is not closed"),
        ] {
            assert_eq!(read(text, Version::Three).unwrap_err(), why);
        }
    }

    /// Proves what an account needs.
    #[test]
    fn half_an_account_is_none() {
        let said = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Account::of("r", &pairs.collect(), Version::Three).unwrap_err()
        };
        let whole = [("auth_address", "http://k"), ("user", "p:u"), ("key", "k")];
        for left_out in 0..3 {
            let rest: Vec<_> = whole.iter().copied().filter(|pair| pair.0 != whole[left_out].0).collect();
            assert_eq!(said(&rest), format!("the reference `r` has no {}", whole[left_out].0));
        }
        let wrong = said(&[("auth_address", "ftp://k"), ("user", "p:u"), ("key", "k")]);
        assert!(wrong.contains("is not of the form http://HOST"), "{wrong}");
        let wrong = said(&[("auth_address", "http://k"), ("user", "u"), ("key", "k")]);
        assert!(wrong.contains("project:user"), "{wrong}");
        let half = said(&[("auth_address", "http://k"), ("application_credential_id", "i")]);
        assert_eq!(half, "the reference `r` has no application_credential_secret");
    }
}
