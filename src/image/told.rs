//! What is told of memberships: the event, and the notices of those who listen.

use crate::{
    db::{self, Conn, DbResult},
    model::{
        event::{Author, Event, EventKind},
        image::Image,
        member::Member,
        notice::{Notices, image as notice},
        time::Timestamp,
    },
};

/// Who changes memberships, and who is told.
pub(super) type Teller = (Author, Notices);

/// Writes the event of a membership and its status.
pub(super) fn tell(
    conn: &mut Conn,
    (kind, (author, notices)): (EventKind, &Teller),
    image: &Image,
    (member, status): (&Member, &str),
    now: Timestamp,
) -> DbResult<()> {
    db::events::insert(conn, &Event::of_member(kind, author, image, &member.member, status), now)?;
    db::notices::tell(conn, (notices, author), now, || [notice::member(kind, member, now)])
}
