//! Sources of values: files, folders of files, the environment and the command line.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{Finding, Topic};
use super::ini;
use super::origin::Origin;

/// Bytes that one configuration file may have.
const FILE_SIZE_BYTES_MAX: u64 = 4 << 20;

/// A file or a folder named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// `--config-file`.
    File(PathBuf),
    /// `--config-dir`: each `*.conf` in it, in the order of their names.
    Dir(PathBuf),
}

/// A value given on the command line, which beats all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Section of the option.
    pub section: String,
    /// Name of the option.
    pub option: String,
    /// Its value, as it would be written in a file without quotes.
    pub value: String,
}

/// A program of Glance's, as its own files are named.
#[derive(Debug)]
pub struct Program {
    /// The programs whose files it reads, later ones win: `glance-api` is `glance-api.conf` and `glance-api.conf.d`.
    pub reads: &'static [&'static str],
    /// Whether it is the service, whose files are in `$OS_GLANCE_CONFIG_DIR` where that is set.
    pub is_service: bool,
}

/// Everything that configuration is read from. Tests build one in code.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files and folders in the order of the command line; what comes later wins.
    pub inputs: Vec<Input>,
    /// The environment; `OS_<SECTION>__<OPTION>` beats files.
    pub env: Vec<(String, String)>,
    /// Values of the command line.
    pub overrides: Vec<Override>,
}

impl Sources {
    /// The sources of this process: `inputs`, or if there are none, those of the package, or Glance's default files in
    /// `$OS_GLANCE_CONFIG_DIR` or `/etc/glance` (`glance/common/wsgi_app.py::_get_config_files`).
    pub fn of_process(inputs: Vec<Input>, overrides: Vec<Override>) -> Sources {
        let env = environment(std::env::vars_os());
        let inputs = if inputs.is_empty() { usual_inputs(&env, Path::new("/etc/vitrine")) } else { inputs };
        Sources { inputs, env, overrides }
    }

    /// The sources of a program of Glance's: files and folders that are not named are looked for each by itself
    /// (`oslo_config/cfg.py: find_config_files, find_config_dirs`).
    pub fn of_program(
        program: &Program,
        files: Vec<Input>,
        dirs: Vec<Input>,
        overrides: Vec<Override>,
    ) -> Sources {
        let mut sources = Sources { env: environment(std::env::vars_os()), overrides, ..Sources::default() };
        let elsewhere = program.is_service && sources.variable("OS_GLANCE_CONFIG_DIR").is_some();
        let files = match files.is_empty() {
            true => elsewhere.then(|| default_inputs(&sources.env)),
            false => Some(files),
        };
        sources.inputs = inputs_of(program, files, dirs, &sources.usual_dirs());
        sources
    }

    /// The value of an environment variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Folders in which a relative file name of an option is looked for, best first
    /// (`oslo_config/cfg.py::ConfigOpts.find_file`).
    pub fn search_dirs(&self) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = Vec::new();
        for input in &self.inputs {
            if let Input::Dir(dir) = input {
                dirs.push(dir.clone());
            }
        }
        for input in self.inputs.iter().rev() {
            if let Input::File(file) = input {
                dirs.push(file.parent().unwrap_or(Path::new("")).to_owned());
            }
        }
        dirs.extend(self.usual_dirs());
        dirs
    }

    /// Where files of Glance lie, best first.
    fn usual_dirs(&self) -> Vec<PathBuf> {
        let home = self.variable("HOME").map(|home| [Path::new(home).join(".glance"), PathBuf::from(home)]);
        let system = ["/etc/glance", "/etc"].map(PathBuf::from);
        home.into_iter().flatten().chain(system).collect()
    }
}

