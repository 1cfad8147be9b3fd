//! Fuzz targets: one function for each parser of untrusted bytes. Each accepts any bytes, and panics when the parser
//! violates one of its properties; `fuzz/` and `tests/fuzz.rs` generate the input.

#![allow(clippy::panic)] // a panic is how a fuzzer is told

mod addresses;
mod bodies;
mod bytes;
mod hashes;
mod texts;
mod utf8;

/// Tries one parser.
pub type Try = fn(&[u8]);

/// Every parser, by the name that its corpus has below `fuzz/corpus/`.
pub const TARGETS: [(&str, Try); 20] = [
    ("appliance", bytes::appliance),
    ("descriptor", bytes::descriptor),
    ("archive", bytes::archive),
    ("format", bytes::format),
    ("hashes", hashes::hashes),
    ("http_head", bytes::http_head),
    ("body_import", bodies::import),
    ("body_image", bodies::image),
    ("body_login", bodies::login),
    ("body_metadef", bodies::metadef),
    ("body_patch", bodies::patch),
    ("token", bodies::token),
    ("database_url", addresses::database),
    ("import_uri", addresses::import),
    ("store_url", addresses::store),
    ("ini", texts::ini),
    ("policy_file", texts::policy_file),
    ("policy_rule", texts::policy_rule),
    ("query", texts::query),
    ("range", texts::range),
];
