//! Parses descriptors into trees: bounded XML without entities and document types.

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

/// Elements that a descriptor may have.
const ELEMENTS_MAX: usize = 20_000;
/// How deep they may stand in each other.
const DEPTH_MAX: usize = 64;
/// Attributes of one of them.
const ATTRIBUTES_MAX: usize = 64;

/// An element. Prefixes of namespaces are left out.
#[derive(Clone, Debug, Default)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a Element> {
        self.all(name).next()
    }

    /// The children whose names end so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name.ends_with(end))
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text of a child.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.trim())
    }
}

/// Reads a document; returns its root.
///
/// # Errors
/// Why it is not read, for the user.
pub fn parse(document: &str) -> Result<Element, String> {
    let damaged = |e: &dyn std::fmt::Display| format!("it is no XML: {e}");
    let mut reader = Reader::from_str(document);
    let (mut open, mut count) = (vec![Element::default()], 0_usize);
    loop {
        let event = reader.read_event().map_err(|e| damaged(&e))?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                count += 1;
                if count > ELEMENTS_MAX || open.len() > DEPTH_MAX {
                    return Err("it has too many elements".to_owned());
                }
                let element = element(start)?;
                open.push(element);
                if matches!(event, Event::Empty(_)) {
                    close(&mut open);
                }
            }
            Event::End(_) => close(&mut open),
            Event::Text(text) => add(&mut open, &text.decode().map_err(|e| damaged(&e))?),
            Event::CData(text) => add(&mut open, &text.decode().map_err(|e| damaged(&e))?),
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|e| damaged(&e))?;
                match reference.resolve_char_ref().map_err(|e| damaged(&e))? {
                    Some(character) => add(&mut open, character.encode_utf8(&mut [0; 4])),
                    None => {
                        let known = resolve_predefined_entity(&name);
                        add(&mut open, known.ok_or_else(|| format!("it uses the entity {name:?}"))?);
                    }
                }
            }
            Event::DocType(_) => return Err("it has a document type".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (open.len(), open.pop()) {
        (1, Some(mut document)) => document.children.pop().ok_or_else(|| "it is empty".to_owned()),
        _ => Err("it is cut off".to_owned()),
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Hangs the innermost element into the one around it. The document itself stays open.
fn close(open: &mut Vec<Element>) {
    if open.len() > 1
        && let Some(element) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        parent.children.push(element);
    }
}

fn local(name: &[u8]) -> Result<String, String> {
    std::str::from_utf8(name).map(str::to_owned).map_err(|_| "a name in it is not UTF-8".to_owned())
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element { name: local(start.local_name().as_ref())?, ..Element::default() };
    // The check for doubles compares each with each.
    for attribute in start.attributes().with_checks(false) {
        if element.attributes.len() >= ATTRIBUTES_MAX {
            return Err("an element in it has too many attributes".to_owned());
        }
        let attribute = attribute.map_err(|e| format!("it is no XML: {e}"))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.map_err(|e| format!("an attribute in it cannot be read: {e}"))?;
        element.attributes.push((local(attribute.key.local_name().as_ref())?, value.into_owned()));
    }
    Ok(element)
}
