//! `GET /ext/v1/images.csv`: the list of images as a table, with every filter and order of `GET /v2/images` and
//! without pages.
//!
//! Each page is read from the database after the previous one has been sent, so memory does not grow with the list.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use csv::{Terminator, WriterBuilder};
use futures::stream;
use serde_json::Value;

use super::csv_facts::{ACTIVATED, BILLING, DOWNLOADED, Facts, PROJECT};
use crate::{
    api::{
        State,
        error::ApiResult,
        extract::{Identified, Shared},
        images::view,
        query::pairs,
    },
    image::query::{self, ImagePage},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::TEXT_CHARS_MAX,
        list::{ListQuery, PageLimits},
        time::Timestamp,
    },
};

/// What is shown to those who name no columns.
const COLUMNS: [&str; 37] = [
    "id",
    "name",
    "status",
    "status_text",
    "visibility",
    "owner",
    PROJECT,
    "disk_format",
    "container_format",
    "size",
    "virtual_size",
    "min_disk",
    "min_ram",
    "os_type",
    "os_distro",
    "os_version",
    "architecture",
    "firmware",
    "image_kind",
    "image_family",
    "image_version",
    "media_group",
    "protected",
    "hidden",
    "created_at",
    "updated_at",
    ACTIVATED,
    DOWNLOADED,
    "stores",
    REGION,
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "source_instance",
    "tags",
    "description",
    BILLING,
];
/// The region of the service.
const REGION: &str = "region";
/// Columns that have another name in the API.
const OTHERWISE: [(&str, &str); 3] =
    [("firmware", "hw_firmware_type"), ("hidden", "os_hidden"), ("source_instance", "instance_uuid")];
/// Columns at most.
const COLUMNS_MAX: usize = 128;
/// Images that are read at once.
const PAGE_ROWS: u32 = 1000;
/// With it spreadsheets know the encoding.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What is asked for besides the list itself.
struct Asked {
    columns: Vec<String>,
    has_mark: bool,
    list: ListQuery,
}

impl Asked {
    fn parse(pairs: Vec<(String, String)>) -> Result<Self> {
        let mut columns: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
        let mut has_mark = false;
        let mut rest = Vec::new();
        for (name, value) in pairs {
            match name.as_str() {
                "columns" => columns = columns_of(&value)?,
                "bom" => has_mark = flag(&value)?,
                "format" => has_mark |= is_for_spreadsheets(&value)?,
                "limit" | "marker" => {
                    return Err(Error::invalid(format!(
                        "{name}: the table has no pages; it is sent as one."
                    )));
                }
                _ => rest.push((name, value)),
            }
        }
        let list = ListQuery::parse(&rest, PageLimits { default: PAGE_ROWS, max: PAGE_ROWS })?;
        Ok(Self { columns, has_mark, list })
    }
}

fn columns_of(text: &str) -> Result<Vec<String>> {
    let columns: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if columns.len() > COLUMNS_MAX {
        return Err(Error::invalid(format!("A table takes {COLUMNS_MAX} columns at most.")));
    }
    for (index, name) in columns.iter().enumerate() {
        if name.is_empty() || name.chars().count() > TEXT_CHARS_MAX {
            return Err(Error::invalid(format!("{name:?} cannot be the name of a column.")));
        }
        if columns.iter().take(index).any(|other| other == name) {
            return Err(Error::invalid(format!("The column {name:?} is named twice.")));
        }
    }
    Ok(columns)
}

fn flag(text: &str) -> Result<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::invalid(format!("bom must be true or false, not {text:?}."))),
    }
}

fn is_for_spreadsheets(text: &str) -> Result<bool> {
    match text {
        "csv" => Ok(false),
        "xlsx-safe" => Ok(true),
        _ => Err(Error::invalid(format!("format must be csv or xlsx-safe, not {text:?}."))),
    }
}

