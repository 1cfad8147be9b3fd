//! The custom properties of an image: in order of addition, with fast lookup by name.

use std::collections::{BTreeMap, HashMap};

/// One custom property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Name, at most [`TEXT_CHARS_MAX`](super::image::TEXT_CHARS_MAX) characters.
    pub name: String,
    /// Text, or null where a declared schema allows it.
    pub value: Option<String>,
}

/// Properties without duplicates. No step walks through all of them, so that a request that changes many of them costs
/// what it is long.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    list: BTreeMap<u64, Property>,
    places: HashMap<String, u64>,
    next: u64,
}

impl Properties {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> std::collections::btree_map::Values<'_, u64, Property> {
        self.list.values()
    }

    /// The property of this name.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.list.get(self.places.get(name)?)
    }

    /// Sets a property; one that is there keeps its place, a new one comes last.
    pub fn set(&mut self, name: String, value: Option<String>) {
        if let Some(property) = self.places.get(&name).and_then(|place| self.list.get_mut(place)) {
            property.value = value;
            return;
        }
        self.places.insert(name.clone(), self.next);
        self.list.insert(self.next, Property { name, value });
        self.next = self.next.saturating_add(1);
    }

    /// Removes a property; returns whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.places.remove(name).and_then(|place| self.list.remove(&place)).is_some()
    }
}

/// The same properties in the same order.
impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl FromIterator<Property> for Properties {
    fn from_iter<I: IntoIterator<Item = Property>>(list: I) -> Self {
        let mut properties = Self::default();
        for property in list {
            properties.set(property.name, property.value);
        }
        properties
    }
}

impl From<Vec<Property>> for Properties {
    fn from(list: Vec<Property>) -> Self {
        list.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = &'a Property;
    type IntoIter = std::collections::btree_map::Values<'a, u64, Property>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_property_keeps_its_place_until_it_goes() {
        let mut properties = Properties::default();
        for name in ["a", "b", "c"] {
            properties.set(name.to_owned(), Some(name.to_owned()));
        }
        properties.set("a".to_owned(), None);
        assert!(properties.remove("b"));
        assert!(!properties.remove("b"));
        properties.set("b".to_owned(), None);
        let names: Vec<&str> = properties.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "c", "b"]);
        assert_eq!(properties.len(), 3);
        assert_eq!(properties.get("a").unwrap().value, None);
        // Places that were left empty on the way make no difference.
        let anew: Properties = properties.iter().cloned().collect();
        assert_eq!(anew, properties);
    }
}
