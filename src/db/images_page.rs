//! The list query: turns a [`Scope`], filters and a position into one statement.
//!
//! Each way of seeing an image is a branch of a `UNION ALL`. A branch reads an index in order and stops after one
//! page, and no image is in two branches, so the cost of a page does not depend on the number of images. Only images
//! shared with a project are sorted in the request, unless the order is by `created_at`.

use std::sync::Arc;

use diesel::RunQueryDsl;

use super::{
    Conn, DbResult, dialect,
    images::{COLUMNS, ImageRow, load_parts},
    images_filter::conditions,
    keyset::{Column, Keyset, Value},
    statement::Statement,
};
use crate::model::{
    image::Image,
    list::{Direction, Filter},
    media_group::GROUP_PROPERTY,
    member::MemberStatus,
    visibility::{MemberFilter, Scope, Visibility, VisibilityFilter},
};

/// The parameters of a page.
#[derive(Clone, Debug)]
pub struct Page {
    /// What the caller may see and requests.
    pub scope: Scope,
    /// Conditions that must all hold.
    pub filters: Vec<Filter>,
    /// Whether to list hidden images only, or none of them.
    pub os_hidden: bool,
    /// The media groups whose images are as good as hidden.
    pub hidden_groups: Arc<[String]>,
    /// Sort keys; the last ones must make the order total.
    pub sort: Vec<(&'static str, Direction)>,
    /// The image after which the page starts.
    pub after: Option<Image>,
    /// Rows at most.
    pub limit: u32,
    /// Maximum bytes of the images' parts ([`Image::variable_bytes`]); a page has at least one image.
    pub bytes_max: usize,
}

/// How many images clients ask for at once, if they do not choose a number of their own.
const USUAL_LIMITS: [u32; 6] = [20, DEFAULT_LIMIT, 50, 100, 500, 1000];
/// How many they get if they do not say (`limit_param_default`).
const DEFAULT_LIMIT: u32 = 25;

impl Page {
    /// Whether its statement is one of few, so that it is kept prepared: filters and orders of several keys make any
    /// number of them. One plan is good for all projects: each branch walks an index, or what is shared with the project.
    pub fn is_usual(&self) -> bool {
        let (is_by_age, ties) = match self.sort.as_slice() {
            [("created_at", first), ("id", second)] => (true, first == second),
            [("id", _), ..] => (false, true),
            [(_, first), ("created_at", second), ("id", third)] => {
                (false, first == second && second == third)
            }
            _ => return false,
        };
        let is_common = self.limit == DEFAULT_LIMIT && self.scope.visibility == VisibilityFilter::Default;
        let is_plain = self.filters.is_empty() && self.hidden_groups.is_empty();
        ties && is_plain && USUAL_LIMITS.contains(&self.limit) && (is_by_age || is_common)
    }
}

/// A loaded page.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Its images, in order.
    pub images: Vec<Image>,
    /// Whether it ended before its last row, since it has its bytes.
    pub is_cut: bool,
}

/// Images whose parts are loaded at once, at first: an ordinary page is one step.
const STEP: usize = 25;
/// How many times as many the next step takes.
const STEP_FACTOR: usize = 4;

/// Loads a page, in order.
///
/// # Errors
/// Only the database's own.
pub fn load(conn: &mut Conn, page: &Page) -> DbResult<Loaded> {
    let Some(statement) = statement(conn, page) else { return Ok(Loaded::default()) };
    let rows = statement.load(conn)?;
    within(conn, rows, page.bytes_max)
}

/// The query of a page; `None` where nothing can be on it.
pub fn statement(conn: &Conn, page: &Page) -> Option<Statement> {
    let branches: Vec<Statement> =
        hiding(page).iter().flat_map(|hiding| branches(conn, page, hiding)).collect();
    if branches.is_empty() || page.limit == 0 || page.filters.contains(&Filter::Never) {
        return None;
    }
    let several = branches.len() > 1;
    let mut statement = Statement::default();
    if several {
        statement = statement.sql("SELECT * FROM (");
    }
    for (index, branch) in branches.into_iter().enumerate() {
        if index > 0 {
            statement = statement.sql(" UNION ALL ");
        }
        statement = if several {
            statement.sql("SELECT * FROM (").then(branch).sql(&format!(") b{index}"))
        } else {
            statement.then(branch)
        };
    }
    if several {
        let order = keyset(conn, page, Rows::Union).order_by();
        statement = statement.sql(") u").sql(&order).sql(&limit(page));
    }
    Some(if page.is_usual() { statement.kept() } else { statement })
}

