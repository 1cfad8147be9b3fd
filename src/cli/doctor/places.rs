//! The places of stores, staging folder and cache: whether each has its own.

use std::{
    any::Any,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::future::join_all;

use super::{case::Case, finding::Finding};
use crate::{
    config::{Config, StoreSettings},
    server::stores::staging_folder,
    store::kinds::file,
    telemetry,
};

/// How long a folder may take to say where it is. One that hangs is told of by the check of its store.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Where {
    Folder(PathBuf),
    Service(String),
}

/// Looks at them.
pub async fn look(case: &Case, config: &Config) -> Vec<Finding> {
    let places = join_all(places(case, config).into_iter().map(|(owner, place)| async {
        let place = match place {
            Where::Folder(folder) => Where::Folder(real(folder).await?),
            service @ Where::Service(_) => service,
        };
        Some((owner, place))
    }));
    shared(&places.await.into_iter().flatten().collect::<Vec<_>>())
}

/// A folder without links in its path, if it is there.
async fn real(folder: PathBuf) -> Option<PathBuf> {
    let real = telemetry::blocking(move || folder.canonicalize().ok());
    tokio::time::timeout(PATIENCE, real).await.ok()?.ok().flatten()
}

/// The folders of a file store.
pub fn folders(one: &StoreSettings, data_dir: &Path) -> Vec<PathBuf> {
    let settings: &dyn Any = one.settings.as_ref();
    let Some(settings) = settings.downcast_ref::<file::Settings>() else { return Vec::new() };
    match settings.folders.is_empty() {
        true => vec![data_dir.join("images")],
        false => settings.folders.iter().map(|folder| folder.path.clone()).collect(),
    }
}

/// Who has which place: folders, or the settings of a store elsewhere.
fn places(case: &Case, config: &Config) -> Vec<(String, Where)> {
    let mut places = Vec::new();
    for one in &config.stores.list {
        let kind = one.settings.kind().name;
        let own = folders(one, &case.folder);
        if own.is_empty() && !["http", "memory"].contains(&kind) {
            places.push((format!("store {}", one.id), Where::Service(format!("{kind} {:?}", one.settings))));
        }
        places.extend(own.into_iter().map(|folder| (format!("store {}", one.id), Where::Folder(folder))));
    }
    let staging = staging_folder(&config.stores, &case.folder);
    places.push(("the staging folder".to_owned(), Where::Folder(staging)));
    let cache = config.cache.as_ref().map(|cache| cache.dir.clone());
    places.extend(cache.map(|folder| ("the cache".to_owned(), Where::Folder(folder))));
    places
}

fn shared(places: &[(String, Where)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, (one, here)) in places.iter().enumerate() {
        for (other, there) in places.iter().skip(number.saturating_add(1)) {
            findings.extend(judge((one, here), (other, there)));
        }
    }
    findings
}

fn judge((one, here): (&str, &Where), (other, there): (&str, &Where)) -> Option<Finding> {
    let place = match (here, there) {
        (Where::Folder(a), Where::Folder(b)) if a == b => a.display().to_string(),
        (Where::Service(a), Where::Service(b)) if a == b => "the same settings".to_owned(),
        (Where::Folder(a), Where::Folder(b)) if one != other => {
            let (outer, inner, folder) = match (a.starts_with(b), b.starts_with(a)) {
                (true, _) => (other, one, a),
                (_, true) => (one, other, b),
                _ => return None,
            };
            return Some(Finding::warning(
                "places-nested",
                format!("the place of {inner}, {}, is inside that of {outer}", folder.display()),
                "Give each a place of its own beside the other: whoever empties, moves or measures the outer one does so with \
                 the inner one.",
            ));
        }
        _ => return None,
    };
    Some(Finding::failure(
        "places-shared",
        format!("{one} and {other} are in one place: {place}"),
        "Give each a place of its own: each takes what is the other's for remains, or for its own.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that places are shared by what is the same, that what is inside another's is only warned of, and that neither is
    /// what is called alike or is inside its own.
    #[test]
    fn shared_places_are_told() {
        let folder = |name: &str, path: &str| (name.to_owned(), Where::Folder(PathBuf::from(path)));
        let service = |name: &str, text: &str| (name.to_owned(), Where::Service(text.to_owned()));
        let told = |places: &[(String, Where)]| shared(places).iter().map(|f| f.id).collect::<Vec<_>>();
        let apart = [folder("a", "/x/a"), folder("b", "/x/ab"), service("c", "s"), service("d", "t")];
        assert!(told(&apart).is_empty());
        assert_eq!(told(&[folder("a", "/x"), folder("b", "/x")]), ["places-shared"]);
        assert_eq!(told(&[service("c", "s"), service("d", "s")]), ["places-shared"]);
        let nested = [folder("a", "/x/y"), folder("b", "/z"), folder("c", "/x")];
        assert_eq!(told(&nested), ["places-nested"]);
        let said = shared(&nested).pop().map(|finding| finding.what).unwrap_or_default();
        assert_eq!(said, "the place of a, /x/y, is inside that of c");
        assert!(told(&[folder("a", "/x"), folder("a", "/x/y")]).is_empty());
    }
}
