//! The list of images as a table (specification of the extensions, section d).

use serde_json::json;
use vitrine::{
    db::identity::projects,
    identity::{
        Identity,
        builtin::{self, Builtin, DEFAULT_DOMAIN_ID},
    },
    model::usage::sums::month_of,
    server::IdentityChoice,
};

use super::usage;
use crate::support::*;

/// The cells of a table, its head first.
fn table(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

on_each_database! {
    /// The table has the images of the list in its order, over pages, with every filter; columns are chosen by name, and
    /// nothing in a cell is a formula.
    async fn the_table_is_the_list(database: Database) {
        let app = database.app_with(|options| {
            options.image.bounds.page_bytes = 4096;
            options.api.region = Some("=north \"1\"".to_owned());
        });
        let alice = app.as_member("alice");
        for index in 0..30 {
            let image = image().named(&format!("image {index:02}")).with("padding", "x".repeat(200));
            alice.created(image).await;
        }
        let odd = image().raw().named("=cmd|\"x\",y").with("os_distro", "debian").with("hw_firmware_type", "uefi");
        let id = alice.created(odd.tags(&["a"])).await;
        alice.upload(&id, "data").await.expect(204);
        let of = |query: &str| alice.get(&format!("/ext/v1/images.csv?{query}"));

        let all = of("sort=name:asc&columns=name").await.expect(200);
        assert_eq!(all.header("content-type"), "text/csv; charset=utf-8");
        let written: Vec<String> = table(&all.text()).into_iter().skip(1).map(|row| row[0].clone()).collect();
        let images = (0..30).map(|index| format!("image {index:02}"));
        assert_eq!(written, ["'=cmd|\"x\",y".to_owned()].into_iter().chain(images).collect::<Vec<_>>());
        // The list itself has pages, which are bounded in bytes here.
        assert!(alice.list("").await.expect(200).json()["next"].is_string());

        let columns = "columns=id,name,status,status_text,size,firmware,os_distro,tags,hidden,none";
        let one = of(&format!("status=active&{columns}")).await.expect(200).text();
        let line = format!("{id},\"'=cmd|\"\"x\"\",y\",active,Available,4,uefi,debian,a,false,\r\n");
        assert_eq!(one, format!("{}\r\n{line}", columns.trim_start_matches("columns=")));
        let queued = of("name=image%2001&columns=status_text&bom=true").await.expect(200).text();
        assert_eq!(queued, "\u{feff}status_text\r\nCreating\r\n");
        assert_eq!(of("columns=id&format=xlsx-safe&name=none").await.expect(200).text(), "\u{feff}id\r\n");

        // Nobody sees more than in the list.
        let foreign = app.as_member("bob").get("/ext/v1/images.csv").await.expect(200);
        assert_eq!(table(&foreign.text()).len(), 1);
        assert!(foreign.header("content-disposition").starts_with("attachment; filename=\"images-north1-2"));
        let region = of("columns=region&name=image%2001").await.expect(200).text();
        assert_eq!(region, "region\r\n\"'=north \"\"1\"\"\"\r\n");
    }
}

/// The head of a table without chosen columns.
const HEAD: &str = "id,name,status,status_text,visibility,owner,project_name,disk_format,container_format,size,virtual_size,min_disk,\
    min_ram,os_type,os_distro,os_version,architecture,firmware,image_kind,image_family,image_version,media_group,protected,\
    hidden,created_at,updated_at,activated_at,last_downloaded_at,stores,region,checksum,os_hash_algo,os_hash_value,source_instance,tags,description,\
    billing_gb_month";

on_each_database! {
    /// The table says when an image got its data, which later changes leave alone and of which nothing is said where it was
    /// not seen, and what it counts for this month, to those who may see that.
    async fn the_table_tells_of_the_ledger(database: Database) {
        let app = usage::app(database);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        usage::turn_to(&app, 5);
        let id = alice.created(image().raw().named("mine").with("description", "a disk")).await;
        app.later(60);
        alice.upload(&id, "data").await.expect(204);
        let activated = alice.show(&id).await.expect(200).json()["updated_at"].as_str().unwrap().to_owned();
        // It got its data before anybody looked.
        let old = record("alice", 0);
        app.insert(std::slice::from_ref(&old)).await;
        usage::turn_to(&app, 5);
        // Another interval of the same image.
        alice.update(&id, json!([{"op": "replace", "path": "/name", "value": "yours"}])).await.expect(200);
        let queued = alice.created(image().named("zero")).await;
        let public = usage::active(&admin, image().public().named("all")).await;

        assert_eq!(table(&alice.get("/ext/v1/images.csv").await.expect(200).text())[0].join(","), HEAD);
        let of = async |client: &Client, id: &str| {
            let path = format!("/ext/v1/images.csv?id={id}&columns=description,activated_at,billing_gb_month");
            table(&client.get(&path).await.expect(200).text()).remove(1)
        };
        let month = month_of(app.app().db.clock.now()).unwrap();
        let (from, to) = (month.from.isotime(), month.to.isotime());
        let report = usage::report(&alice, &from, &to, &format!("&image={id}")).await.expect(200).json();
        let charged = report["sections"]["images"]["total"]["gb_month"].as_f64().unwrap();
        assert!(charged > 0.0);
        let mine = ["a disk".to_owned(), activated, format!("{charged:.6}")];
        assert_eq!(of(&alice, &id).await, mine);
        assert_eq!(of(&admin, &id).await, mine);
        assert_eq!(of(&alice, &old.id).await[1], "");
        assert_eq!(of(&alice, &queued).await, ["", "", "0.000000"]);
        // Of others' images a project sees what is no secret.
        assert_eq!(of(&alice, &public).await[2], "");
        assert_eq!(of(&admin, &public).await[2], "0.000000");
        assert_eq!(of(&alice, &public).await[1], of(&admin, &public).await[1]);
        assert_ne!(of(&alice, &public).await[1], "");
    }
}

on_each_database! {
    /// The table names the project of an image to administrators and to the project itself, and nothing where no name is
    /// known.
    async fn the_table_names_projects(database: Database) {
        let app = database.app();
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        let own = alice.created(image().named("own")).await;
        let nameless = app.as_member("nameless").created(image().named("nameless")).await;
        let public = usage::active(&admin, image().public().named("all")).await;
        let of = async |client: &Client, id: &str| {
            let path = format!("/ext/v1/images.csv?id={id}&columns=name,project_name");
            table(&client.get(&path).await.expect(200).text()).remove(1)
        };
        for (client, id, expected) in [
            (&alice, &own, ["own", "'=alice"]),
            (&admin, &own, ["own", "'=alice"]),
            (&admin, &nameless, ["nameless", ""]),
            (&admin, &public, ["all", "'=admin-project"]),
            // The public image of others.
            (&bob, &public, ["all", ""]),
        ] {
            assert_eq!(of(client, id).await, expected);
        }
    }
}

on_each_database! {
    /// The table says when an image was last downloaded from any node, whole or in part, once that is written down: at the
    /// latest when the server stops. It is for the owner and for administrators, and an earlier time never replaces a later one.
    async fn the_table_tells_of_downloads(database: Database) {
        let mut app = database.app();
        let id = usage::active(&app.as_admin(), image().public()).await;
        let unread = usage::active(&app.as_admin(), image().public()).await;
        let of = async |client: Client, id: &str| {
            let path = format!("/ext/v1/images.csv?id={id}&columns=id,last_downloaded_at");
            table(&client.get(&path).await.expect(200).text()).remove(1).remove(1)
        };
        let download = async |app: &TestApp| {
            let path = format!("/v2/images/{id}/file");
            let from = app.app().db.clock.now();
            app.as_member("bob").get(&path).header("Range", "bytes=0-0").await.expect(206);
            from.isotime()..=app.app().db.clock.now().isotime()
        };
        download(&app).await;
        app.later(120);
        let time = download(&app).await;
        // Nothing is written on the way of a request.
        assert_eq!(of(app.as_admin(), &id).await, "");
        app.restart(|_| {});
        let shown = of(app.as_admin(), &id).await;
        assert!(time.contains(&shown), "{shown} {time:?}");
        assert_eq!(of(app.as_admin(), &unread).await, "");
        assert_eq!(of(app.as_member("bob"), &id).await, "");

        // The clock of the node that runs now is behind.
        let images = app.app().images.clone();
        download(&app).await;
        images.downloads.write(&images.db).await.unwrap();
        assert_eq!(of(app.as_admin(), &id).await, shown);
        app.later(3600);
        let time = download(&app).await;
        images.downloads.write(&images.db).await.unwrap();
        assert!(time.contains(&of(app.as_admin(), &id).await));
    }
}

/// The built-in identity names the projects that it knows.
#[test]
fn the_builtin_identity_names_projects() {
    block_on(async {
        let app = Database::Sqlite
            .app_with(|options| options.identity = IdentityChoice::Builtin(builtin::Settings::default()));
        let db = app.app().db.clone();
        let read = |conn: &mut _| projects::find_by_name(conn, DEFAULT_DOMAIN_ID, "demo");
        let demo = db.read("test", read).await.unwrap().unwrap().id;
        let settings =
            builtin::Settings { data_dir: app.folder().to_owned(), ..builtin::Settings::default() };
        let identity = Builtin::open(settings, db).unwrap();
        let names = identity.project_names(vec![demo.clone(), "unknown".to_owned()]).await;
        assert_eq!(names, [(demo, "demo".to_owned())].into());
    });
}

/// What cannot be answered is refused by name.
#[test]
fn wrong_tables_are_refused() {
    block_on(async {
        let app = Database::Sqlite.app();
        for (query, why) in [
            ("columns=", "cannot be the name of a column"),
            ("columns=id,id", "is named twice"),
            ("limit=3", "limit"),
            ("marker=x", "marker"),
            ("bom=maybe", "bom must be"),
            ("format=pdf", "format must be"),
            ("size_min=x", "non-numeric"),
        ] {
            let refused = app.as_member("alice").get(&format!("/ext/v1/images.csv?{query}")).await;
            let message =
                refused.expect_for(400, query).json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(why), "{query}: {message}");
        }
        let many: Vec<String> = (0..129).map(|index| format!("c{index}")).collect();
        let path = format!("/ext/v1/images.csv?columns={}", many.join(","));
        app.as_member("alice").get(&path).await.expect(400);
    });
}