/// The files and folders of a program of Glance's: those that are named, else each from the first place that has it.
fn inputs_of(
    program: &Program,
    files: Option<Vec<Input>>,
    dirs: Vec<Input>,
    places: &[PathBuf],
) -> Vec<Input> {
    let first = |name: String| places.iter().map(|dir| dir.join(&name)).find(|path| path.exists());
    let own = |ending: &'static str| {
        std::iter::once("glance")
            .chain(program.reads.iter().copied())
            .map(move |name| format!("{name}{ending}"))
    };
    let mut inputs = files.unwrap_or_else(|| {
        let names = std::iter::once("glance-image-import.conf".to_owned()).chain(own(".conf"));
        names.filter_map(first).map(Input::File).collect()
    });
    inputs.extend(match dirs.is_empty() {
        true => own(".conf.d").filter_map(first).map(Input::Dir).collect(),
        false => dirs,
    });
    inputs
}

/// Names and values as text. What is not UTF-8 gets U+FFFD, which no option accepts.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    variables
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect()
}

/// What a program of ours reads if nothing is named: `vitrine.conf` and `conf.d` in the folder of the package, unless the
/// environment names one of Glance's or there is no such file.
fn usual_inputs(env: &[(String, String)], ours: &Path) -> Vec<Input> {
    let file = ours.join("vitrine.conf");
    if glance_dir(env).is_some() || !file.exists() {
        return default_inputs(env);
    }
    let dir = Some(ours.join("conf.d")).filter(|dir| dir.exists());
    std::iter::once(Input::File(file)).chain(dir.map(Input::Dir)).collect()
}

fn glance_dir(env: &[(String, String)]) -> Option<&str> {
    env.iter().find(|(name, _)| name == "OS_GLANCE_CONFIG_DIR").map(|(_, value)| value.trim())
}

fn default_inputs(env: &[(String, String)]) -> Vec<Input> {
    let dir = glance_dir(env).unwrap_or("/etc/glance");
    ["glance-image-import.conf", "glance-api.conf"]
        .iter()
        .map(|name| Path::new(dir).join(name))
        .filter(|path| path.exists())
        .map(Input::File)
        .collect()
}

/// One file that was read.
pub(super) struct Layer {
    pub(super) path: Arc<Path>,
    pub(super) parsed: ini::Parsed,
    by_name: HashMap<(String, String), Vec<usize>>,
}

impl Layer {
    fn new(path: &Path, text: &str) -> Layer {
        let parsed = ini::parse(text);
        let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, entry) in parsed.entries.iter().enumerate() {
            let name = (normal(&entry.section), entry.key.clone());
            by_name.entry(name).or_default().push(at);
        }
        Layer { path: path.into(), parsed, by_name }
    }

    /// The entries of one key, in file order. Sections are compared as in oslo.config: in lower case, except `DEFAULT`.
    pub(super) fn entries(&self, section: &str, key: &str) -> impl Iterator<Item = &ini::Entry> {
        self.by_name
            .get(&(normal(section), key.to_owned()))
            .into_iter()
            .flatten()
            .filter_map(|at| self.parsed.entries.get(*at))
    }
}

/// How section names are compared (`oslo_config/cfg.py::_normalize_group_name`).
pub(super) fn normal(section: &str) -> String {
    if section == "DEFAULT" { section.to_owned() } else { section.to_lowercase() }
}

/// Reads all files, first to last. Unreadable files become findings.
pub(super) fn read(inputs: &[Input], findings: &mut Vec<Finding>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for input in inputs {
        match input {
            Input::File(path) => layers.extend(read_file(path, findings)),
            Input::Dir(dir) => match conf_files(dir) {
                Ok(files) => layers.extend(files.iter().filter_map(|f| read_file(f, findings))),
                Err(error) => findings.push(unreadable(dir, &error)),
            },
        }
    }
    layers
}

