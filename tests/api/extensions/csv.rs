//! The list of images as a table (specification of the extensions, section d).

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
        let app = database.app_with(|options| options.image.bounds.page_bytes = 4096);
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
        assert!(foreign.header("content-disposition").starts_with("attachment; filename=\"images-2"));
    }
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