/// Loads what hangs on the rows, step by step until there is enough. No step is larger than what the images before it
/// let expect to fit.
fn within(conn: &mut Conn, mut rows: Vec<ImageRow>, bytes_max: usize) -> DbResult<Loaded> {
    let (mut loaded, mut bytes, mut step) = (Loaded::default(), 0_usize, STEP);
    while !rows.is_empty() {
        let rest = rows.split_off(step.min(rows.len()));
        for image in load_parts(conn, std::mem::replace(&mut rows, rest))? {
            bytes = bytes.saturating_add(image.variable_bytes());
            if bytes > bytes_max && !loaded.images.is_empty() {
                loaded.is_cut = true;
                return Ok(loaded);
            }
            loaded.images.push(image);
        }
        let each = bytes.div_ceil(loaded.images.len().max(1)).max(1);
        let fitting = bytes_max.saturating_sub(bytes).div_ceil(each);
        step = step.saturating_mul(STEP_FACTOR).min(fitting).max(1);
    }
    Ok(loaded)
}

fn limit(page: &Page) -> String {
    format!(" LIMIT {}", page.limit)
}

/// The conditions of being hidden, or of not being it; each image meets one of them at most.
fn hiding(page: &Page) -> Vec<Statement> {
    let own = Statement::new("i.os_hidden = ").boolean(page.os_hidden);
    if page.hidden_groups.is_empty() {
        return vec![own];
    }
    let by_group =
        Statement::new("EXISTS (SELECT 1 FROM image_properties g WHERE g.image_id = i.id AND g.name = ")
            .text(GROUP_PROPERTY)
            .sql(" AND g.value IN ")
            .texts(page.hidden_groups.iter().map(String::as_str))
            .sql(")");
    match page.os_hidden {
        false => vec![own.sql(" AND NOT ").then(by_group)],
        true => vec![own, Statement::new("i.os_hidden = ").boolean(false).sql(" AND ").then(by_group)],
    }
}

/// The branches of the scope; disjoint by construction.
fn branches(conn: &Conn, page: &Page, hiding: &Statement) -> Vec<Statement> {
    let all = |condition: Statement| branch(conn, page, condition, hiding);
    // Spelled, not bound: there are indexes of what is visible to others alone.
    let only = |visibility: Visibility| {
        let for_others = matches!(visibility, Visibility::Public | Visibility::Community);
        let also = dialect::of(conn).is_visible().filter(|_| for_others);
        let also = also.map(|also| format!(" AND {also}")).unwrap_or_default();
        Statement::new(&format!("i.visibility = '{}'{also}", visibility.as_str()))
    };
    let own = |project: &str| Statement::new("i.owner = ").text(project);
    let foreign = |project: &str| Statement::new("(i.owner IS NULL OR i.owner <> ").text(project).sql(")");
    let scope = &page.scope;
    if scope.admin {
        return match (scope.visibility, scope.project.as_deref()) {
            (VisibilityFilter::Nothing, _) => vec![],
            (VisibilityFilter::All, _) => vec![all(Statement::new("1 = 1"))],
            (VisibilityFilter::Only(one), _) => vec![all(only(one))],
            (VisibilityFilter::Default, Some(project)) => vec![all(Statement::new("(i.visibility <> ")
                .text(Visibility::Community.as_str())
                .sql(" OR i.owner = ")
                .text(project)
                .sql(")"))],
            (VisibilityFilter::Default, None) => {
                vec![all(Statement::new("i.visibility <> ").text(Visibility::Community.as_str()))]
            }
        };
    }
    let Some(project) = scope.project.as_deref() else {
        return match scope.visibility {
            VisibilityFilter::Default | VisibilityFilter::Only(Visibility::Public) => {
                vec![all(only(Visibility::Public))]
            }
            VisibilityFilter::All => vec![all(only(Visibility::Public)), all(only(Visibility::Community))],
            VisibilityFilter::Only(Visibility::Community) => vec![all(only(Visibility::Community))],
            VisibilityFilter::Only(_) | VisibilityFilter::Nothing => vec![],
        };
    };
    let both = |a: Statement, b: Statement| a.sql(" AND ").then(b);
    match scope.visibility {
        VisibilityFilter::Nothing => vec![],
        VisibilityFilter::Only(one @ (Visibility::Public | Visibility::Community)) => vec![all(only(one))],
        VisibilityFilter::Only(Visibility::Private) => {
            vec![all(both(own(project), only(Visibility::Private)))]
        }
        VisibilityFilter::Only(Visibility::Shared) => {
            let mut list = vec![all(both(own(project), only(Visibility::Shared)))];
            list.extend(shared_branches(conn, page, project, hiding));
            list
        }
        wanted @ (VisibilityFilter::Default | VisibilityFilter::All) => {
            let mut list = vec![all(own(project)), all(both(only(Visibility::Public), foreign(project)))];
            if wanted == VisibilityFilter::All {
                list.push(all(both(only(Visibility::Community), foreign(project))));
            }
            list.extend(shared_branches(conn, page, project, hiding));
            list
        }
    }
}

