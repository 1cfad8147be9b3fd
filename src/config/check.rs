//! The output of `vitrine config check`: findings about the configuration, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::origin::Origin;

/// The topic of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A file or folder cannot be read. Stops the start.
    Unreadable,
    /// A line is not in the dialect. Stops the start.
    Syntax,
    /// A value is not of its option's type, or contradicts another option. Stops the start.
    Bad,
    /// The value asks for something that Vitrine refuses to do. Stops the start.
    Refused,
    /// The option is known and set, and has no effect yet.
    NotHonoured,
    /// The option or section is not known.
    Unknown,
    /// The option was found under an earlier name, and honoured.
    Deprecated,
    /// The option has no effect any more.
    Obsolete,
    /// The option is known, but not looked at together with the others.
    Unused,
}

impl Topic {
    /// Whether a finding of this kind stops the start.
    pub fn is_error(self) -> bool {
        matches!(self, Topic::Unreadable | Topic::Syntax | Topic::Bad | Topic::Refused)
    }

    /// The topic in one word, for reports.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Unreadable => "unreadable",
            Topic::Syntax => "syntax",
            Topic::Bad => "bad",
            Topic::Refused => "refused",
            Topic::NotHonoured => "not-honoured",
            Topic::Unknown => "unknown",
            Topic::Deprecated => "deprecated",
            Topic::Obsolete => "obsolete",
            Topic::Unused => "unused",
        }
    }
}

/// A finding about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// The section, if it is about one.
    pub section: Option<String>,
    /// The option, if it is about one.
    pub option: Option<String>,
    /// Where it was written.
    pub origin: Origin,
    /// The fault, or what to do. Never holds the value of a secret option.
    pub reason: String,
}

impl Finding {
    /// A finding about an option.
    pub fn of_option(
        topic: Topic,
        section: &str,
        option: &str,
        origin: Origin,
        reason: impl Into<String>,
    ) -> Finding {
        Finding {
            topic,
            section: Some(section.to_owned()),
            option: Some(option.to_owned()),
            origin,
            reason: reason.into(),
        }
    }

    /// A finding about a place in a file.
    pub fn of_origin(topic: Topic, origin: Origin, reason: &str) -> Finding {
        Finding { topic, section: None, option: None, origin, reason: reason.to_owned() }
    }

    /// The finding on one line, without its topic.
    pub fn line(&self) -> String {
        let mut line = format!("{}:", self.origin);
        if let Some(section) = &self.section {
            let _ = write!(line, " [{section}]");
        }
        if let Some(option) = &self.option {
            let _ = write!(line, " {option}:");
        }
        let _ = write!(line, " {}", self.reason);
        line
    }

    fn json(&self) -> Json {
        json!({
            "topic": self.topic.word(),
            "section": self.section,
            "option": self.option,
            "origin": self.origin.to_string(),
            "reason": self.reason,
        })
    }
}

/// All findings of one load: errors first, then by topic, each in the order they were met.
#[derive(Clone, Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(mut findings: Vec<Finding>) -> Report {
        findings.sort_by_key(|finding| finding.topic);
        Report { findings }
    }

    /// This report with further findings; those that it has already are not repeated.
    #[must_use]
    pub fn with(&self, more: Vec<Finding>) -> Report {
        let mut findings = self.findings.clone();
        findings.extend(more.into_iter().filter(|finding| !self.findings.contains(finding)));
        Report::new(findings)
    }

    /// The findings that stop the start.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.topic.is_error())
    }

    /// The findings that do not.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| !f.topic.is_error())
    }

    /// Whether the configuration can be started with.
    pub fn is_usable(&self) -> bool {
        self.errors().next().is_none()
    }

    /// 0 when the configuration can be used, 1 when it cannot; `strict` counts warnings as errors.
    pub fn exit_code(&self, strict: bool) -> u8 {
        let warned = strict && self.warnings().next().is_some();
        u8::from(warned || !self.is_usable())
    }

    /// The report as text: one finding a line, then a count.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let severity = if finding.topic.is_error() { "error" } else { "warning" };
            let word = finding.topic.word();
            let _ = writeln!(out, "{severity} ({word}): {}", finding.line());
        }
        let (errors, warnings) = (self.errors().count(), self.warnings().count());
        let _ = writeln!(out, "{}, {}", counted(errors, "error"), counted(warnings, "warning"));
        out
    }

    /// The report for programs: `{"errors": […], "warnings": […]}`, each finding with `topic`,
    /// `section`, `option`, `origin` and `reason`.
    pub fn json(&self) -> Json {
        json!({
            "errors": self.errors().map(Finding::json).collect::<Vec<_>>(),
            "warnings": self.warnings().map(Finding::json).collect::<Vec<_>>(),
        })
    }
}

fn counted(number: usize, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}
