//! The database: whether it answers, how fast, its schema, its version, and whether it allows the connections of all nodes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::statfs::{AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, statfs};

use super::{
    case::{Case, NoDatabase},
    finding::Finding,
};
use crate::{
    config::Config,
    db::{
        Db, Schema, SchemaError, Settings, check,
        figures::about::{self, About},
    },
    telemetry,
};

/// An answer that takes longer is slow.
const SLOW: Duration = Duration::from_millis(100);
/// Questions, of which the fastest answer counts.
const QUESTIONS: usize = 3;
/// The oldest PostgreSQL that is supported, and the oldest MariaDB of the tests.
const POSTGRESQL: (u32, u32) = (12, 0);
const MARIADB: (u32, u32) = (10, 11);
/// File systems of other machines for which there is no name elsewhere: CIFS, SMB2, Ceph, Lustre, 9p.
const REMOTE: [i64; 5] = [0xFF53_4D42, 0xFE53_4D42, 0x00C3_6400, 0x0BD0_0BD0, 0x0102_1997];

/// Looks at it.
pub async fn look(case: &Case) -> Vec<Finding> {
    let config = match case.config() {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let settings = case.settings(config);
    let db = match case.database(config).await {
        Ok(db) => db,
        Err(NoDatabase::NotMade(file)) => {
            return vec![Finding::note(
                "database-missing",
                format!("there is no database {} yet", file.display()),
                "A server makes it at its first start. If one has run here, name its folder with --data-dir.",
            )];
        }
        Err(NoDatabase::Away(why)) => return vec![away(&settings, why)],
    };
    let (about, took) = match ask(&db).await {
        Ok(asked) => asked,
        Err(why) => return vec![away(&settings, settings.cannot_be_opened(why))],
    };
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(file) = case.database_file(config) {
        findings.extend(telemetry::blocking(move || of_file(&file)).await.ok().flatten());
    }
    findings.extend(judge_latency(took));
    findings.extend(schema(&db, &settings).await);
    findings.extend(locations(&db).await);
    findings.extend(judge_version(&about));
    findings.extend(judge_charset(&about));
    findings.extend(connections(case, config, &settings, &about).await);
    if findings.is_empty() {
        let About { product, version, .. } = &about;
        findings.push(Finding::ok(format!(
            "{} ({product} {version}) answers in {:.1} ms; the schema is up to date",
            settings.shown().unwrap_or_default(),
            took.as_secs_f64() * 1e3
        )));
    }
    findings
}

fn away(settings: &Settings, why: String) -> Finding {
    let remedy = match settings.is_shared() {
        true => {
            "See whether the database server runs and can be reached from here, and whether [database] connection names \
             it, its user and its password as they are."
        }
        false => "See whether the file is a database and this user may write it, and its folder.",
    };
    Finding::failure("database-unreachable", why, remedy)
}

/// What the server says of itself, and how long its fastest answer took.
async fn ask(db: &Db) -> Result<(About, Duration), String> {
    let mut best: Option<(About, Duration)> = None;
    for _ in 0..QUESTIONS {
        let begun = Instant::now();
        let about = db.read_one("doctor.about", about::about).await.map_err(|e| e.to_string())?;
        let took = begun.elapsed();
        if best.as_ref().is_none_or(|(_, least)| took < *least) {
            best = Some((about, took));
        }
    }
    best.ok_or_else(|| "it was not asked".to_owned())
}

/// An embedded database on a file system of another machine.
fn of_file(file: &Path) -> Option<Finding> {
    let kind = statfs(file).ok()?.filesystem_type();
    is_remote(kind).then(|| {
        Finding::warning(
            "database-on-network",
            format!("the SQLite database {} is on a network file system", file.display()),
            "Its locks do not work there, and a crash may destroy it: keep it on a disk of this machine, or use \
             PostgreSQL or MariaDB.",
        )
    })
}

fn is_remote(kind: FsType) -> bool {
    [NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, AFS_SUPER_MAGIC, CODA_SUPER_MAGIC].contains(&kind)
        || REMOTE.iter().any(|magic| i128::from(*magic) == i128::from(kind.0))
}

fn judge_latency(took: Duration) -> Option<Finding> {
    (took > SLOW).then(|| {
        Finding::warning(
            "database-slow",
            format!("the database takes {:.0} ms for a question about nothing", took.as_secs_f64() * 1e3),
            "Each request takes several such answers. See how far away it is, and what it is busy with.",
        )
    })
}

async fn schema(db: &Db, settings: &Settings) -> Option<Finding> {
    let (db, shared) = (db.clone(), settings.is_shared());
    match telemetry::blocking(move || db.schema()).await {
        Ok(Ok(schema)) => judge_schema(&schema, shared),
        Ok(Err(error)) => Some(away(settings, error.to_string())),
        Err(fault) => Some(Finding::skipped(fault)),
    }
}

fn judge_schema(schema: &Schema, shared: bool) -> Option<Finding> {
    match schema {
        Schema::Current => None,
        Schema::Older(missing) if shared => Some(Finding::failure(
            "schema-old",
            format!(
                "the database schema is older than this version of Vitrine (it lacks {})",
                missing.join(", ")
            ),
            "No server of this version starts: run `vitrine db sync` with the same configuration.",
        )),
        Schema::Older(missing) => Some(Finding::note(
            "schema-behind",
            format!(
                "the database schema is older than this version of Vitrine (it lacks {})",
                missing.join(", ")
            ),
            "The server upgrades it at its next start.",
        )),
        Schema::Uncontracted(left) => Some(Finding::note(
            "schema-uncontracted",
            format!("the database schema still has what {} removes", left.join(", ")),
            "Run `vitrine db contract` when no node of the version before runs.",
        )),
        Schema::Expanded(version) => Some(Finding::warning(
            "schema-expanded",
            format!("the database schema was expanded for a newer version of Vitrine ({version})"),
            "Finish the upgrade: replace this version on every node, then run `vitrine db contract`.",
        )),
        Schema::Newer(version) => Some(Finding::failure(
            "schema-newer",
            SchemaError::Newer(version.clone()).to_string(),
            "Install the version that upgraded the database, or restore the backup from before.",
        )),
    }
}

/// Whether the locations can be decrypted. Of a database whose schema is another nothing is said.
async fn locations(db: &Db) -> Option<Finding> {
    let (sealed, all) = db.read_one("doctor.locations", check::sealed_of_some).await.ok()?;
    (sealed > 0).then(|| {
        Finding::failure(
            "locations-sealed",
            format!("{sealed} of {all} locations cannot be decrypted with the metadata_encryption_key"),
            "Their data is not served. Set the key that they were encrypted with; `vitrine check` names them all.",
        )
    })
}

fn judge_version(about: &About) -> Option<Finding> {
    let About { product, version, .. } = about;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok());
    let found = (numbers.next()?, numbers.next().unwrap_or_default());
    match *product {
        "PostgreSQL" if found < POSTGRESQL => Some(Finding::warning(
            "database-old",
            format!("{product} {version} is older than any that Vitrine supports"),
            "Upgrade it to PostgreSQL 12 or later.",
        )),
        "MySQL" => Some(untested(about)),
        "MariaDB" if found < MARIADB => Some(untested(about)),
        _ => None,
    }
}

