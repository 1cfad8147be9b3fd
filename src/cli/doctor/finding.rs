//! What a check has found, in words, and the report of all of them.

use serde_json::{Value, json};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// Something to know.
    Note,
    /// Something that works now and will not for ever, or not for everybody.
    Warning,
    /// Something that does not work.
    Failure,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One finding of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Names what is wrong, for programs and for the handbook; empty when nothing is.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in a sentence.
    pub what: String,
    /// What to do about it, in a sentence; empty when nothing is to be done.
    pub remedy: String,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { id: "", severity: Severity::Ok, what: what.into(), remedy: String::new() }
    }

    /// Something to know.
    pub fn note(id: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, severity: Severity::Note, what: what.into(), remedy: remedy.into() }
    }

    /// Something that works now and will not for ever, or not for everybody.
    pub fn warning(id: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, severity: Severity::Warning, what: what.into(), remedy: remedy.into() }
    }

    /// Something that does not work.
    pub fn failure(id: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id, severity: Severity::Failure, what: what.into(), remedy: remedy.into() }
    }

    /// Something that could not be looked at, for this reason.
    pub fn skipped(why: impl std::fmt::Display) -> Self {
        Self::note("not-looked-at", format!("this was not looked at: {why}"), "Mend that first.")
    }

    fn json(&self) -> Value {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "id": known(self.id),
            "severity": self.severity.name(),
            "what": self.what,
            "remedy": known(&self.remedy),
        })
    }
}

/// The findings of one check.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Id of the check.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it has found.
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// As text, in lines of at most `width` characters as far as words let them.
    pub fn text(&self, width: usize) -> String {
        let mut text = format!("{} ({})\n", self.title, self.id);
        for finding in &self.findings {
            let name = match finding.severity {
                Severity::Failure => "FAILURE".to_owned(),
                other => other.name().to_owned(),
            };
            let id = if finding.id.is_empty() { String::new() } else { format!(" [{}]", finding.id) };
            text.push_str(&wrapped(&format!("  {name:<8}"), &format!("{}{id}", finding.what), width));
            if !finding.remedy.is_empty() {
                text.push_str(&wrapped("      ->  ", &finding.remedy, width));
            }
        }
        text
    }
}

/// A text behind a mark of ten characters, with further lines below it.
fn wrapped(mark: &str, text: &str, width: usize) -> String {
    let (mut lines, mut line) = (String::new(), mark.to_owned());
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count().saturating_add(word.chars().count()) >= width {
            lines.push_str(line.trim_end());
            lines.push('\n');
            (line, is_empty) = (" ".repeat(mark.len()), true);
        }
        line.push_str(if is_empty { "" } else { " " });
        line.push_str(word);
        is_empty = false;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

/// How many findings there are of a severity.
pub fn count(outcomes: &[Outcome], severity: Severity) -> usize {
    outcomes.iter().flat_map(|outcome| &outcome.findings).filter(|f| f.severity == severity).count()
}

/// The last line of a report.
pub fn summary(outcomes: &[Outcome]) -> String {
    let told = |severity: Severity| match count(outcomes, severity) {
        0 => format!("no {}s", severity.name()),
        1 => format!("1 {}", severity.name()),
        more => format!("{more} {}s", severity.name()),
    };
    format!("{}, {}, {}\n", told(Severity::Failure), told(Severity::Warning), told(Severity::Note))
}

/// The report for programs.
pub fn as_json(outcomes: &[Outcome]) -> Value {
    let check = |outcome: &Outcome| {
        let findings: Vec<Value> = outcome.findings.iter().map(Finding::json).collect();
        json!({"id": outcome.id, "title": outcome.title, "findings": findings})
    };
    json!({
        "checks": outcomes.iter().map(check).collect::<Vec<_>>(),
        "failures": count(outcomes, Severity::Failure),
        "warnings": count(outcomes, Severity::Warning),
        "notes": count(outcomes, Severity::Note),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that lines are no longer than they should be, that further ones stand below the first, and that a word which
    /// is too long is not cut.
    #[test]
    fn reports_are_wrapped() {
        let findings =
            vec![Finding::ok("fine"), Finding::failure("broken", "one two three four", "mend averylongword")];
        let outcome = Outcome { id: "a", title: "Title", findings };
        let wide = "Title (a)\n  ok      fine\n  FAILURE one two three four [broken]\n      ->  mend averylongword\n";
        assert_eq!(outcome.text(200), wide);
        let narrow = "Title (a)\n  ok      fine\n  FAILURE one two\n          three four\n          [broken]\n      \
                      ->  mend\n          averylongword\n";
        assert_eq!(outcome.text(22), narrow);
        assert_eq!(summary(&[outcome.clone(), outcome]), "2 failures, no warnings, no notes\n");
    }
}