/// One branch for each membership status, since the index on memberships is ordered within a status.
fn shared_branches(conn: &Conn, page: &Page, project: &str, hiding: &Statement) -> Vec<Statement> {
    let statuses: Vec<MemberStatus> = match page.scope.members {
        MemberFilter::All => MemberStatus::ALL.to_vec(),
        MemberFilter::Only(status) => vec![status],
    };
    let by_member = page.sort.iter().all(|(key, _)| matches!(*key, "created_at" | "id"));
    let dialect = dialect::of(conn);
    let (from, not_deleted) =
        (format!(" FROM {} WHERE ", dialect.shared_images()), dialect.is_false("m.deleted"));
    statuses
        .into_iter()
        .map(|status| {
            let condition = Statement::new("m.member = ")
                .text(project)
                .sql(" AND m.status = ")
                .text(status.as_str())
                .sql(" AND ")
                .sql(&not_deleted)
                .sql(" AND i.visibility = ")
                .text(Visibility::Shared.as_str())
                .sql(" AND (i.owner IS NULL OR i.owner <> ")
                .text(project)
                .sql(")");
            let rows = if by_member { Rows::Memberships } else { Rows::Images };
            select(conn, page, &from, condition.sql(" AND ").then(hiding.clone()), rows)
        })
        .collect()
}

fn branch(conn: &Conn, page: &Page, condition: Statement, hiding: &Statement) -> Statement {
    let condition = condition.sql(" AND ").then(hiding.clone());
    select(conn, page, " FROM images i WHERE ", condition, Rows::Images)
}

fn select(conn: &Conn, page: &Page, from: &str, condition: Statement, rows: Rows) -> Statement {
    let dialect = dialect::of(conn);
    let mut statement = Statement::new("SELECT ")
        .sql(COLUMNS)
        .sql(from)
        .sql(&dialect.not_deleted("i"))
        .sql(" AND ")
        .then(condition);
    for condition in conditions(&page.filters, &|text| dialect.number(text)) {
        statement = statement.sql(" AND ").then(condition);
    }
    let keyset = keyset(conn, page, rows);
    if let Some(after) = &page.after {
        statement = statement.sql(" AND ").then(keyset.after(after));
    }
    statement.sql(&keyset.order_by()).sql(&limit(page))
}

/// A column by which images are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Name,
    Status,
    ContainerFormat,
    DiskFormat,
    Size,
    CreatedAt,
    UpdatedAt,
    Id,
}

/// Where a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    /// In the images of a branch.
    Images,
    /// In the memberships of a branch, whose index is in this order: age and id of the image stand there too.
    Memberships,
    /// In the union of the branches.
    Union,
}

/// A column, where it is read, and by whose words.
#[derive(Clone, Copy)]
struct Place {
    key: Key,
    rows: Rows,
    dialect: &'static dyn dialect::Dialect,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        (self.key, self.rows) == (other.key, other.rows)
    }
}

impl Column for Place {
    type Row = Image;

    fn expression(self) -> String {
        let Self { key, rows, dialect } = self;
        let alias = if rows == Rows::Union { "u" } else { "i" };
        let or = |column: &str, null: &str| match rows {
            Rows::Union => format!("COALESCE({alias}.{column}, {null})"),
            _ => dialect.sort_key(alias, column, null),
        };
        match key {
            Key::CreatedAt if rows == Rows::Memberships => "m.image_created_at".to_owned(),
            Key::Id if rows == Rows::Memberships => "m.image_id".to_owned(),
            Key::Name => or("name", "''"),
            Key::Status => format!("{alias}.status"),
            Key::ContainerFormat => or("container_format", "''"),
            Key::DiskFormat => or("disk_format", "''"),
            Key::Size => or("size", "0"),
            Key::CreatedAt => format!("{alias}.created_at"),
            Key::UpdatedAt => format!("{alias}.updated_at"),
            Key::Id => format!("{alias}.id"),
        }
    }

    fn value(self, image: &Image) -> Value {
        match self.key {
            Key::Name => Value::text(image.name.as_deref()),
            Key::Status => Value::text(Some(image.status.as_str())),
            Key::ContainerFormat => Value::text(image.container_format.as_deref()),
            Key::DiskFormat => Value::text(image.disk_format.as_deref()),
            Key::Size => Value::Integer(image.size.unwrap_or(0)),
            Key::CreatedAt => Value::time(Some(image.created_at)),
            Key::UpdatedAt => Value::time(Some(image.updated_at)),
            Key::Id => Value::text(Some(&image.id)),
        }
    }
}

/// The order of a page; the names are those of [`SORT_KEYS`](crate::model::list::SORT_KEYS).
fn keyset(conn: &Conn, page: &Page, rows: Rows) -> Keyset<Place> {
    let dialect = dialect::of(conn);
    // Behind the id, which tells all of them apart, nothing counts, and no index continues.
    let end =
        page.sort.iter().position(|(key, _)| *key == "id").map_or(page.sort.len(), |id| id.saturating_add(1));
    Keyset::new(page.sort.iter().take(end).map(|(key, direction)| {
        let key = match *key {
            "name" => Key::Name,
            "status" => Key::Status,
            "container_format" => Key::ContainerFormat,
            "disk_format" => Key::DiskFormat,
            "size" => Key::Size,
            "created_at" => Key::CreatedAt,
            "updated_at" => Key::UpdatedAt,
            _ => Key::Id,
        };
        (Place { key, rows, dialect }, *direction)
    }))
}
