//! The ground of the house: plain types and pure rules. No I/O, no framework, no SQL.

pub mod blob;
pub mod cached_image;
pub mod caller;
pub mod clock;
pub mod consumer;
pub mod error;
pub mod event;
pub mod hash;
pub mod image;
pub mod image_schema;
pub mod job;
pub mod list;
pub mod member;
pub mod metadef;
pub mod new_image;
pub mod node;
pub mod patch;
pub mod pointer;
pub mod properties;
pub mod range;
pub mod schema_fault;
pub mod status;
pub mod store_url;
pub mod task_list;
pub mod time;
pub mod visibility;