/// Sends the table.
pub async fn export(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?)?;
    let first = query::list(&state.app.images, &caller.0, asked.list.clone()).await?;
    let now = state.app.images.db.clock.now();
    let name = file_name(state.settings.region.as_deref(), now);
    let mut head = if asked.has_mark { BYTE_ORDER_MARK.as_bytes().to_vec() } else { Vec::new() };
    head.extend(rows([asked.columns.iter().map(String::as_str)])?);
    let table = Table { state, caller: caller.0, asked, now };
    let body = stream::try_unfold((table, Some(Next::Page(first)), head), |(table, next, head)| async move {
        let Some(next) = next else { return Ok::<_, Error>(None) };
        let page = match next {
            Next::Page(page) => page,
            Next::After(marker) => table.after(marker).await?,
        };
        let mut bytes = head;
        let facts = Facts::of(&table.state, (&table.caller, table.now), &page, &table.asked.columns).await?;
        bytes.extend(table.rows_of(&page, &facts)?);
        let next = page.next_marker.map(Next::After);
        Ok(Some((Bytes::from(bytes), (table, next, Vec::new()))))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header(("Content-Disposition", format!("attachment; filename=\"{name}\"")))
        .streaming(body))
}

/// The name under which a browser saves the table.
fn file_name(region: Option<&str>, now: Timestamp) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(c);
    let region: String = region.unwrap_or_default().chars().filter(plain).collect();
    let region = if region.is_empty() { region } else { format!("{region}-") };
    format!("images-{region}{}.csv", now.isotime().get(..10).unwrap_or_default())
}

/// What is to be sent.
enum Next {
    Page(ImagePage),
    After(String),
}

struct Table {
    state: Data<State>,
    caller: Caller,
    asked: Asked,
    now: Timestamp,
}

impl Table {
    async fn after(&self, marker: String) -> Result<ImagePage> {
        let list = ListQuery { marker: Some(marker), ..self.asked.list.clone() };
        query::list(&self.state.app.images, &self.caller, list).await
    }

    fn rows_of(&self, page: &ImagePage, facts: &Facts) -> Result<Vec<u8>> {
        let mut table = Vec::with_capacity(page.images.len());
        for image in &page.images {
            let view = serde_json::to_value(view::image(&self.state, &self.caller, image));
            let view = view.map_err(|e| Error::internal("a table", e))?;
            let cell = |column: &String| match column.as_str() {
                REGION => harmless(self.state.settings.region.clone().unwrap_or_default()),
                column => facts.cell(image, column).map_or_else(|| cell(&view, column), harmless),
            };
            table.push(self.asked.columns.iter().map(cell).collect::<Vec<_>>());
        }
        rows(table)
    }
}

/// Lines in the form of RFC 4180.
pub fn rows<R: IntoIterator<Item: AsRef<[u8]>>>(rows: impl IntoIterator<Item = R>) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|e| Error::internal("a table", e))?;
    }
    writer.into_inner().map_err(|e| Error::internal("a table", e.to_string()))
}

/// What an image has in a column.
fn cell(view: &Value, column: &str) -> String {
    let name = OTHERWISE.iter().find(|(other, _)| *other == column).map_or(column, |(_, name)| name);
    let text = match name {
        "status_text" => status_text(view).to_owned(),
        name => text_of(view.get(name)),
    };
    harmless(text)
}

/// A value as the text of a cell.
pub fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            texts.join(",")
        }
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Escapes a text that a spreadsheet would take for a formula.
pub fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// The status in the words of those who sell images rather than build clouds.
fn status_text(view: &Value) -> &'static str {
    let text = |name: &str| view.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("status") {
        "active" => "Available",
        "deactivated" => "Deactivated",
        "killed" => "Error",
        "queued" if !text("os_glance_failed_import").is_empty() => "Error",
        "pending_delete" | "deleted" => "Deleting",
        _ => "Creating",
    }
}
