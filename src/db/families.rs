//! Families of images, and their publications.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    Conn, DbError, DbResult, dialect,
    schema::{families, family_publications},
    statement::Statement,
};
use crate::model::{
    family::{FAMILY_PROPERTY, LINE_PROPERTIES, Line},
    status::Status,
    time::Timestamp,
};

/// Publications that are kept of each family.
const KEPT: i64 = 20;
/// Characters of a property that a line has.
const VALUE_CHARS: usize = 64;

/// Keeps others from publishing in a family until the transaction ends. Returns the number of this publication.
///
/// # Errors
/// [`DbError::Retry`] when others begin at the same time.
pub fn lock(conn: &mut Conn, owner: &str, name: &str) -> DbResult<i64> {
    let row = families::table.filter(families::owner.eq(owner)).filter(families::name.eq(name));
    let counted = diesel::update(row).set(families::publications.eq(families::publications + 1));
    if counted.execute(conn)? == 0 {
        let first = (families::owner.eq(owner), families::name.eq(name), families::publications.eq(1_i64));
        let inserted = diesel::insert_into(families::table).values(first).execute(conn);
        return match inserted.map_err(DbError::from) {
            Ok(_) => Ok(1),
            Err(DbError::Duplicate(_)) => Err(DbError::Retry("the family was published first".to_owned())),
            Err(other) => Err(other),
        };
    }
    Ok(row.select(families::publications).first(conn)?)
}

#[derive(QueryableByName)]
struct LineRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Bool)]
    os_hidden: bool,
    #[diesel(sql_type = Bool)]
    protected: bool,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
}

#[derive(QueryableByName)]
struct ValueRow {
    #[diesel(sql_type = Text)]
    image_id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

/// The condition on images, as `i`, to be of a project and, where one is named, of a family of it.
fn of_owner(conn: &Conn, owner: &str, family: Option<&str>) -> Statement {
    let mine = Statement::new(&format!("{} AND i.owner = ", dialect::of(conn).not_deleted("i"))).text(owner);
    let Some(family) = family else { return mine };
    mine.sql(" AND EXISTS (SELECT 1 FROM image_properties f WHERE f.image_id = i.id AND f.name = ")
        .text(FAMILY_PROPERTY)
        .sql(" AND f.value = ")
        .text(family)
        .sql(")")
}

/// The images of a project, or of one family of it, the newest record first, up to `count`.
///
/// # Errors
/// Only the database's own, and a status that nobody knows.
pub fn lines(conn: &mut Conn, owner: &str, family: Option<&str>, count: i64) -> DbResult<Vec<Line>> {
    let rows: Vec<LineRow> =
        Statement::new("SELECT i.id, i.status, i.os_hidden, i.protected, i.created_at FROM images i WHERE ")
            .then(of_owner(conn, owner, family))
            .sql(" ORDER BY i.created_at DESC, i.id DESC LIMIT ")
            .integer(count)
            .load(conn)?;
    let values: Vec<ValueRow> = Statement::new(&format!(
        "SELECT p.image_id, p.name, SUBSTR(p.value, 1, {VALUE_CHARS}) AS value FROM images i JOIN image_properties p \
         ON p.image_id = i.id WHERE p.name IN "
    ))
    .texts(LINE_PROPERTIES)
    .sql(" AND ")
    .then(of_owner(conn, owner, family))
    .load(conn)?;
    let mut properties = HashMap::<String, Vec<(String, String)>>::new();
    for row in values {
        if let Some(value) = row.value {
            properties.entry(row.image_id).or_default().push((row.name, value));
        }
    }
    let line = |row: LineRow| {
        let unknown = || DbError::Other(format!("image {}: unknown status {:?}", row.id, row.status));
        Ok(Line {
            status: Status::parse(&row.status).ok_or_else(unknown)?,
            properties: properties.remove(&row.id).unwrap_or_default(),
            id: row.id,
            os_hidden: row.os_hidden,
            protected: row.protected,
            created_at: Timestamp(row.created_at),
        })
    };
    rows.into_iter().map(line).collect()
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Text)]
    id: String,
}

/// Ids of the images of a project by this name, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn named(conn: &mut Conn, owner: &str, name: &str, count: i64) -> DbResult<Vec<String>> {
    let rows: Vec<IdRow> = Statement::new("SELECT i.id FROM images i WHERE ")
        .then(of_owner(conn, owner, None))
        .sql(" AND i.name = ")
        .text(name)
        .sql(" ORDER BY i.id LIMIT ")
        .integer(count)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Those of a project's images, or of a family of it, that have a tag.
