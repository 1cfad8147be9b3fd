//! The policy language as a tree: tokens, grammar, and printing a tree as text.

use std::fmt;

use super::atom::{Left, Template};

/// Longest check string that is read, in bytes; Glance's own are below 300.
const CHECK_BYTES_MAX: usize = 64 * 1024;
/// How deep parentheses and `not` may nest.
const NESTING_MAX: usize = 64;

/// A check string that has been understood.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(crate) node: Node,
}

/// Why a check string is invalid; such a rule denies everyone, as in oslo.policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SyntaxError(String);

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Always,
    Never,
    /// A word that is no check; it denies, and the rest of the expression still works.
    Unreadable(Box<str>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Rule(Box<str>),
    Role(Template),
    /// The URL with its scheme, to be rendered and asked.
    Remote(Template),
    Generic(Box<Generic>),
}

#[derive(Clone, Debug)]
pub(crate) struct Generic {
    pub(crate) kind: Box<str>,
    pub(crate) left: Left,
    pub(crate) right: Template,
}

/// One item of the outer list of the legacy list form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListItem {
    /// A single check, which may contain spaces.
    Check(String),
    /// Checks that must all hold.
    All(Vec<String>),
}

impl Expression {
    /// Reads a check string (`oslo_policy/_parser.py` `parse_rule`). The empty string allows everyone.
    ///
    /// # Errors
    /// Dangling operators, unbalanced parentheses, quoted words, blank or oversized text.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if text.is_empty() {
            return Ok(Self { node: Node::Always });
        }
        if text.len() > CHECK_BYTES_MAX {
            let reason = format!("the check string is longer than {CHECK_BYTES_MAX} bytes");
            return Err(SyntaxError(reason));
        }
        let mut parser = Parser { tokens: tokenize(text), next: 0, depth: 0 };
        let node = parser.alternatives()?;
        match parser.peek() {
            None => Ok(Self { node }),
            Some(token) => Err(SyntaxError(format!("`and` or `or` is missing before {token}"))),
        }
    }

    /// Reads the legacy list form: the outer list is an `or`, each inner list an `and`.
    /// An empty list allows everyone; a list of nothing but empty items denies.
    pub fn from_list(items: &[ListItem]) -> Self {
        if items.is_empty() {
            return Self { node: Node::Always };
        }
        let alternative = |item: &ListItem| match item {
            ListItem::Check(text) if text.is_empty() => None,
            ListItem::Check(text) => Some(atom(text)),
            ListItem::All(all) if all.is_empty() => None,
            ListItem::All(all) => Some(joined(all.iter().map(|t| atom(t)).collect(), Node::And)),
        };
        let alternatives: Vec<Node> = items.iter().filter_map(alternative).collect();
        match alternatives.is_empty() {
            true => Self { node: Node::Never },
            false => Self { node: joined(alternatives, Node::Or) },
        }
    }

    /// An expression that is nothing but a reference to the rule `name`.
    pub fn reference(name: &str) -> Self {
        Self { node: Node::Rule(name.into()) }
    }

    /// `self or other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { node: Node::Or(vec![self.node, other.node]) }
    }

    pub(crate) fn never() -> Self {
        Self { node: Node::Never }
    }
}

impl Node {
    /// Calls `visit` for this node and every node below it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        visit(self);
        match self {
            Self::Not(inner) => inner.walk(visit),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.walk(visit)),
            _ => {}
        }
    }
}

fn joined(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            nodes.push(last);
            join(nodes)
        }
        (_, None) => Node::Never,
    }
}

fn atom(text: &str) -> Node {
    let (kind, right) = match text.split_once(':') {
        None if text == "@" => return Node::Always,
        None if text == "!" => return Node::Never,
        None => return Node::Unreadable(text.into()),
        Some(sides) => sides,
    };
    match kind {
        "rule" => Node::Rule(right.into()),
        "role" => Node::Role(Template::parse(right)),
        "http" | "https" => Node::Remote(Template::parse(text)),
        _ => Node::Generic(Box::new(Generic {
            kind: kind.into(),
            left: Left::parse(kind),
            right: Template::parse(right),
        })),
    }
}

enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    Quoted(&'a str),
    Check(&'a str),
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::And => f.write_str("`and`"),
            Self::Or => f.write_str("`or`"),
            Self::Not => f.write_str("`not`"),
            Self::Quoted(word) | Self::Check(word) => write!(f, "`{word}`"),
        }
    }
}

/// Splits on whitespace, then peels parentheses off both ends of each word, so that those of
/// `%(key)s` inside a word stay where they are.
fn tokenize(text: &str) -> Vec<Token<'_>> {
    // Python's \s also covers the four separators of ASCII.
    let space = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
    let mut tokens = Vec::new();
    for word in text.split(space).filter(|word| !word.is_empty()) {
        let opened = word.trim_start_matches('(');
        let clean = opened.trim_end_matches(')');
        tokens.extend((opened.len()..word.len()).map(|_| Token::Open));
        let quoted = |quote| opened.len() >= 2 && opened.starts_with(quote) && opened.ends_with(quote);
        if clean.eq_ignore_ascii_case("and") {
            tokens.push(Token::And);
        } else if clean.eq_ignore_ascii_case("or") {
            tokens.push(Token::Or);
        } else if clean.eq_ignore_ascii_case("not") {
            tokens.push(Token::Not);
        } else if !clean.is_empty() && (quoted('"') || quoted('\'')) {
            tokens.push(Token::Quoted(opened));
        } else if !clean.is_empty() {
            tokens.push(Token::Check(clean));
        }
        tokens.extend((clean.len()..opened.len()).map(|_| Token::Close));
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.next)
    }

    fn alternatives(&mut self) -> Result<Node, SyntaxError> {
        let mut nodes = vec![self.conjunction()?];
        while matches!(self.peek(), Some(Token::Or)) {
            self.next += 1;
            nodes.push(self.conjunction()?);
        }
        Ok(joined(nodes, Node::Or))
    }

    fn conjunction(&mut self) -> Result<Node, SyntaxError> {
        let mut nodes = vec![self.operand()?];
        while matches!(self.peek(), Some(Token::And)) {
            self.next += 1;
            nodes.push(self.operand()?);
        }
        Ok(joined(nodes, Node::And))
    }

    fn operand(&mut self) -> Result<Node, SyntaxError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            let reason = format!("parentheses and `not` nest deeper than {NESTING_MAX}");
            return Err(SyntaxError(reason));
        }
        let token = self.tokens.get(self.next);
        self.next += 1;
        let node = match token {
            Some(Token::Check(text)) => atom(text),
            Some(Token::Not) => Node::Not(Box::new(self.operand()?)),
            Some(Token::Open) => {
                let inner = self.alternatives()?;
                if !matches!(self.peek(), Some(Token::Close)) {
                    return Err(SyntaxError("a parenthesis is never closed".to_owned()));
                }
                self.next += 1;
                inner
            }
            Some(Token::Quoted(word)) => {
                return Err(SyntaxError(format!("the quoted word {word} is not a check")));
            }
            Some(token) => return Err(SyntaxError(format!("a check is missing before {token}"))),
            None => return Err(SyntaxError("a check is missing at the end".to_owned())),
        };
        self.depth -= 1;
        Ok(node)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Node::Always => Ok(()),
            ref node => node.fmt(f),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, nodes: &[Node], word: &str| {
            f.write_str("(")?;
            for (at, node) in nodes.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { word })?;
                node.fmt(f)?;
            }
            f.write_str(")")
        };
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::Unreadable(word) => f.write_str(word),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::And(nodes) => list(f, nodes, " and "),
            Self::Or(nodes) => list(f, nodes, " or "),
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Role(role) => write!(f, "role:{}", role.source()),
            Self::Remote(url) => f.write_str(url.source()),
            Self::Generic(check) => write!(f, "{}:{}", check.kind, check.right.source()),
        }
    }
}