fn untested(about: &About) -> Finding {
    let About { product, version, .. } = about;
    Finding::note(
        "database-untested",
        format!("Vitrine is not tested with {product} {version}"),
        "It is with MariaDB 10.11 and PostgreSQL 15. Try upgrades on a copy first (`vitrine db backup`).",
    )
}

fn judge_charset(about: &About) -> Option<Finding> {
    let (good, remedy) = match about.product {
        "PostgreSQL" => (
            "UTF8",
            "Make the database anew with `createdb -E UTF8`, and move the rows with `vitrine db backup`.",
        ),
        "MariaDB" | "MySQL" => {
            ("utf8mb4", "ALTER DATABASE … CHARACTER SET utf8mb4; tables have theirs by themselves.")
        }
        _ => return None,
    };
    (about.charset != good).then(|| {
        let what = format!("the character set of the database is {}, and should be {good}", about.charset);
        Finding::warning("database-charset", what, remedy)
    })
}

async fn connections(case: &Case, config: &Config, settings: &Settings, about: &About) -> Option<Finding> {
    let most = about.connections_max?;
    let nodes = case.running(config).await.map_or(1, |(nodes, _)| nodes.len()).max(1);
    judge_connections(most, settings.max_pool_size.saturating_add(settings.max_overflow), nodes)
}

