//! Short names of images, each once in its project (specification of the extensions, section q: `image_slug`).

use futures::future::join_all;
use serde_json::{Value, json};
use vitrine::access::protection::{Protections, RuleFormat};

use crate::support::*;

const SLUG: &str = "debian-12";

fn set(slug: &str) -> Value {
    json!([{"op": "add", "path": "/image_slug", "value": slug}])
}

fn slugged() -> NewImage {
    image().raw().with("image_slug", SLUG)
}

/// The id of the image that a short name leads to.
async fn led(client: &Client, path: &str) -> Option<String> {
    let answer = client.get(&format!("/ext/v1/images/by-slug/{path}")).await;
    match answer.status {
        303 => Some(answer.header("location").rsplit_once("/v2/images/").unwrap().1.to_owned()),
        _ => {
            assert_eq!(answer.expect(404).json()["error"]["reason"], "not-found");
            None
        }
    }
}

on_each_database! {
    /// A short name is taken until its image is deleted or gives it up; each project has its own.
    async fn a_short_name_is_there_once(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let first = alice.created(slugged()).await;
        let taken = alice.create(slugged()).await.expect(409).text();
        assert!(taken.contains("image_slug debian-12"), "{taken}");
        let second = alice.created(image().with("image_slug", "other")).await;
        alice.update(&second, set(SLUG)).await.expect(409);
        assert_eq!(alice.show(&second).await.json()["image_slug"], "other");
        bob.created(slugged()).await;
        // The same again is no change, and images without one are as many as one likes.
        alice.update(&first, set(SLUG)).await.expect(200);
        for _ in 0..2 {
            alice.created(image()).await;
        }
        assert_eq!(led(&alice, SLUG).await, Some(first.clone()));
        // Given up, renamed, deleted: each leaves it to another.
        alice.update(&first, json!([{"op": "remove", "path": "/image_slug"}])).await.expect(200);
        assert_eq!(led(&alice, SLUG).await, None);
        alice.update(&second, set(SLUG)).await.expect(200);
        assert_eq!(led(&alice, "other").await, None);
        alice.update(&second, set("third")).await.expect(200);
        alice.update(&first, set(SLUG)).await.expect(200);
        alice.remove(&first).await.expect(204);
        assert_eq!(led(&alice, SLUG).await, None);
        let again = alice.created(slugged()).await;
        assert_eq!(led(&alice, SLUG).await, Some(again.clone()));
        // It goes with the image to another project, unless that has one of this name.
        let give = |owner: &str| json!([{"op": "replace", "path": "/owner", "value": owner}]);
        app.as_admin().update(&again, give("bob")).await.expect(409);
        app.as_admin().update(&again, give("carol")).await.expect(200);
        assert_eq!(led(&alice, SLUG).await, None);
        assert_eq!(led(&app.as_member("carol"), SLUG).await, Some(again));
        alice.created(slugged()).await;
    }

    /// Of many that want a short name at the same time one gets it, whether they make images or change them.
    async fn of_many_one_gets_a_short_name(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(alice.created(image()).await);
        }
        for round in 0..3 {
            let slug = format!("round-{round}");
            let new = (0..6).map(|_| alice.create(image().with("image_slug", &*slug)).into_future());
            let changed = ids.iter().map(|id| alice.update(id, set(&slug)).into_future());
            let answers = join_all(new.chain(changed)).await;
            let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            statuses.sort_unstable();
            assert!(matches!(statuses[0], 200 | 201), "{statuses:?}");
            assert_eq!(statuses[1..], [409; 11], "round {round}");
            let listed = alice.list(&format!("image_slug={slug}")).await.expect(200).json();
            let images = listed["images"].as_array().unwrap();
            assert_eq!(images.len(), 1);
            assert_eq!(led(&alice, &slug).await.as_deref(), images[0]["id"].as_str());
        }
    }

    /// An image in the bin keeps its short name, so that it comes back with it; what is gone from there leaves it.
    async fn the_bin_keeps_short_names(database: Database) {
        let app = database.app_with(|options| options.image.trash_seconds = 60);
        let alice = app.as_member("alice");
        let binned = async || {
            let id = alice.created(slugged()).await;
            alice.upload(&id, "data").await.expect(204);
            alice.remove(&id).await.expect(204);
            id
        };
        let id = binned().await;
        assert_eq!(led(&alice, SLUG).await, None);
        alice.create(slugged()).await.expect(409);
        alice.post(&format!("/ext/v1/trash/{id}/restore")).await.expect(204);
        assert_eq!(led(&alice, SLUG).await, Some(id.clone()));
        alice.remove(&id).await.expect(204);
        alice.delete(&format!("/ext/v1/trash/{id}")).await.expect(204);
        // As soon as it is purged; as soon as its time is over; and at once without data, which nothing brings back.
        binned().await;
        app.later(61);
        vitrine::image::bin::expire(&app.app().images).await.unwrap();
        let bare = alice.created(slugged()).await;
        alice.remove(&bare).await.expect(204);
        alice.created(slugged()).await;
    }

    /// A short name leads to the image of one's own project, or of one that is named, for those who may see it.
    async fn short_names_lead_to_what_one_may_see(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let private = alice.created(slugged().private()).await;
        let own = bob.created(slugged()).await;
        let of_alice = format!("{SLUG}?owner=alice");
        assert_eq!(led(&bob, SLUG).await, Some(own));
        assert_eq!(led(&bob, &of_alice).await, None);
        assert_eq!(led(&app.as_reader("alice"), SLUG).await, Some(private.clone()));
        assert_eq!(led(&app.as_admin(), &of_alice).await, Some(private.clone()));
        let public = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
        app.as_admin().update(&private, public).await.expect(200);
        assert_eq!(led(&bob, &of_alice).await, Some(private.clone()));
        assert_eq!(led(&app.as_member("carol"), SLUG).await, None);
        app.as_nobody().get(&format!("/ext/v1/images/by-slug/{SLUG}")).await.expect(401);
        // Words that stand behind ids elsewhere are short names too.
        let odd = alice.created(image().with("image_slug", "events")).await;
        assert_eq!(led(&alice, "events").await, Some(odd));
    }

    /// What was there before short names were kept stays, and keeps nobody from his; a snapshot inherits none.
    async fn short_names_count_from_when_they_are_set(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        app.plant(&id, "image_slug", "No slug").await;
        alice.update(&id, json!([{"op": "replace", "path": "/name", "value": "x"}])).await.expect(200);
        assert_eq!(alice.show(&id).await.json()["image_slug"], "No slug");
        alice.update(&id, set("No slug either")).await.expect(400);
        let first = alice.created(slugged()).await;
        let snapshot = alice.created(slugged().with("image_type", "snapshot")).await;
        assert_eq!(alice.show(&snapshot).await.json().get("image_slug"), None);
        assert_eq!(led(&alice, SLUG).await, Some(first));
    }
}

