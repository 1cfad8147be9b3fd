//! What holds for the security of the tree as a whole: who is made an admin, what starts programs, and that
//! `docs/security.md` and the tests of its rows know each other.

use std::{collections::BTreeSet, fs, path::Path};

use super::{faults_in_tree, reader, sources, without_tests};

/// Published holes, one row each.
const ROWS: u32 = 80;

/// Where `is_admin` of a caller is set, and nowhere else: where it is declared, where there is no identity, and where the
/// policy is asked.
const MADE_ADMIN: [&str; 5] =
    ["model/caller.rs", "identity/mod.rs", "api/authenticate.rs", "import/behalf.rs", "cli/policy.rs"];

/// No code makes somebody an admin who is none: services work in the name of who asked for it.
#[test]
fn sec_23_nobody_is_made_an_admin() {
    let faults = faults_in_tree(|path, source| {
        let words = reader::words(without_tests(path, source));
        let sets = words
            .windows(3)
            .any(|three| three[0] == "is_admin" && (three[1] == ":" || (three[1] == "=" && three[2] != "=")));
        let known = MADE_ADMIN.iter().any(|known| path == Path::new(known));
        if sets && !known { vec![format!("{}: sets `is_admin`", path.display())] } else { Vec::new() }
    });
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Programs are started in one room, without a shell: each argument is one, whatever stands in it.
#[test]
fn sec_11_programs_are_started_without_a_shell() {
    const STARTERS: [&str; 2] = ["import/confine/inside.rs", "import/confine/mod.rs"];
    let faults = faults_in_tree(|path, source| {
        let words = reader::words(without_tests(path, source));
        let starts = words.windows(3).any(|three| three == ["Command", "::", "new"]);
        let fault = starts && !STARTERS.iter().any(|starter| path == Path::new(starter));
        if fault { vec![format!("{}: starts a program", path.display())] } else { Vec::new() }
    });
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    for starter in STARTERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(starter);
        let source = fs::read_to_string(path).unwrap();
        for shell in ["\"sh\"", "\"bash\"", "\"-c\"", "\"env\""] {
            assert!(!source.contains(shell), "{starter} starts a shell: {shell}");
        }
    }
}

/// `path::name` of every test of a row, in Rust and in Python.
fn tests_of_rows(root: &Path) -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    for folder in ["tests/endtoend", "tests/harness", "tests/peers"] {
        files.extend(fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let mut found = BTreeSet::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs" || kind == "py"))
    {
        let source = fs::read_to_string(path).unwrap();
        let shown = path.strip_prefix(root).unwrap().display().to_string();
        for line in source.lines().map(str::trim_start) {
            let rest = line.strip_prefix("async ").unwrap_or(line);
            let name =
                rest.strip_prefix("fn ").or_else(|| rest.strip_prefix("def test_")).unwrap_or_default();
            if name.starts_with("sec_") {
                let name = name.split('(').next().unwrap_or_default();
                let prefix = if rest.starts_with("def") { "test_" } else { "" };
                found.insert(format!("{shown}::{prefix}{name}"));
            }
        }
    }
    found
}

/// What stands between single backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Faults of the page: `files` reads a file of the tree, `tests` are those of rows.
fn faults_of_page(
    page: &str,
    tests: &BTreeSet<String>,
    files: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = page.lines().filter(|line| {
        line.strip_prefix("| ").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    });
    let numbers: Vec<u32> =
        rows.clone().filter_map(|line| line.split(" | ").next()?.strip_prefix("| ")?.parse().ok()).collect();
    if numbers != (1..=ROWS).collect::<Vec<_>>() {
        faults.push(format!("the rows are not 1 to {ROWS} in their order: {numbers:?}"));
    }
    let named: BTreeSet<&str> =
        quoted(page).filter(|word| word.contains(".rs::") || word.contains(".py::")).collect();
    for name in &named {
        let Some((file, test)) = name.split_once("::") else { continue };
        let source = files(file).unwrap_or_default();
        if !["fn ", "def "].iter().any(|word| source.contains(&format!("{word}{test}("))) {
            faults.push(format!("there is no {name}"));
        }
    }
    faults.extend(
        tests.iter().filter(|test| !named.contains(test.as_str())).map(|test| format!("{test} is not named")),
    );
    for row in rows {
        let number = row.split(" | ").next().and_then(|first| first.strip_prefix("| ")).unwrap_or_default();
        let state = row.split(" | ").nth(2).unwrap_or_default();
        let tested = quoted(row).any(|word| named.contains(word));
        let fits = match state {
            "closed" => tested,
            "open" => true,
            "does not apply" => row.split(" | ").nth(3).is_some_and(|why| why.len() > 20),
            _ => false,
        };
        if !fits {
            faults.push(format!(
                "row {number}: a closed one names its tests, one that does not apply says why"
            ));
        }
    }
    faults
}

/// Every row of the page says where its test is, or why there is none; every test of a row stands there.
#[test]
fn the_page_on_security_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let faults = faults_of_page(&page, &tests_of_rows(root), |file| fs::read_to_string(root.join(file)).ok());
    assert!(faults.is_empty(), "docs/security.md:\n{}", faults.join("\n"));
}

/// The rule itself: it finds a row too few, a test that is none, a test that is not named, and a row without either.
#[test]
fn faults_of_the_page_are_found() {
    let row =
        |number: u32| format!("| {number} | what | does not apply | there is nothing of the kind here |\n");
    let rows: String = (1..=ROWS).map(row).collect();
    let files = |file: &str| (file == "a.rs").then(|| "fn sec_1_a() {}".to_owned());
    let faults = |page: &str| faults_of_page(page, &BTreeSet::from(["a.rs::sec_1_a".to_owned()]), files);
    let good = rows.replace(&row(1), "| 1 | what | closed | `a.rs::sec_1_a` |\n");
    assert_eq!(faults(&good), Vec::<String>::new());
    for bad in [
        good.replace(&row(80), ""),
        good.replace(&row(2), "| 2 | what | closed | `a.rs::sec_1_b` |\n"),
        good.replace(&row(2), "| 2 | what | closed | |\n"),
        good.replace(&row(2), "| 2 | what | does not apply | |\n"),
        rows.clone(),
    ] {
        assert_eq!(faults(&bad).len(), 1, "{:?}", faults(&bad));
    }
}