fn judge_connections(most: u32, pool: u32, nodes: usize) -> Option<Finding> {
    let wanted = u64::from(pool).saturating_mul(u64::try_from(nodes).unwrap_or(u64::MAX));
    (wanted > u64::from(most)).then(|| {
        Finding::warning(
            "database-connections",
            format!("nodes: {nodes}, each with up to {pool} connections, and the database server allows {most} in all"),
            "Raise max_connections of the database server, or lower max_pool_size and max_overflow in [database].",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn about(product: &'static str, version: &str, charset: &str) -> About {
        let (version, charset) = (version.to_owned(), charset.to_owned());
        About { product, version, clock: Timestamp(0), connections_max: None, charset }
    }

    fn id(finding: Option<Finding>) -> &'static str {
        finding.map_or("", |finding| finding.id)
    }

    /// Proves which versions are older than those of the tests, and which character sets are wrong.
    #[test]
    fn servers_are_judged() {
        for (product, version, charset, ids) in [
            ("PostgreSQL", "15.4 (Debian 15.4-1)", "UTF8", ("", "")),
            ("PostgreSQL", "12.1", "UTF8", ("", "")),
            ("PostgreSQL", "11.9", "SQL_ASCII", ("database-old", "database-charset")),
            ("MariaDB", "10.11.6-MariaDB-0+deb12u1", "utf8mb4", ("", "")),
            ("MariaDB", "11.4.2-MariaDB", "utf8mb4", ("", "")),
            ("MariaDB", "10.6.12-MariaDB", "latin1", ("database-untested", "database-charset")),
            ("MySQL", "8.0.36", "utf8mb3", ("database-untested", "database-charset")),
            ("SQLite", "3.45.0", "utf8", ("", "")),
        ] {
            let about = about(product, version, charset);
            assert_eq!((id(judge_version(&about)), id(judge_charset(&about))), ids, "{about:?}");
        }
    }

    /// Proves what is said of each state of the schema, of an embedded database and a shared one.
    #[test]
    fn schemas_are_judged() {
        let names = || vec!["0002".to_owned()];
        for (schema, shared, found) in [
            (Schema::Current, true, ""),
            (Schema::Older(names()), true, "schema-old"),
            (Schema::Older(names()), false, "schema-behind"),
            (Schema::Uncontracted(names()), true, "schema-uncontracted"),
            (Schema::Expanded("9".to_owned()), true, "schema-expanded"),
            (Schema::Newer("9".to_owned()), false, "schema-newer"),
        ] {
            assert_eq!(id(judge_schema(&schema, shared)), found);
        }
    }

    /// Proves the bounds of connections, of time, and of what is another machine's.
    #[test]
    fn bounds_are_judged() {
        assert_eq!(id(judge_connections(100, 50, 2)), "");
        assert_eq!(id(judge_connections(99, 50, 2)), "database-connections");
        assert_eq!(id(judge_latency(SLOW)), "");
        assert_eq!(id(judge_latency(SLOW * 2)), "database-slow");
        assert!(is_remote(NFS_SUPER_MAGIC) && !is_remote(nix::sys::statfs::EXT4_SUPER_MAGIC));
    }
}