///
/// # Errors
/// Only the database's own.
pub fn tagged(conn: &mut Conn, owner: &str, family: Option<&str>, tag: &str) -> DbResult<Vec<String>> {
    let rows: Vec<IdRow> =
        Statement::new("SELECT i.id FROM images i JOIN image_tags t ON t.image_id = i.id WHERE t.value = ")
            .text(tag)
            .sql(" AND ")
            .then(of_owner(conn, owner, family))
            .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Those of a project's images, or of a family of it, that have consumers.
///
/// # Errors
/// Only the database's own.
pub fn used(conn: &mut Conn, owner: &str, family: Option<&str>) -> DbResult<Vec<String>> {
    let rows: Vec<IdRow> = Statement::new("SELECT i.id FROM images i WHERE ")
        .then(of_owner(conn, owner, family))
        .sql(" AND EXISTS (SELECT 1 FROM consumers c WHERE c.image_id = i.id)")
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct FamilyRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
}

/// The families with an image that a project sees, in the order of owner and name, after one of them, up to `count`: its
/// own, those with a public image, and those with one that it has accepted; all of them without a project.
///
/// # Errors
/// Only the database's own.
pub fn list(
    conn: &mut Conn,
    project: Option<&str>,
    after: Option<(&str, &str)>,
    count: i64,
) -> DbResult<Vec<(String, String)>> {
    let mut query = Statement::new(
        "SELECT DISTINCT i.owner AS owner, p.value AS name FROM image_properties p JOIN images i ON i.id = p.image_id \
         WHERE p.name = ",
    )
    .text(FAMILY_PROPERTY)
    .sql(&format!(" AND p.value <> '' AND i.owner IS NOT NULL AND {}", dialect::of(conn).not_deleted("i")));
    if let Some(project) = project {
        query = query
            .sql(" AND (i.visibility = 'public' OR i.owner = ")
            .text(project)
            .sql(
                " OR i.visibility = 'shared' AND EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = i.id \
                 AND m.status = 'accepted' AND m.deleted = ",
            )
            .boolean(false)
            .sql(" AND m.member = ")
            .text(project)
            .sql("))");
    }
    if let Some((owner, name)) = after {
        query = query
            .sql(" AND (i.owner > ")
            .text(owner)
            .sql(" OR i.owner = ")
            .text(owner)
            .sql(" AND p.value > ")
            .text(name)
            .sql(")");
    }
    let rows: Vec<FamilyRow> = query.sql(" ORDER BY 1, 2 LIMIT ").integer(count).load(conn)?;
    Ok(rows.into_iter().filter_map(|row| Some((row.owner, row.name?))).collect())
}

/// Notes what a publication changed, and forgets the oldest ones.
///
/// # Errors
/// Only the database's own.
pub fn note(
    conn: &mut Conn,
    family: (&str, &str),
    number: i64,
    (image_id, changes): (&str, &str),
    now: Timestamp,
) -> DbResult<()> {
    let row = (
        family_publications::owner.eq(family.0),
        family_publications::name.eq(family.1),
        family_publications::number.eq(number),
        family_publications::image_id.eq(image_id),
        family_publications::changes.eq(changes),
        family_publications::published_at.eq(now.0),
    );
    diesel::insert_into(family_publications::table).values(row).execute(conn)?;
    let old = family_publications::table
        .filter(family_publications::owner.eq(family.0))
        .filter(family_publications::name.eq(family.1))
        .filter(family_publications::number.le(number.saturating_sub(KEPT)));
    diesel::delete(old).execute(conn)?;
    Ok(())
}

/// The images that were published last in the families of a project, or in one of them.
///
/// # Errors
/// Only the database's own.
pub fn published(conn: &mut Conn, owner: &str, family: Option<&str>) -> DbResult<Vec<String>> {
    let mut query =
        Statement::new("SELECT p.image_id AS id FROM family_publications p WHERE p.owner = ").text(owner);
    if let Some(family) = family {
        query = query.sql(" AND p.name = ").text(family);
    }
    let rows: Vec<IdRow> = query
        .sql(
            " AND p.number = (SELECT MAX(q.number) FROM family_publications q WHERE q.owner = p.owner AND \
             q.name = p.name)",
        )
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The last publication of a family: its number, and what it changed.
///
/// # Errors
/// Only the database's own.
pub fn last(conn: &mut Conn, family: (&str, &str)) -> DbResult<Option<(i64, String)>> {
    let found = family_publications::table
        .filter(family_publications::owner.eq(family.0))
        .filter(family_publications::name.eq(family.1))
        .order(family_publications::number.desc())
        .select((family_publications::number, family_publications::changes));
    Ok(found.first(conn).optional()?)
}

/// Forgets a publication that was taken back.
///
/// # Errors
/// Only the database's own.
pub fn take_back(conn: &mut Conn, family: (&str, &str), number: i64) -> DbResult<()> {
    let row = family_publications::table
        .filter(family_publications::owner.eq(family.0))
        .filter(family_publications::name.eq(family.1))
        .filter(family_publications::number.eq(number));
    diesel::delete(row).execute(conn)?;
    Ok(())
}