/// What is no short name is refused where it is set, and leads nowhere.
#[test]
fn wrong_short_names_are_refused() {
    block_on(async {
        let app = Database::Sqlite.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        for slug in ["", "-a", "A", "a.b", "a b", &"a".repeat(64)] {
            alice.create(image().with("image_slug", slug)).await.expect_for(400, slug);
            alice.update(&id, set(slug)).await.expect_for(400, slug);
        }
        alice.created(image().with("image_slug", "a".repeat(63))).await;
        assert_eq!(led(&alice, "No%20slug").await, None);
        for query in ["colour=red", "owner=a&owner=b", &format!("owner={}", "a".repeat(256))] {
            alice.get(&format!("/ext/v1/images/by-slug/a?{query}")).await.expect_for(400, query);
        }
    });
}

/// Who may not read short names is led nowhere.
#[test]
fn hidden_short_names_lead_nowhere() {
    block_on(async {
        let text = "[^image_slug$]\ncreate = member\nread = admin\nupdate = admin\ndelete = admin\n\
                    [.*]\ncreate = member\nread = member\nupdate = member\ndelete = member\n";
        let app = Database::Sqlite.app_with(|options| {
            options.protections = Some(Protections::parse(text, RuleFormat::Roles).unwrap());
        });
        let alice = app.as_member("alice");
        let id = alice.created(slugged()).await;
        assert_eq!(led(&alice, SLUG).await, None);
        assert_eq!(led(&app.as_admin(), &format!("{SLUG}?owner=alice")).await, Some(id));
    });
}
