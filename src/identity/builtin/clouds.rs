//! `clouds.yaml`, written for the first user.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::bootstrap::Passwords;

/// The file's text: clouds `vitrine` (user demo) and `vitrine-admin` (user admin). `base_url` is where the server
/// is reached, without a trailing slash; `prefix` and `region` are the identity's.
pub fn render(base_url: &str, prefix: &str, region: &str, passwords: &Passwords) -> String {
    let cloud = |cloud: &str, user: &str, password: &str| {
        format!(
            "  {cloud}:\n    auth_type: password\n    auth:\n      auth_url: {auth_url}\n      username: {user}\n      \
             password: {password}\n      project_name: {user}\n      user_domain_id: default\n      \
             project_domain_id: default\n    region_name: {region}\n    interface: public\n    \
             identity_api_version: 3\n",
            auth_url = quoted(&format!("{base_url}{prefix}/v3")),
            password = quoted(password),
            region = quoted(region),
        )
    };
    format!(
        "# Made by the first start of Vitrine. Use it with OS_CLIENT_CONFIG_FILE=<this file> and OS_CLOUD=vitrine.\n\
         clouds:\n{}{}",
        cloud("vitrine", "demo", &passwords.demo),
        cloud("vitrine-admin", "admin", &passwords.admin),
    )
}

/// Writes the file with mode 0600 and atomically: temporary name, fsync, rename, fsync of the folder. Blocking.
///
/// # Errors
/// The system's; a file that was there before is then unchanged.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = folder.join(format!(".{:016x}.tmp", rand::random::<u64>()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        if let Err(left) = fs::remove_file(&temporary) {
            tracing::debug!(file = %temporary.display(), %left, "no temporary file to remove");
        }
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Points a file that [`render`] made to another `auth_url`; the server may listen elsewhere than last time.
/// Blocking.
///
/// # Errors
/// The system's; the file is then unchanged.
pub fn follow(path: &Path, auth_url: &str) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    let wanted = format!("      auth_url: {}", quoted(auth_url));
    let followed: String = text
        .lines()
        .map(|line| if line.starts_with("      auth_url: ") { &wanted } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    if followed == text { Ok(()) } else { write(path, &followed) }
}

/// A YAML scalar in double quotes, which for these texts is the same as in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_for_its_owner_alone_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clouds.yaml");
        let passwords = Passwords { admin: "a\"b".into(), demo: "c: d".into() };
        let text = render("http://127.0.0.1:9292", "/identity", "RegionOne", &passwords);
        write(&path, "older").unwrap();
        write(&path, &text).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        let read = std::fs::read_to_string(&path).unwrap();
        let clouds: serde_json::Value = serde_saphyr::from_str(&read).unwrap();
        let clouds = &clouds["clouds"];
        assert_eq!(clouds["vitrine"]["auth"]["auth_url"], "http://127.0.0.1:9292/identity/v3");
        assert_eq!(clouds["vitrine"]["auth"]["password"], "c: d");
        assert_eq!(clouds["vitrine-admin"]["auth"]["password"], "a\"b");
    }
}
