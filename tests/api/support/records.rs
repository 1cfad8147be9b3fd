//! Rows that no call of the API makes as exactly as a test needs them.

use vitrine::{
    db::{self, Conn, DbResult},
    model::{image::Image, member::MemberStatus, status::Status, time::Timestamp, visibility::Visibility},
};

use super::{TestApp, fresh_id};

/// An active private image of `owner` without data, created `age` seconds after the start of 2020.
pub fn record(owner: &str, age: i64) -> Image {
    let created_at = Timestamp(1_577_836_800_000_000).plus_seconds(age);
    Image {
        id: fresh_id(),
        revision: 1,
        name: None,
        owner: Some(owner.to_owned()),
        visibility: Visibility::Private,
        status: Status::Active,
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        size: None,
        virtual_size: None,
        checksum: None,
        os_hash_algo: None,
        os_hash_value: None,
        min_disk: 0,
        min_ram: 0,
        protected: false,
        os_hidden: false,
        created_at,
        updated_at: created_at,
        properties: vec![].into(),
        tags: Vec::new(),
        locations: Vec::new(),
        member: None,
    }
}

impl TestApp {
    /// Changes the database behind the API's back.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    ) -> T {
        let app = self.app();
        app.db.write("test.write", change).await.unwrap()
    }

    /// Gives an image a property as one that was there before.
    pub async fn plant(&self, id: &str, name: &'static str, value: &'static str) {
        let id = id.to_owned();
        self.write(move |conn| {
            let before = db::images::find(conn, &id)?.unwrap();
            let mut after = before.clone();
            after.set_property(name, Some(value.to_owned()));
            db::images::save(conn, &before, &after).map(drop)
        })
        .await;
    }

    /// Writes images to the database.
    pub async fn insert(&self, images: &[Image]) {
        let images = images.to_vec();
        self.write(move |conn| images.iter().try_for_each(|image| db::images::insert(conn, image))).await;
    }

    /// Writes a membership to the database.
    pub async fn insert_member(&self, image: &Image, project: &str, status: MemberStatus) {
        let (image, project) = (image.clone(), project.to_owned());
        self.write(move |conn| {
            db::members::insert(conn, &image, &project, super::now())?;
            db::members::set_status(conn, &image.id, &project, status, super::now())
        })
        .await;
    }
}
