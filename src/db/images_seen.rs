//! One image as a project sees it, in a single statement; most requests begin with it.

use diesel::{QueryableByName, RunQueryDsl, sql_types::Bool};

use super::{
    Conn, DbResult, dialect,
    image_parts::{self, PartRow, parts_of},
    images::{COLUMNS, ImageRow},
    statement::Statement,
};
use crate::model::image::Image;

/// An image, and whether the project has a membership of any status in it.
type Seen = (Image, bool);

#[derive(QueryableByName)]
struct SeenRow {
    #[diesel(embed)]
    image: ImageRow,
    #[diesel(sql_type = Bool)]
    is_member: bool,
}

/// The same with one of the things that hang on the image.
#[derive(QueryableByName)]
struct FullRow {
    #[diesel(embed)]
    seen: SeenRow,
    #[diesel(embed)]
    part: PartRow,
}

/// `SELECT`, and the columns of [`SeenRow`]. The id is named once more, so that one membership is looked for, and not
/// all of the project's.
fn select(conn: &Conn, id: &str, project: Option<&str>) -> Statement {
    Statement::new("SELECT ")
        .sql(COLUMNS)
        .sql(", EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = ")
        .text(id)
        .sql(" AND m.member = ")
        .maybe_text(project)
        .sql(&format!(" AND {}) AS is_member", dialect::of(conn).is_false("m.deleted")))
}

/// An image that is not deleted, with its properties, tags and locations.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str, project: Option<&str>) -> DbResult<Option<Seen>> {
    let statement = select(conn, id, project)
        .sql(", p.kind, p.image_id, p.position, p.part, p.value, p.metadata, p.store, p.blob_id FROM images i LEFT JOIN (")
        .then(parts_of(|| [id]))
        .sql(") p ON p.image_id = i.id WHERE i.id = ")
        .text(id)
        .sql(&format!(" AND {}", dialect::of(conn).not_deleted("i")));
    let rows: Vec<FullRow> = statement.kept().load(conn)?;
    let (mut seen, parts): (Vec<SeenRow>, Vec<PartRow>) =
        rows.into_iter().map(|row| (row.seen, row.part)).unzip();
    let Some(SeenRow { image, is_member }) = seen.pop() else { return Ok(None) };
    let mut image = image.into_image()?;
    for (_, part) in image_parts::read(parts)? {
        part.hang_on(&mut image);
    }
    Ok(Some((image, is_member)))
}

/// An image for use as a marker, without its parts, and whether it is deleted.
///
/// # Errors
/// Only the database's own.
pub fn marker(conn: &mut Conn, id: &str, project: Option<&str>) -> DbResult<Option<(Seen, bool)>> {
    let statement = select(conn, id, project).sql(" FROM images i WHERE i.id = ").text(id);
    let row = statement.kept().load::<SeenRow>(conn)?.pop();
    let Some(SeenRow { image, is_member }) = row else { return Ok(None) };
    let deleted = image.deleted;
    Ok(Some(((image.into_image()?, is_member), deleted)))
}
