//! Levels of the log, for all and for single rooms.

/// The levels of `default_log_levels` (`name=LEVEL`) upon those of `debug`, as directives of `tracing`.
///
/// A name is `vitrine` for all of this service, `vitrine.ROOM` for a folder of its code, `access` for the line of each
/// request, or `root` for everything. Names of Python modules, which Glance's own list has, are passed over.
pub(super) fn directives(debug: bool, levels: &[String]) -> String {
    let mut base = if debug { "debug" } else { "info" };
    let mut parts = Vec::new();
    for (name, word) in levels.iter().filter_map(|text| text.split_once('=')) {
        let Some(level) = level(word.trim()) else { continue };
        match name.trim() {
            "root" => base = level,
            "access" => parts.push(format!("access={level}")),
            "vitrine" => parts.push(format!("vitrine={level}")),
            name => {
                let room = name.strip_prefix("vitrine.").filter(|room| is_path(room));
                parts.extend(room.map(|room| format!("vitrine::{}={level}", room.replace('.', "::"))));
            }
        }
    }
    parts.insert(0, base.to_owned());
    parts.join(",")
}

fn is_path(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'.')
}

/// A level by the name that Python has for it.
fn level(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_uppercase().as_str() {
        "CRITICAL" | "FATAL" | "ERROR" => "error",
        "WARNING" | "WARN" => "warn",
        "INFO" => "info",
        "DEBUG" => "debug",
        "TRACE" | "NOTSET" => "trace",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves what each name comes to, and that what is no part of this service is passed over.
    #[test]
    fn names_of_parts() {
        let of = |debug, text: &str| {
            let levels: Vec<String> = text.split(", ").map(str::to_owned).collect();
            directives(debug, &levels)
        };
        assert_eq!(of(false, ""), "info");
        assert_eq!(of(true, "amqp=WARN, oslo.messaging=INFO, vitrine.Store=DEBUG, vitrine.store"), "debug");
        assert_eq!(of(true, "vitrine.store=WARNING, access=ERROR"), "debug,vitrine::store=warn,access=error");
        assert_eq!(
            of(false, "vitrine.store.kinds=TRACE, root=CRITICAL, vitrine=INFO"),
            "error,vitrine::store::kinds=trace,vitrine=info"
        );
        assert_eq!(of(false, "vitrine.db=LOUD"), "info");
    }
}
