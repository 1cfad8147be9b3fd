//! The matrix and its gaps, as their files say, and who its callers are.

use crate::support::{ADMIN, MEMBER, Persona, READER};

/// Its callers, in the order of the columns.
pub const CALLERS: [&str; 12] = [
    "admin",
    "manager",
    "member",
    "reader",
    "service",
    "norole",
    "omember",
    "oreader",
    "imember",
    "ireader",
    "sysadmin",
    "sysreader",
];

pub const VISIBILITIES: [&str; 4] = ["private", "shared", "community", "public"];

/// Who a column stands for: projects are A, the owner's, B, and C, which has accepted what is shared with it.
pub fn persona(caller: &str) -> Persona {
    match caller {
        "admin" => Persona::with_roles("admin-project", ADMIN),
        "manager" => Persona::with_roles("A", &["manager", "member", "reader"]),
        "member" => Persona::with_roles("A", MEMBER),
        "reader" => Persona::with_roles("A", READER),
        "service" => Persona::with_roles("service", &["service"]),
        "norole" => Persona::with_roles("A", &["unrelated"]),
        "omember" => Persona::with_roles("B", MEMBER),
        "oreader" => Persona::with_roles("B", READER),
        "imember" => Persona::with_roles("C", MEMBER),
        "ireader" => Persona::with_roles("C", READER),
        "sysadmin" => Persona::system(),
        "sysreader" => Persona { roles: vec!["reader".to_owned()], ..Persona::system() },
        other => panic!("no caller {other}"),
    }
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// One operation at one visibility.
pub struct Row {
    pub operation: String,
    /// One of [`VISIBILITIES`], or `-` where there is none.
    pub visibility: String,
    pub statuses: Vec<u16>,
}

/// All rows, those for several visibilities taken apart.
pub fn rows() -> Vec<Row> {
    let text = read("rbac.tsv");
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let head: Vec<&str> = lines.next().unwrap().split('\t').collect();
    assert_eq!(head[2..], CALLERS);
    let mut rows = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let visibilities =
            if cells[1] == "any" { VISIBILITIES.to_vec() } else { cells[1].split('/').collect() };
        let statuses: Vec<u16> = cells[2..].iter().map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(statuses.len(), CALLERS.len(), "{line}");
        rows.extend(visibilities.into_iter().map(|visibility| Row {
            operation: cells[0].to_owned(),
            visibility: visibility.to_owned(),
            statuses: statuses.clone(),
        }));
    }
    rows
}

/// What is not walked.
pub struct Uncovered {
    /// Operations of the matrix.
    pub operations: Vec<String>,
    /// `METHOD /path` that the matrix does not know.
    pub endpoints: Vec<String>,
}

/// Reads the list: `operation: reason` or `METHOD /path: reason` on each line.
pub fn uncovered() -> Uncovered {
    let (mut operations, mut endpoints) = (Vec::new(), Vec::new());
    for line in read("rbac-uncovered.txt").lines().filter(|line| !line.starts_with('#')) {
        let (what, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(!reason.trim().is_empty(), "no reason: {line}");
        let list = if what.contains(" /") { &mut endpoints } else { &mut operations };
        list.push(what.to_owned());
    }
    Uncovered { operations, endpoints }
}
