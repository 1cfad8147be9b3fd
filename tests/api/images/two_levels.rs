//! Limits on two levels, as Keystone's model `strict_two_level` has them: the projects of a domain share what the
//! domain may have, beside what each of them may.

use std::{future::IntoFuture, sync::Arc};

use async_trait::async_trait;
use futures::future::join_all;
use vitrine::{
    identity::limits::LimitSource,
    model::{
        error::Result,
        unified::{ProjectLimits, SharedLimits, UnifiedLimits},
    },
    server::LimitsChoice,
};

use super::unified::usage;
use crate::support::*;

const MIB: usize = 1 << 20;

/// Alice, Bob and Carol are in one domain, Dave is alone in his. All have the same limit of one resource, and their
/// domains another one; the others are unlimited.
struct Domains {
    resource: &'static str,
    project: i64,
    domain: i64,
}

#[async_trait]
impl LimitSource for Domains {
    async fn limits_of(&self, project: Option<&str>) -> Result<ProjectLimits> {
        let of = |limit| UnifiedLimits::of(move |name| Some(if name == self.resource { limit } else { -1 }));
        let shared = project.map(|project| {
            let all: &[&str] = if project == "dave" { &["dave"] } else { &["alice", "bob", "carol"] };
            SharedLimits {
                domain: format!("the domain of {}", all[0]),
                projects: all.iter().map(|id| (*id).to_owned()).collect(),
                limits: of(self.domain),
            }
        });
        Ok(ProjectLimits { own: of(self.project), shared })
    }
}

fn app(database: Database, limits: Domains) -> TestApp {
    database.app_with(|options| options.limits = LimitsChoice::Given(Arc::new(limits)))
}

/// How many were let in; the others were told that it is the domain which is full.
fn let_in(answers: &[Answer], status: u16, domain: &str) -> usize {
    for refused in answers.iter().filter(|answer| answer.status != status) {
        assert_eq!(refused.status, 413, "{refused:?}");
        let body = String::from_utf8_lossy(&refused.body);
        assert!(body.contains(&format!("of its domain {domain}")), "{body}");
    }
    answers.iter().filter(|answer| answer.status == status).count()
}

on_each_database! {
    /// Of what the projects of a domain upload at once as much gets in as the domain may have, to the byte; those of
    /// another domain are not asked.
    async fn projects_share_the_bytes_of_their_domain(database: Database) {
        let app = app(database, Domains { resource: "image_size_total", project: 4, domain: 5 });
        let mut images = Vec::new();
        for project in ["alice", "bob", "carol"] {
            for _ in 0..3 {
                let client = app.as_member(project);
                images.push((client.created(image().raw()).await, client));
            }
        }
        let answers = join_all(images.iter().map(|(id, client)| client.upload(id, bytes(MIB)).into_future())).await;
        assert_eq!(let_in(&answers, 204, "the domain of alice"), 5);
        let mut used = 0;
        for project in ["alice", "bob", "carol"] {
            used += usage(&app.as_member(project)).await[0];
        }
        assert_eq!(used, 5);
        // What one deletes another may have.
        let (id, client) = images.iter().zip(&answers).find(|(_, answer)| answer.status == 204).unwrap().0;
        client.remove(id).await.expect(204);
        let carol = app.as_member("carol");
        let id = carol.created(image().raw()).await;
        carol.upload(&id, bytes(MIB)).await.expect(204);
        let dave = app.as_member("dave");
        let id = dave.created(image().raw()).await;
        dave.upload(&id, bytes(4 * MIB)).await.expect(204);
    }

    /// A project may not have more than its own limit, whatever its domain has left; it is told of that one.
    async fn a_project_keeps_to_its_own_limit(database: Database) {
        let app = app(database, Domains { resource: "image_size_total", project: 1, domain: 5 });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let refused = alice.upload(&id, bytes(2 * MIB)).await.expect(413);
        let body = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(body.contains("Project alice is over the limit image_size_total: it may have 1 MiB"), "{body}");
        alice.upload(&id, bytes(MIB)).await.expect(204);
        // Limits are shown as they are without a domain.
        assert_eq!(usage(&alice).await[0], 1);
    }

    /// Images are counted over the whole domain, also those that are created at once.
    async fn projects_share_the_images_of_their_domain(database: Database) {
        let app = app(database, Domains { resource: "image_count_total", project: 10, domain: 4 });
        let clients: Vec<Client> = ["alice", "bob", "carol", "alice", "bob", "carol"].map(|p| app.as_member(p)).into();
        let answers = join_all(clients.iter().map(|client| client.create(image().raw()).into_future())).await;
        assert_eq!(let_in(&answers, 201, "the domain of alice"), 4);
        app.as_member("dave").create(image().raw()).await.expect(201);
    }

    /// So are those whose data is on its way, and what waits in the staging folder.
    async fn projects_share_what_their_domain_may_stage(database: Database) {
        for (resource, more) in [("image_count_uploading", 413), ("image_stage_total", 413)] {
            let app = app(database, Domains { resource, project: 10, domain: 1 });
            let (alice, bob, dave) = (app.as_member("alice"), app.as_member("bob"), app.as_member("dave"));
            for (client, status) in [(&alice, 204), (&bob, more), (&dave, 204)] {
                let id = client.created(image().raw()).await;
                let path = format!("/v2/images/{id}/stage");
                client.put(&path).header("content-type", OCTETS).body(bytes(MIB)).await.expect_for(status, resource);
            }
        }
    }
}
