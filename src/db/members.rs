//! Image members. A removed membership leaves its row, so that adding the project again keeps the first `created_at`,
//! as Glance does.

use diesel::prelude::*;

use super::{Conn, DbError, DbResult, schema::image_members};
use crate::model::{
    image::Image,
    member::{Member, MemberStatus},
    time::Timestamp,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = image_members)]
struct MemberRow {
    image_id: String,
    member: String,
    status: String,
    created_at: i64,
    updated_at: i64,
}

impl MemberRow {
    fn into_member(self) -> DbResult<Member> {
        Ok(Member {
            status: MemberStatus::parse(&self.status)
                .ok_or_else(|| DbError::Other(format!("image {}: unknown member status", self.image_id)))?,
            image_id: self.image_id,
            member: self.member,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// The memberships of an image, oldest first.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, image_id: &str) -> DbResult<Vec<Member>> {
    let rows: Vec<MemberRow> = image_members::table
        .filter(image_members::image_id.eq(image_id))
        .filter(image_members::deleted.eq(false))
        .order((image_members::created_at, image_members::member))
        .select(MemberRow::as_select())
        .load(conn)?;
    rows.into_iter().map(MemberRow::into_member).collect()
}

/// One membership.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, image_id: &str, member: &str) -> DbResult<Option<Member>> {
    let row: Option<MemberRow> = image_members::table
        .filter(image_members::image_id.eq(image_id))
        .filter(image_members::member.eq(member))
        .filter(image_members::deleted.eq(false))
        .select(MemberRow::as_select())
        .first(conn)
        .optional()?;
    row.map(MemberRow::into_member).transpose()
}

/// Number of memberships of an image.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, image_id: &str) -> DbResult<i64> {
    Ok(image_members::table
        .filter(image_members::image_id.eq(image_id))
        .filter(image_members::deleted.eq(false))
        .count()
        .get_result(conn)?)
}

/// Adds a project as a pending member, reviving a removed membership.
///
/// # Errors
/// [`DbError::Duplicate`] when the project is a member already.
pub fn insert(conn: &mut Conn, image: &Image, member: &str, now: Timestamp) -> DbResult<Member> {
    let revived = diesel::update(
        image_members::table
            .filter(image_members::image_id.eq(&image.id))
            .filter(image_members::member.eq(member))
            .filter(image_members::deleted.eq(true)),
    )
    .set((
        image_members::deleted.eq(false),
        image_members::status.eq(MemberStatus::Pending.as_str()),
        image_members::updated_at.eq(now.0),
    ))
    .execute(conn)?;
    if revived == 0 {
        diesel::insert_into(image_members::table)
            .values((
                image_members::image_id.eq(&image.id),
                image_members::member.eq(member),
                image_members::status.eq(MemberStatus::Pending.as_str()),
                image_members::deleted.eq(false),
                image_members::image_created_at.eq(image.created_at.0),
                image_members::created_at.eq(now.0),
                image_members::updated_at.eq(now.0),
            ))
            .execute(conn)?;
    }
    find(conn, &image.id, member)?.ok_or_else(|| DbError::stale("member", member))
}

/// Records the member's answer.
///
/// # Errors
/// [`DbError::Stale`] when there is no such membership any more.
pub fn set_status(
    conn: &mut Conn,
    image_id: &str,
    member: &str,
    status: MemberStatus,
    now: Timestamp,
) -> DbResult<Member> {
    diesel::update(
        image_members::table
            .filter(image_members::image_id.eq(image_id))
            .filter(image_members::member.eq(member))
            .filter(image_members::deleted.eq(false)),
    )
    .set((image_members::status.eq(status.as_str()), image_members::updated_at.eq(now.0)))
    .execute(conn)?;
    find(conn, image_id, member)?.ok_or_else(|| DbError::stale("member", member))
}

/// Removes a membership; returns whether there was one.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, image_id: &str, member: &str, now: Timestamp) -> DbResult<bool> {
    let changed = diesel::update(
        image_members::table
            .filter(image_members::image_id.eq(image_id))
            .filter(image_members::member.eq(member))
            .filter(image_members::deleted.eq(false)),
    )
    .set((image_members::deleted.eq(true), image_members::updated_at.eq(now.0)))
    .execute(conn)?;
    Ok(changed == 1)
}