/// The `*.conf` of a folder, sorted by name; hidden ones are passed over, as by a shell.
fn conf_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(b".conf") && !name.starts_with(b".") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path, findings: &mut Vec<Finding>) -> Option<Layer> {
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            findings.push(unreadable(path, &error));
            return None;
        }
    };
    let syntax = |fault: &ini::SyntaxFault| {
        let origin = Origin::File(path.into(), fault.line);
        Finding::of_origin(Topic::Syntax, origin, fault.reason)
    };
    match ini::decode(&bytes) {
        Ok(text) => {
            let layer = Layer::new(path, text);
            findings.extend(layer.parsed.faults.iter().map(syntax));
            Some(layer)
        }
        Err(fault) => {
            findings.push(syntax(&fault));
            None
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_SIZE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_SIZE_BYTES_MAX {
        return Err(io::Error::other("the file is larger than 4 MiB"));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let origin = Origin::File(path.into(), 0);
    Finding::of_origin(Topic::Unreadable, origin, &format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    static SCRUBBER: Program = Program { reads: &["glance-api", "glance-scrubber"], is_service: false };

    /// Proves which files a program reads when none is named: each from the first place that has it, the program's own last,
    /// folders after files; and that naming some leaves the usual ones of that sort alone.
    #[test]
    fn a_program_reads_each_of_its_files_where_it_is_found_first() {
        let dir = tempfile::tempdir().unwrap();
        let [home, system] = ["home", "etc"].map(|name| dir.path().join(name));
        for folder in ["home", "etc/glance.conf.d", "etc/glance-scrubber.conf.d"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let names = [
            "glance-api.conf",
            "glance-scrubber.conf",
            "glance.conf",
            "glance-image-import.conf",
            "glance-cache.conf",
        ];
        for name in names {
            std::fs::write(system.join(name), "").unwrap();
        }
        std::fs::write(home.join("glance-api.conf"), "").unwrap();
        let places = [home.clone(), system.clone()];
        let files = [
            system.join("glance-image-import.conf"),
            system.join("glance.conf"),
            home.join("glance-api.conf"),
            system.join("glance-scrubber.conf"),
        ]
        .map(Input::File);
        let dirs = ["glance.conf.d", "glance-scrubber.conf.d"].map(|name| Input::Dir(system.join(name)));
        let all: Vec<Input> = files.iter().chain(&dirs).cloned().collect();
        assert_eq!(inputs_of(&SCRUBBER, None, vec![], &places), all);

        let named = [Input::File("/a.conf".into())];
        let expected: Vec<Input> = named.iter().chain(&dirs).cloned().collect();
        assert_eq!(inputs_of(&SCRUBBER, Some(named.to_vec()), vec![], &places), expected);
        let folder = [Input::Dir("/a.d".into())];
        let expected: Vec<Input> = files.iter().chain(&folder).cloned().collect();
        assert_eq!(inputs_of(&SCRUBBER, None, folder.to_vec(), &places), expected);
        assert_eq!(inputs_of(&SCRUBBER, None, vec![], &[dir.path().join("none")]), []);
    }

    /// Proves that our own commands read what the package installs, unless the environment names Glance's files.
    #[test]
    fn our_commands_read_the_files_of_the_package() {
        let (ours, glance) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = |dir: &tempfile::TempDir, name: &str| Input::File(dir.path().join(name));
        std::fs::write(glance.path().join("glance-api.conf"), "").unwrap();
        let named = [("OS_GLANCE_CONFIG_DIR".to_owned(), glance.path().to_str().unwrap().to_owned())];
        assert_eq!(usual_inputs(&named, ours.path()), [file(&glance, "glance-api.conf")]);
        std::fs::create_dir(ours.path().join("conf.d")).unwrap();
        std::fs::write(ours.path().join("vitrine.conf"), "").unwrap();
        let both = [file(&ours, "vitrine.conf"), Input::Dir(ours.path().join("conf.d"))];
        assert_eq!(usual_inputs(&[], ours.path()), both);
        assert_eq!(usual_inputs(&named, ours.path()), [file(&glance, "glance-api.conf")]);
    }
}
