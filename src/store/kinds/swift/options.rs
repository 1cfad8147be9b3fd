//! The options of a Swift store (`glance_store/_drivers/swift/store.py, utils.py, buffered.py`).

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    accounts::{self, Account, Version},
    address::{Containers, DIGITS_MAX, SCHEMES},
    catalogue::Endpoint,
    line::Patience,
    login::PROJECT,
    spool,
};
use crate::{
    outbound::{Authorities, Tls, Url},
    store::backend::{self, Declared, Form, Kind, NamedBy, Options},
};

/// The Swift store. Its URLs are read with the operator's own accounts, so nobody else may name one.
pub static KIND: Kind = Kind {
    name: "swift",
    schemes: &SCHEMES,
    named_by: NamedBy::Nobody,
    writes: true,
    options: OPTIONS,
    read,
};

const VERSION: &str = "swift_store_auth_version";
const ADDRESS: &str = "swift_store_auth_address";
const USER: &str = "swift_store_user";
const KEY: &str = "swift_store_key";
const CREDENTIAL: &str = "swift_store_application_credential_id";
const SECRET: &str = "swift_store_application_credential_secret";
const FILE: &str = "swift_store_config_file";
const REFERENCE: &str = "default_swift_reference";
const INSECURE: &str = "swift_store_auth_insecure";
const AUTHORITIES: &str = "swift_store_cacert";
const REGION: &str = "swift_store_region";
const ENDPOINT: &str = "swift_store_endpoint";
const INTERFACE: &str = "swift_store_endpoint_type";
const SERVICE: &str = "swift_store_service_type";
const CONTAINER: &str = "swift_store_container";
const CREATE: &str = "swift_store_create_container_on_put";
const DIGITS: &str = "swift_store_multiple_containers_seed";
const LARGE: &str = "swift_store_large_object_size";
const SEGMENT: &str = "swift_store_large_object_chunk_size";
const RETRIES: &str = "swift_store_retry_get_count";
const SOON: &str = "swift_store_expire_soon_interval";
const BUFFER: &str = "swift_buffer_on_upload";
const FOLDER: &str = "swift_upload_buffer_dir";
const MULTI: &str = "swift_store_multi_tenant";
const ADMINS: &str = "swift_store_admin_tenants";
const TRUSTS: &str = "swift_store_use_trusts";
const PATIENCE: &str = "vitrine_swift_patience";

/// Why some of Glance's options have no effect.
const NO_COMPRESSION: &str = "TLS does not compress any more";
/// Bytes in what the driver calls a MB.
pub(super) const MB: u64 = 1_024_000;
/// Where a file is looked for whose path is no full one.
const CONFIGURATION: &str = "/etc/glance";

const OPTIONS: &[Declared] = &[
    Declared::new(VERSION, Form::Text, "3", "How one logs in: 3 is Keystone, 1 is Swift's own."),
    Declared::unset(ADDRESS, Form::Text, "Where one logs in, without a file of accounts."),
    Declared::unset(USER, Form::Text, "Account as project:user.").secret(),
    Declared::unset(KEY, Form::Text, "Password of that account.").secret(),
    Declared::unset(CREDENTIAL, Form::Text, "Id of an application credential to log in with.").secret(),
    Declared::unset(SECRET, Form::Text, "Secret of that application credential.").secret(),
    Declared::unset("swift_store_project_name", Form::Text, "Name of its project.")
        .obsolete("an application credential has a project of its own"),
    Declared::unset("swift_store_project_id", Form::Text, "Id of its project.")
        .obsolete("an application credential has a project of its own"),
    Declared::unset(FILE, Form::Text, "File that holds accounts, by reference."),
    Declared::new(REFERENCE, Form::Text, "ref1", "Reference of the account that new images are stored with."),
    Declared::new(INSECURE, Form::Bool, "false", "Do not check the certificates of Keystone and Swift."),
    Declared::unset(AUTHORITIES, Form::Text, "Certificates that servers are checked against."),
    Declared::unset(REGION, Form::Text, "Region of Swift in the catalogue."),
    Declared::unset(
        ENDPOINT,
        Form::Text,
        "Address of the account's data, to use in place of the catalogue's.",
    ),
    Declared::new(
        INTERFACE,
        Form::Text,
        "publicURL",
        "Interface of Swift in the catalogue: publicURL, internalURL or adminURL.",
    ),
    Declared::new(SERVICE, Form::Text, "object-store", "Type of Swift in the catalogue."),
    Declared::new(
        CONTAINER,
        Form::Text,
        "glance",
        "Container of the images, or what the names of several begin with.",
    ),
    Declared::new(CREATE, Form::Bool, "false", "Create a container that is missing."),
    Declared::new(
        DIGITS,
        Form::Int(0, DIGITS_MAX as i64),
        "0",
        "Digits of an image's id that choose among several containers.",
    ),
    Declared::new(
        LARGE,
        Form::Int(1, 1 << 40),
        "5120",
        "Units of 1,024,000 bytes from which an image has several segments.",
    ),
    Declared::new(SEGMENT, Form::Int(1, 1 << 40), "200", "Units of 1,024,000 bytes of each of them."),
    Declared::new(
        RETRIES,
        Form::Int(0, i64::MAX),
        "0",
        "Times that a broken download goes on where it stopped.",
    ),
    Declared::new(SOON, Form::Int(0, i64::MAX), "60", "Seconds before its end in which a token is replaced."),
    Declared::new(
        BUFFER,
        Form::Bool,
        "false",
        "Write each segment to a file first, from which it can be sent again.",
    ),
    Declared::unset(FOLDER, Form::Text, "Folder of these files."),
    Declared::new(MULTI, Form::Bool, "false", "Keep images in the account of each project."),
    Declared::new(
        ADMINS,
        Form::Text,
        "",
        "Projects that may write to the containers of all, with commas between.",
    ),
    Declared::new(TRUSTS, Form::Bool, "true", "Use a trust for uploads that may outlive the caller's token."),
    Declared::new("swift_store_ssl_compression", Form::Bool, "true", "Compress the TLS stream.")
        .obsolete(NO_COMPRESSION),
    Declared::new(
        PATIENCE,
        Form::Int(1, 3600),
        "25",
        "Seconds for which a request that fails is tried again.",
    ),
];

