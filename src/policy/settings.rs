//! Options of the section `oslo_policy`.

use std::path::PathBuf;

/// Options of the configuration's section `oslo_policy`, with paths already resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The main override file. It may be absent, and may appear later; empty means none.
    pub policy_file: PathBuf,
    /// Directories of further override files, read after `policy_file` in this order.
    pub policy_dirs: Vec<PathBuf>,
    /// The rule that is used for names without a definition.
    pub policy_default_rule: String,
    /// False: a rule that no file defines is also granted by its default of earlier releases.
    pub enforce_new_defaults: bool,
    /// Whether a rule refuses tokens of a scope that is not its own. oslo.policy 6 removed the option
    /// and always does; we still honour an explicit false.
    pub enforce_scope: bool,
    /// Whether few may have data fetched from other networks unless a file says otherwise (`[vitrine] profile`).
    pub hardened: bool,
    /// How remote checks encode their question.
    pub remote_content_type: RemoteContentType,
    /// Seconds that a remote check may take in all.
    pub remote_timeout: f64,
    /// Whether remote checks over https verify the server's certificate.
    pub remote_ssl_verify_server_crt: bool,
    /// Authorities for that verification (PEM), in place of the system's.
    pub remote_ssl_ca_crt_file: Option<PathBuf>,
    /// Our certificate for remote checks over https (PEM).
    pub remote_ssl_client_crt_file: Option<PathBuf>,
    /// Its key (PEM, without a passphrase); by default in the same file as the certificate.
    pub remote_ssl_client_key_file: Option<PathBuf>,
}

/// Encoding of a remote check's question, option `remote_content_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoteContentType {
    /// `application/x-www-form-urlencoded`: three fields, each a JSON text.
    #[default]
    Form,
    /// `application/json`: one object.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy_file: PathBuf::new(),
            policy_dirs: Vec::new(),
            policy_default_rule: "default".to_owned(),
            enforce_new_defaults: true,
            enforce_scope: true,
            hardened: false,
            remote_content_type: RemoteContentType::default(),
            remote_timeout: 60.0,
            remote_ssl_verify_server_crt: false,
            remote_ssl_ca_crt_file: None,
            remote_ssl_client_crt_file: None,
            remote_ssl_client_key_file: None,
        }
    }
}
