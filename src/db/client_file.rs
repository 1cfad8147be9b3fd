//! `read_default_file` in a MySQL URL: the TLS options of that file, interpreted as PyMySQL does
//! (`pymysql/connections.py`, `pymysql/optionfile.py`). RHOSO's operator sets TLS there.

use std::{fs::File, io::Read};

/// Bytes that such a file may have.
const BYTES_MAX: u64 = 64 << 10;
/// What PyMySQL takes of the file where the URL does not have it.
const OF_THE_URL: [&str; 6] = ["user", "password", "host", "port", "socket", "database"];

/// What says in the URL whether the name in the certificate is compared.
const IDENTITY: [&str; 2] = ["ssl_verify_identity", "ssl_check_hostname"];

/// The options of a URL merged with those of the option file that it names; options of the URL win. `place` is what
/// precedes them; `is_local` means that the server is reached without the network. With `ssl-ca` in the file the name
/// in the certificate is checked, as in PyMySQL, unless the URL disables it.
///
/// # Errors
/// A sentence when the file cannot be read, or asks for something that is not done.
pub fn merged(place: &str, options: &str, is_local: bool) -> Result<String, String> {
    let of_url: Vec<_> = form_urlencoded::parse(options.as_bytes()).collect();
    let named = |name: &str| of_url.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    let Some(path) = named("read_default_file") else { return Ok(options.to_owned()) };
    let group = named("read_default_group").unwrap_or("client");
    let refused = |why: &str| {
        format!("connection: the option \"read_default_file\" of the URL cannot be obeyed: {why}")
    };
    let text = read(path).map_err(|error| refused(&format!("cannot read the file: {error}")))?;
    let of_file = entries(&text, group);
    let mut merged = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &of_url {
        if !["read_default_file", "read_default_group"].contains(&&**name) {
            merged.append_pair(name, value);
        }
    }
    for (name, value) in &of_file {
        match name.as_str() {
            "ssl-ca" | "ssl-cert" | "ssl-key" => {
                let name = name.replace('-', "_");
                if value.is_empty() || named(&name).is_some() {
                    continue;
                }
                merged.append_pair(&name, value);
                let says_itself = IDENTITY.iter().any(|option| named(option).is_some());
                if name == "ssl_ca" && !is_local && !says_itself {
                    merged.append_pair(IDENTITY[0], "true");
                }
            }
            "ssl-capath" | "ssl-cipher" | "ssl-password" | "bind-address" => {
                return Err(refused(&format!(
                    "{name} in the file is not supported; only ssl-ca, ssl-cert and ssl-key are"
                )));
            }
            "ssl" if value != "0" => {
                let has_ca = of_file.iter().any(|(name, _)| name == "ssl-ca") || named("ssl_ca").is_some();
                if !has_ca {
                    return Err(refused(
                        "ssl in the file needs ssl-ca, which the server's certificate is checked against",
                    ));
                }
            }
            name if OF_THE_URL.contains(&name) && !place.contains('@') => {
                return Err(refused(&format!("write {name} into the URL")));
            }
            _ => {}
        }
    }
    Ok(merged.finish())
}

fn read(path: &str) -> std::io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > BYTES_MAX {
        return Err(std::io::Error::other("it is larger than 64 KiB"));
    }
    Ok(text)
}

/// The options of one group; names in small letters and with hyphens, as MySQL's own clients take both.
fn entries(text: &str, group: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';', '!']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            inside = name.split(']').next() == Some(group);
        } else if inside {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let value = value.trim();
            let quoted =
                ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            entries.push((name.trim().to_lowercase().replace('_', "-"), quoted.unwrap_or(value).to_owned()));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn of(text: &str, options: &str) -> Result<String, String> {
        let file = file(text);
        merged("//u:p@h/d", &format!("read_default_file={}{options}", file.path().display()), false)
    }

    /// TLS is as the file says, the URL wins, and what is of other programs is passed over.
    #[test]
    fn files_say_what_tls_there_is() {
        let rhoso = "[client]\nssl-ca=/a/ca.pem\nssl=1\n";
        assert_eq!(of(rhoso, "").unwrap(), "ssl_ca=%2Fa%2Fca.pem&ssl_verify_identity=true");
        assert_eq!(of(rhoso, "&ssl_ca=/b").unwrap(), "ssl_ca=%2Fb");
        assert_eq!(of("[client]\nssl=0", "&charset=utf8").unwrap(), "charset=utf8");
        let all =
            "# x\n[mysqld]\nssl-ca=/z\n[client]\nSSL_CA = '/a'\nssl-cert=\"/b\"\nssl-key=/c\nuser=root\n";
        assert_eq!(of(all, "").unwrap(), "ssl_ca=%2Fa&ssl_verify_identity=true&ssl_cert=%2Fb&ssl_key=%2Fc");
        assert_eq!(of(all, "&read_default_group=mysqld").unwrap(), "ssl_ca=%2Fz&ssl_verify_identity=true");
        assert_eq!(merged("//h/d", "charset=utf8", false).unwrap(), "charset=utf8");
    }

    /// Proves that a file which names an authority has the name in the certificate compared, unless the URL says otherwise
    /// or the server is on this machine, where there is no name to compare.
    #[test]
    fn sec_4_an_authority_of_the_file_compares_names() {
        let rhoso = "[client]\nssl-ca=/a\nssl=1\n";
        for (said, expected) in [
            ("", "ssl_ca=%2Fa&ssl_verify_identity=true"),
            ("&ssl_verify_identity=false", "ssl_verify_identity=false&ssl_ca=%2Fa"),
            ("&ssl_check_hostname=false", "ssl_check_hostname=false&ssl_ca=%2Fa"),
            ("&ssl_ca=/b", "ssl_ca=%2Fb"),
        ] {
            assert_eq!(of(rhoso, said).unwrap(), expected, "{said}");
        }
        let file = file(rhoso);
        let options = format!("read_default_file={}", file.path().display());
        assert_eq!(merged("//localhost/d", &options, true).unwrap(), "ssl_ca=%2Fa");
    }

    /// What would be forgotten in silence is refused by a sentence that names it.
    #[test]
    fn what_cannot_be_obeyed_is_refused() {
        for (text, word) in [
            ("[client]\nssl=1", "needs ssl-ca"),
            ("[client]\nssl", "needs ssl-ca"),
            ("[client]\nssl-capath=/a", "ssl-capath"),
            ("[client]\nssl-cipher=X", "ssl-cipher"),
        ] {
            let why = of(text, "").unwrap_err();
            assert!(why.contains(word) && why.contains("read_default_file"), "{why}");
        }
        let file = file("[client]\npassword=secret\n");
        let why =
            merged("//h/d", &format!("read_default_file={}", file.path().display()), false).unwrap_err();
        assert!(why.contains("write password into the URL") && !why.contains("secret"), "{why}");
        assert!(
            merged("//u@h/d", "read_default_file=/nowhere", false)
                .unwrap_err()
                .contains("cannot read the file")
        );
        let large = "#".repeat(65 << 10);
        assert!(of(&large, "").unwrap_err().contains("64 KiB"));
    }
}