/// How images are kept in the account of each project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projects {
    /// Whether uploads that may outlive the caller's token are made by a trust.
    pub trusts: bool,
    /// Projects that may write to the containers of all.
    pub admins: Vec<String>,
}

/// Options of a Swift store.
#[derive(Clone)]
pub struct Settings {
    /// Every account that URLs may name.
    pub accounts: Vec<Account>,
    /// Reference of the one that new images are stored with.
    pub reference: String,
    /// Where an account's data is.
    pub endpoint: Endpoint,
    /// Whom servers must prove to be.
    pub tls: Tls,
    /// The container, or what the names of several begin with.
    pub container: String,
    /// Digits of an image's id that choose among several.
    pub digits: usize,
    /// Whether a container is created when it is missing.
    pub creates_container: bool,
    /// Bytes from which an image has several segments.
    pub large: u64,
    /// Bytes of each of them.
    pub segment: u64,
    /// Times that a broken download continues.
    pub retries: u64,
    /// How long before its end a token is replaced.
    pub soon: Duration,
    /// Where segments are written first, if they are.
    pub folder: Option<PathBuf>,
    /// How long what may take.
    pub patience: Patience,
    /// How images are kept in the account of each project, if they are.
    pub projects: Option<Projects>,
    /// Why it cannot be opened, if an option is at fault.
    pub refusal: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            reference: "ref1".to_owned(),
            endpoint: Endpoint {
                fixed: None,
                service: "object-store".to_owned(),
                interface: "public".to_owned(),
                region: None,
            },
            tls: Tls::default(),
            container: "glance".to_owned(),
            digits: 0,
            creates_container: false,
            large: 5120 * MB,
            segment: 200 * MB,
            retries: 0,
            soon: Duration::from_secs(60),
            folder: None,
            patience: Patience::of(Duration::from_secs(25)),
            projects: None,
            refusal: None,
        }
    }
}

impl Settings {
    /// The containers.
    pub(super) fn containers(&self) -> Containers {
        Containers { name: self.container.clone(), digits: self.digits }
    }
}

impl Patience {
    /// So long in all, of which one answer may take half.
    pub fn of(total: Duration) -> Self {
        Self { answer: total / 2, total }
    }
}

fn read(options: &mut dyn Options) -> Arc<dyn backend::Settings> {
    let defaults = Settings::default();
    let bytes = |options: &dyn Options, option| options.u64(option).map(|units| units.saturating_mul(MB));
    let mut settings = Settings {
        reference: options.text(REFERENCE).unwrap_or(defaults.reference),
        container: options.text(CONTAINER).unwrap_or_default(),
        digits: options.u64(DIGITS).and_then(|digits| usize::try_from(digits).ok()).unwrap_or(0),
        creates_container: options.bool(CREATE),
        large: bytes(options, LARGE).unwrap_or(defaults.large),
        segment: bytes(options, SEGMENT).unwrap_or(defaults.segment),
        retries: options.u64(RETRIES).unwrap_or(0),
        soon: options.u64(SOON).map_or(defaults.soon, Duration::from_secs),
        patience: options.u64(PATIENCE).map_or(defaults.patience, |s| Patience::of(Duration::from_secs(s))),
        endpoint: endpoint(options, defaults.endpoint),
        tls: tls(options),
        ..Settings::default()
    };
    if settings.container.is_empty() || settings.container.contains(['/', '?', '#']) {
        options.refuse(CONTAINER, "it is no name of a container".to_owned());
    }
    let version = version(options);
    let multi = projects(options, &settings.endpoint);
    // What only matters if the store is used is a matter of opening it.
    let files =
        accounts(options, &settings.reference, version).and_then(|accounts| Ok((accounts, folder(options)?)));
    match multi.and_then(|projects| Ok((projects, files?))) {
        Ok((projects, (accounts, folder))) => {
            (settings.projects, settings.accounts, settings.folder) = (projects, accounts, folder);
        }
        Err(reason) => settings.refusal = Some(reason),
    }
    Arc::new(settings)
}

