//! The ground of the house: plain types and pure rules. No I/O, no framework, no SQL.

pub mod caller;
