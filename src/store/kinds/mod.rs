//! The store types, one row each: everything about a type is in the folder or file of its name.

use super::backend::Kind;

/// Declares the module of each kind, and gathers what they tell.
macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        $(pub mod $kind;)+

        /// Every kind of store that can be opened.
        pub const ALL: &[&Kind] = &[$(&$kind::KIND),+];
    };
}

kinds! {
    file,
    http,
    memory,
    rbd,
    s3,
    swift,
}

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.name == name)
}

/// The kind whose URLs have this scheme.
pub fn of_scheme(scheme: &str) -> Option<&'static Kind> {
    ALL.iter().copied().find(|kind| kind.schemes.contains(&scheme))
}