/// How images are kept in the account of each project, if they are.
fn projects(options: &dyn Options, endpoint: &Endpoint) -> Result<Option<Projects>, String> {
    let (admins, trusts) = (options.text(ADMINS).unwrap_or_default(), options.bool(TRUSTS));
    if !options.bool(MULTI) {
        return Ok(None);
    }
    if options.path(FILE).is_some() {
        return Err(format!("{MULTI}: it cannot be used together with {FILE}"));
    }
    if endpoint.fixed.as_ref().is_some_and(|address| !address.trim_end_matches('/').ends_with(PROJECT)) {
        return Err(format!(
            "{ENDPOINT}: with {MULTI} it has to end in {PROJECT}, or all projects have one account"
        ));
    }
    let admins = admins.split(',').map(str::trim).filter(|project| !project.is_empty()).map(str::to_owned);
    Ok(Some(Projects { trusts, admins: admins.collect() }))
}

fn version(options: &mut dyn Options) -> Version {
    match options.text(VERSION).as_deref() {
        Some("1" | "1.0") => Version::One,
        None | Some("3") => Version::Three,
        Some("2" | "2.0") => {
            options.refuse(VERSION, "Keystone's version 2 is not spoken any more; use 3".to_owned());
            Version::Three
        }
        Some(other) => {
            options.refuse(VERSION, format!("`{other}` is neither 3 nor 1"));
            Version::Three
        }
    }
}

/// The accounts of the file, or the one that the options themselves describe.
fn accounts(options: &dyn Options, reference: &str, version: Version) -> Result<Vec<Account>, String> {
    let names = [
        (ADDRESS, "auth_address"),
        (USER, "user"),
        (KEY, "key"),
        (CREDENTIAL, "application_credential_id"),
        (SECRET, "application_credential_secret"),
    ];
    let said = names.iter().filter_map(|(option, name)| Some(((*name).to_owned(), options.text(option)?)));
    let said: BTreeMap<_, _> = said.collect();
    if let Some(path) = options.path(FILE) {
        let path = found(&path);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("it cannot be read: {error}"));
        let accounts = text.and_then(|text| accounts::read(&text, version));
        return accounts.map_err(|reason| format!("{FILE}: {}: {reason}", path.display()));
    }
    if said.is_empty() {
        return Ok(Vec::new());
    }
    Account::of(reference, &said, version)
        .map(|account| vec![account])
        .map_err(|why| format!("{ADDRESS}: {why}"))
}

/// Where a file is that the configuration names.
fn found(path: &Path) -> PathBuf {
    if path.is_absolute() || path.exists() { path.to_owned() } else { Path::new(CONFIGURATION).join(path) }
}

fn endpoint(options: &mut dyn Options, defaults: Endpoint) -> Endpoint {
    let interface = match options.text(INTERFACE).as_deref() {
        None => defaults.interface,
        Some(word @ ("publicURL" | "internalURL" | "adminURL")) => word.trim_end_matches("URL").to_owned(),
        Some(other) => {
            options.refuse(INTERFACE, format!("`{other}` is not publicURL, internalURL or adminURL"));
            defaults.interface
        }
    };
    let fixed = options.text(ENDPOINT);
    if let Some(text) = &fixed
        && !Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
    {
        options.refuse(ENDPOINT, format!("`{text}` is neither http://HOST/PATH nor https://HOST/PATH"));
    }
    let service = options.text(SERVICE).unwrap_or(defaults.service);
    Endpoint { fixed, service, interface, region: options.text(REGION) }
}

fn tls(options: &mut dyn Options) -> Tls {
    let mut tls = Tls { verify: !options.bool(INSECURE), ..Tls::default() };
    if let Some(path) = options.path(AUTHORITIES) {
        let pem = std::fs::read(&path).map_err(|error| format!("cannot be read: {error}"));
        match pem.and_then(|pem| Authorities::from_pem(&pem)) {
            Ok(authorities) => tls.authorities = Some(authorities),
            Err(reason) => options.refuse(AUTHORITIES, format!("{} {reason}", path.display())),
        }
    }
    tls
}

/// The folder of segments, if they are to be written to one; it must take a file.
fn folder(options: &dyn Options) -> Result<Option<PathBuf>, String> {
    let folder = options.path(FOLDER);
    if !options.bool(BUFFER) {
        return Ok(None);
    }
    let folder = folder.ok_or_else(|| format!("{BUFFER}: it needs {FOLDER}"))?;
    match spool::new_file(&folder) {
        Ok(_) => Ok(Some(folder)),
        Err(error) => Err(format!("{FOLDER}: no file can be made in {}: {error}", folder.display())),
    }
}
