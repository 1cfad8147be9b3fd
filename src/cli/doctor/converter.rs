//! The converter of disks: whether it is there, and whether the kernel can confine it.

use std::{path::Path, time::Duration};

use super::{case::Case, finding::Finding};
use crate::import::{
    confine::{Bounds, Confined, Confinement, NOT_CONFINED},
    settings::Plugin,
};

/// The program.
const QEMU_IMG: &str = "qemu-img";
/// Limits within which it tells its version.
const BOUNDS: Bounds =
    Bounds { cpu_seconds: 5, wall: Duration::from_secs(10), memory: 1 << 30, file_bytes: 0, files: 64 };

/// Looks at it.
pub async fn look(case: &Case) -> Vec<Finding> {
    let config = match case.config() {
        Ok(config) => config,
        Err(finding) => return vec![finding],
    };
    let of_stores = config.stores.list.iter().any(|store| store.disk_format.is_some());
    if !of_stores && !config.imports.plugins.contains(&Plugin::Conversion) {
        return vec![Finding::ok("no disks are converted here")];
    }
    let confinement = config.imports.confinement;
    let confined = Confined {
        helper: &config.imports.confine_helper,
        confinement,
        bounds: BOUNDS,
        reads: Path::new("/dev/null"),
        writes: None,
    };
    let ended = async {
        let mut running = confined.start(QEMU_IMG, &["--version"], true)?;
        running.ended(BOUNDS.wall).await
    };
    match ended.await {
        Ok(Some(ended)) => {
            let (output, complaint) =
                (String::from_utf8_lossy(&ended.output), String::from_utf8_lossy(&ended.complaint));
            vec![judge(ended.status.code(), &output, &complaint, confinement)]
        }
        Ok(None) => vec![absent("it did not tell its version in time")],
        Err(error) => vec![absent(&error.to_string())],
    }
}

/// What the end of `qemu-img --version` says, by its exit code and what it printed.
fn judge(code: Option<i32>, output: &str, complaint: &str, confinement: Confinement) -> Finding {
    let complaint = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
    match code {
        Some(0) => {
            let version = output.lines().next().unwrap_or_default().trim();
            match confinement {
                Confinement::Required => Finding::ok(format!("{version} runs in confinement")),
                Confinement::Wanted => Finding::note(
                    "converter-lenient",
                    format!("{version} runs, with as much confinement as this kernel has"),
                    "With [vitrine] converter_confinement = required nothing is converted without all of it.",
                ),
            }
        }
        Some(code) if code == i32::from(NOT_CONFINED) && complaint.contains("the kernel cannot") => {
            Finding::failure(
                "converter-unconfined",
                format!("the kernel cannot confine the converter: {complaint}"),
                "Use Linux 5.13 or later with Landlock, or set [vitrine] converter_confinement = wanted.",
            )
        }
        _ => absent(&complaint),
    }
}

fn absent(why: &str) -> Finding {
    Finding::failure(
        "converter-missing",
        format!("disks are to be converted, and qemu-img cannot be run: {why}"),
        "Install it (Debian: qemu-utils), where the service finds it in its PATH.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a converter which is missing is told from a kernel that cannot confine it.
    #[test]
    fn ends_are_judged() {
        let id = |code, complaint: &str, confinement| judge(code, "qemu-img 7", complaint, confinement).id;
        assert_eq!(id(Some(0), "", Confinement::Required), "");
        assert_eq!(id(Some(0), "", Confinement::Wanted), "converter-lenient");
        let unconfined = "vitrine confine: the kernel cannot confine this process: no Landlock";
        assert_eq!(id(Some(125), unconfined, Confinement::Required), "converter-unconfined");
        let missing = "vitrine confine: there is no program qemu-img";
        assert_eq!(id(Some(125), missing, Confinement::Required), "converter-missing");
        assert_eq!(id(None, "killed", Confinement::Required), "converter-missing");
    }
}
