//! Stores that keep disks in one format (`vitrine_disk_format`), by whatever call the data comes.

use std::path::{Path, PathBuf};

use futures::{StreamExt, channel::mpsc};
use vitrine::{config::Stores, import::settings::Plugin, server::Options};

use super::{
    plugins::{converted, disk, executable, grown, recording},
    source::*,
    stores::with_stores_and,
    *,
};

/// How long an upload waits for its conversion where a test wants to see it end.
const LONG: std::time::Duration = std::time::Duration::from_secs(3600);

/// A server whose only store keeps disks in a format, and whose uploads wait for their conversion until they are told that
/// it is over: they would not look for its end before their clients give up.
fn keeping(database: Database, format: &str, change: impl FnOnce(&mut Options)) -> TestApp {
    database.app_with(|options| {
        reach_loopback(options);
        options.imports.conversion_wait = LONG;
        options.imports.conversion_look = LONG;
        wish(&mut options.stores, 0, format);
        change(options);
    })
}

fn wish(stores: &mut Stores, at: usize, format: &str) {
    stores.list[at].disk_format = Some(format.to_owned());
}

/// A converter that does not begin to convert before [`Held::release`].
pub struct Held {
    pub program: PathBuf,
    gate: PathBuf,
    began: PathBuf,
}

impl Held {
    pub fn below(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        let held = Self { program: at("held"), gate: at("gate"), began: at("began") };
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *' -- qemu-img convert '*)\n  : > {}\n  while [ ! -e {} ]; do sleep 0.02; done;;\n\
             esac\nexec {} \"$@\"\n",
            held.began.display(),
            held.gate.display(),
            env!("CARGO_BIN_EXE_vitrine"),
        );
        executable(&held.program, &text);
        held
    }

    pub async fn began(&self) {
        eventually("the conversion begins", async || if self.began.exists() { Ok(()) } else { Err(()) })
            .await;
    }

    pub fn release(&self) {
        std::fs::write(&self.gate, "").unwrap();
    }
}

/// A server with a store for raw disks and a converter that is held back; uploads are answered at once.
fn with_held(database: Database) -> (TestApp, Held, tempfile::TempDir) {
    let folder = scratch_folder();
    let held = Held::below(folder.path());
    let app = keeping(database, "raw", |options| {
        options.imports.conversion_wait = std::time::Duration::ZERO;
        options.imports.confine_helper = held.program.clone();
        // Another attempt does not wait long for the end of one that fell silent.
        options.jobs.lease_seconds = 3;
    });
    (app, held, folder)
}

/// Requires that an image is active and has exactly this disk, as raw.
async fn keeps_raw(client: &Client, id: &str, data: &[u8]) -> Value {
    let shown = client.becomes(id, "active").await;
    assert_eq!((&shown["disk_format"], &shown["container_format"]), (&json!("raw"), &json!("bare")));
    assert_eq!((&shown["size"], &shown["virtual_size"]), (&json!(data.len()), &json!(data.len())));
    for name in ["os_glance_import_task", "os_glance_failed_import"] {
        assert_eq!(shown[name], Value::Null, "{name}");
    }
    let kept = client.download(id).await.expect(200);
    assert!(kept.body == data, "the data differs");
    assert_eq!(kept.header("content-md5"), shown["checksum"].as_str().unwrap());
    shown
}

async fn tasks(client: &Client, id: &str) -> Vec<Value> {
    let tasks = client.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
    tasks["tasks"].as_array().cloned().unwrap_or_default()
}

on_each_database! {
    /// What is uploaded in another format is converted before the answer, where that is short; the image tells of what
    /// is stored. What has the format already, or is no disk, is stored as it comes, and no job is made for it.
    async fn an_upload_is_converted(database: Database) {
        let app = keeping(database, "raw", |_| {});
        let alice = app.as_member("alice");
        let data = disk();
        for (format, sent) in [
            ("qcow2", converted(&data, &["-O", "qcow2", "-c"])),
            ("vmdk", converted(&data, &["-O", "vmdk", "-o", "subformat=streamOptimized"])),
            ("vdi", converted(&data, &["-O", "vdi"])),
            ("vhdx", converted(&data, &["-O", "vhdx"])),
        ] {
            let id = alice.created(image().raw().with("disk_format", format)).await;
            alice.upload(&id, sent).await.expect_for(204, format);
            assert_eq!(alice.show(&id).await.json()["status"], "active", "{format}");
            keeps_raw(&alice, &id, &data).await;
            assert_eq!(tasks(&alice, &id).await.len(), 1);
        }
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        keeps_raw(&alice, &id, &data).await;
        assert_eq!(tasks(&alice, &id).await, Vec::<Value>::new());
        let qcow = converted(&data, &["-O", "qcow2"]);
        for (disk_format, container) in [("qcow2", "ova"), ("qcow2", "compressed"), ("ami", "ami"), ("ploop", "bare")] {
            let new = image().raw().with("disk_format", disk_format).with("container_format", container);
            let (id, sent) = (alice.created(new).await, if container == "bare" { &data } else { &qcow });
            alice.upload(&id, sent.clone()).await.expect_for(204, disk_format);
            let shown = alice.show(&id).await.json();
            assert_eq!((&shown["status"], &shown["disk_format"]), (&json!("active"), &json!(disk_format)));
            assert!(alice.download(&id).await.body == *sent, "{disk_format} in {container}");
            assert_eq!(tasks(&alice, &id).await, Vec::<Value>::new());
        }
        nothing_is_staged(&app).await;
    }

    /// A store can want qcow2 as well.
    async fn a_store_may_want_qcow2(database: Database) {
        let app = keeping(database, "qcow2", |_| {});
        let alice = app.as_member("alice");
        let data = disk();
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        let shown = alice.show(&id).await.json();
        assert_eq!((&shown["status"], &shown["disk_format"]), (&json!("active"), &json!("qcow2")));
        assert_eq!(shown["virtual_size"], data.len());
        let kept = alice.download(&id).await.body;
        assert_eq!(shown["size"], kept.len());
        assert!(kept.starts_with(b"QFI\xfb"));
    }

    /// A conversion that takes longer than an upload waits goes on after the answer; the image is `saving` meanwhile, its
    /// formats stay, and it takes no other data.
    async fn a_long_conversion_goes_on_after_the_answer(database: Database) {
        let (app, held, _folder) = with_held(database);
        let alice = app.as_member("alice");
        let data = disk();
        let id = alice.created(image().qcow2()).await;
        alice.upload(&id, converted(&data, &["-O", "qcow2"])).await.expect(204);
        held.began().await;
        let shown = alice.show(&id).await.expect(200).json();
        assert_eq!((&shown["status"], &shown["disk_format"]), (&json!("saving"), &json!("qcow2")));
        alice.upload(&id, data.clone()).await.expect(409);
        let format = json!([{"op": "replace", "path": "/disk_format", "value": "raw"}]);
        alice.update(&id, format).await.expect(403);
        alice.download(&id).await.expect(204);
        held.release();
        keeps_raw(&alice, &id, &data).await;
        nothing_is_staged(&app).await;
    }

    /// A restart in the middle of the conversion loses nothing of what was accepted.
    async fn an_accepted_upload_outlives_a_restart(database: Database) {
        let (mut app, held, _folder) = with_held(database);
        let data = disk();
        let id = app.as_member("alice").created(image().qcow2()).await;
        app.as_member("alice").upload(&id, converted(&data, &["-O", "qcow2"])).await.expect(204);
        held.began().await;
        app.restart(|_| held.release());
        keeps_raw(&app.as_member("alice"), &id, &data).await;
        nothing_is_staged(&app).await;
    }

    /// What an attempt that fell silent has half written goes, but the image stays with its job, which is done again.
    async fn the_reaper_leaves_the_image_to_its_job(database: Database) {
        let (app, held, _folder) = with_held(database);
        let alice = app.as_member("alice");
        let data = disk();
        let id = alice.created(image().qcow2()).await;
        alice.upload(&id, converted(&data, &["-O", "qcow2"])).await.expect(204);
        held.began().await;
        app.later(100);
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
        assert_eq!(alice.show(&id).await.json()["status"], "saving");
        held.release();
        keeps_raw(&alice, &id, &data).await;
        nothing_is_staged(&app).await;
    }

    /// An image that is deleted while it is converted takes everything with it.
    async fn a_deletion_ends_the_conversion(database: Database) {
        let (app, held, _folder) = with_held(database);
        let alice = app.as_member("alice");
        let id = alice.created(image().qcow2()).await;
        alice.upload(&id, converted(&disk(), &["-O", "qcow2"])).await.expect(204);
        held.began().await;
        alice.remove(&id).await.expect(204);
        nothing_is_staged(&app).await;
    }

    /// A client that goes away in the middle leaves a queued image, as in any upload.
    async fn a_truncated_upload_can_be_repeated(database: Database) {
        let app = keeping(database, "raw", |_| {});
        let alice = app.as_member("alice");
        let data = disk();
        let sent = converted(&data, &["-O", "qcow2"]);
        let id = alice.created(image().qcow2()).await;
        let (sender, pieces) = mpsc::unbounded::<Vec<u8>>();
        let body = reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
        let upload = tokio::spawn(std::future::IntoFuture::into_future(alice.upload(&id, body)));
        sender.unbounded_send(sent[..100_000].to_vec()).unwrap();
        alice.becomes(&id, "saving").await;
        upload.abort();
        drop(sender);
        alice.becomes(&id, "queued").await;
        nothing_is_staged(&app).await;
        alice.upload(&id, sent).await.expect(204);
        keeps_raw(&alice, &id, &data).await;
    }

    /// What is unsafe, or not what it is said to be, is refused as it comes, and the converter is never called.
    async fn sec_17_an_upload_is_judged_before_it_is_converted(database: Database) {
        let folder = scratch_folder();
        let calls = folder.path().join("calls");
        let converter = recording(folder.path(), &calls);
        let app = keeping(database, "raw", |options| options.imports.confine_helper = converter);
        let alice = app.as_member("alice");
        let wrong_hash = image().qcow2().with("expected_hash", format!("sha256:{}", "0".repeat(64)));
        for (new, sent, status) in [
            (image().qcow2(), qcow2(1 << 20, Some("/etc/passwd")), 415),
            (image().qcow2(), bytes(100_000), 415),
            (image().raw().with("disk_format", "vmdk"), qcow2(1 << 20, None), 415),
            (wrong_hash, qcow2(1 << 20, None), 400),
        ] {
            let id = alice.created(new).await;
            alice.upload(&id, sent).await.expect(status);
            let shown = alice.show(&id).await.json();
            assert_eq!((&shown["status"], &shown["size"]), (&json!("queued"), &Value::Null));
            assert_eq!(tasks(&alice, &id).await, Vec::<Value>::new());
        }
        // Even where the operator lets formats differ, the converter gets what it is told.
        nothing_is_staged(&app).await;
        assert!(!calls.exists());
    }

    /// Where data may be of another format than it is said to be, it is still not given to the converter.
    async fn sec_17_what_is_not_what_it_is_said_to_be_is_not_converted(database: Database) {
        let folder = scratch_folder();
        let calls = folder.path().join("calls");
        let converter = recording(folder.path(), &calls);
        let app = keeping(database, "raw", |options| {
            options.imports.confine_helper = converter;
            options.image.format_rules.require_image_format_match = false;
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().qcow2()).await;
        alice.upload(&id, bytes(100_000)).await.expect(415);
        failed(&app, &alice, &id, "queued", "the data is raw").await;
        assert!(!calls.exists());
    }

    /// What the converter cannot read is refused, in the answer where it is short, and else by the task.
    async fn sec_39_what_cannot_be_converted_is_given_back(database: Database) {
        let mut app = keeping(database, "raw", |_| {});
        let id = app.as_member("alice").created(image().qcow2()).await;
        let answer = app.as_member("alice").upload(&id, qcow2(1 << 20, None)).await.expect(415);
        assert!(answer.text().contains("qemu-img cannot read it"), "{}", answer.text());
        failed(&app, &app.as_member("alice"), &id, "queued", "its data can be uploaded again").await;
        app.reconfigure(|options| options.imports.conversion_wait = std::time::Duration::ZERO);
        let alice = app.as_member("alice");
        alice.upload(&id, qcow2(1 << 20, None)).await.expect(204);
        eventually("both tasks are over", async || {
            let tasks = tasks(&alice, &id).await;
            if tasks.iter().all(|task| task["status"] == "failure") && tasks.len() == 2 { Ok(()) } else { Err(tasks) }
        })
        .await;
        failed(&app, &alice, &id, "queued", "qemu-img cannot read it").await;
    }

    /// What cannot be converted, as is found out only after the answer, is told on the image as a failed import is, until
    /// another upload is good. Who is still there to be told by the answer finds nothing of it on the image.
    async fn a_failure_after_the_answer_is_told_on_the_image(database: Database) {
        let mut app = keeping(database, "raw", |options| options.stores.multiple = true);
        let id = app.as_member("alice").created(image().qcow2()).await;
        let told = async |app: &TestApp| {
            let shown = app.as_member("alice").show(&id).await.expect(200).json();
            (shown["status"].clone(), shown["os_glance_failed_import"].clone())
        };
        app.as_member("alice").upload(&id, qcow2(1 << 20, None)).await.expect(415);
        assert_eq!(told(&app).await, (json!("queued"), Value::Null));
        app.reconfigure(|options| options.imports.conversion_wait = std::time::Duration::ZERO);
        app.as_member("alice").upload(&id, qcow2(1 << 20, None)).await.expect(204);
        eventually("it is queued again", async || {
            let now = told(&app).await;
            if now == (json!("queued"), json!("file")) { Ok(()) } else { Err(now) }
        })
        .await;
        failed(&app, &app.as_member("alice"), &id, "queued", "qemu-img cannot read it").await;
        app.reconfigure(|options| options.imports.conversion_wait = LONG);
        app.as_member("alice").upload(&id, converted(&disk(), &["-O", "qcow2"])).await.expect(204);
        keeps_raw(&app.as_member("alice"), &id, &disk()).await;
    }

    /// The size of the disk is what counts, to the byte: under the cap on images, and under the quota of the project.
    async fn sec_39_the_size_of_the_disk_counts(database: Database) {
        let size = 8_u64 << 20;
        let sent = grown(&converted(&disk(), &["-O", "qcow2"]), size);
        assert!((sent.len() as u64) < size);
        for (cap, quota, status) in [
            (size - 1, None, 413),
            (size, None, 204),
            (u64::MAX, Some(size - 1), 413),
            (u64::MAX, Some(size), 204),
        ] {
            let app = keeping(database, "raw", |options| {
                (options.image.image_size_cap, options.image.user_storage_quota) = (cap, quota);
            });
            let alice = app.as_member("alice");
            let id = alice.created(image().qcow2()).await;
            alice.upload(&id, sent.clone()).await.expect_for(status, (cap, quota));
            let left = alice.show(&id).await.json()["status"].clone();
            assert_eq!(left, if status == 204 { "active" } else { "queued" });
            nothing_is_staged(&app).await;
            if quota == Some(size) {
                let other = alice.created(image().raw()).await;
                alice.upload(&other, bytes(1)).await.expect(413);
            }
        }
    }

    /// Every method of import ends in the format that the store wants, also where a plug-in would make another one.
    async fn an_import_is_converted_for_its_store(database: Database) {
        let mut app = keeping(database, "raw", |_| {});
        let data = disk();
        let qcow = converted(&data, &["-O", "qcow2"]);
        for plugins in [vec![], vec![Plugin::Conversion]] {
            app.reconfigure(|options| {
                options.imports.plugins = plugins;
                options.imports.output_format = "qcow2".to_owned();
            });
            let alice = app.as_member("alice");
            let id = alice.created(image().qcow2()).await;
            download(&alice, &id, &Source::of(qcow.clone()).url("/")).await.expect(202);
            assert_eq!(holds(&alice, &id, &data).await["disk_format"], "raw");
            for (format, sent) in [("qcow2", &qcow), ("raw", &data)] {
                let id = alice.created(image().raw().with("disk_format", format)).await;
                stage(&alice, &id, sent.clone()).await.expect(204);
                import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
                assert_eq!(holds(&alice, &id, &data).await["disk_format"], "raw");
            }
        }
        nothing_is_staged(&app).await;
    }

    /// Several stores get one format, that of the one that wants any; those that want different ones cannot have an
    /// image in common, and a copy stays what the image is.
    async fn stores_of_one_image_agree_on_its_format(database: Database) {
        let mut app = with_stores_and(database, &["plain", "blocks", "files", "spare"], |options| {
            options.imports.conversion_wait = LONG;
        });
        app.reconfigure(|options| {
            wish(&mut options.stores, 1, "raw");
            wish(&mut options.stores, 2, "qcow2");
        });
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let data = disk();
        let qcow = converted(&data, &["-O", "qcow2"]);
        let source = Source::of(qcow.clone());
        let into = |stores: Value| {
            json!({"method": {"name": "web-download", "uri": source.url("/")}, "stores": stores})
        };
        let id = alice.created(image().qcow2()).await;
        import(&alice, &id, into(json!(["blocks", "files"]))).await.expect(409);
        import(&alice, &id, into(json!(["plain", "blocks"]))).await.expect(202);
        assert_eq!(holds(&alice, &id, &data).await["disk_format"], "raw");
        let id = alice.created(image().qcow2()).await;
        alice.upload(&id, qcow.clone()).header("x-image-meta-store", "blocks").await.expect(204);
        assert_eq!(keeps_raw(&alice, &id, &data).await["stores"], "blocks");
        // A copy.
        let id = alice.created(image().qcow2()).await;
        alice.upload(&id, qcow.clone()).await.expect(204);
        let copy = |stores: &[&str], strictly: bool| {
            json!({"method": {"name": "copy-image"}, "stores": stores, "all_stores_must_succeed": strictly})
        };
        import(&admin, &id, copy(&["blocks"], true)).await.expect(409);
        import(&admin, &id, copy(&["blocks"], false)).await.expect(409);
        import(&admin, &id, copy(&["spare", "blocks"], true)).await.expect(409);
        import(&admin, &id, copy(&["spare", "blocks", "files"], false)).await.expect(202);
        let shown = holds(&admin, &id, &qcow).await;
        assert_eq!((&shown["disk_format"], &shown["os_glance_failed_import"]), (&json!("qcow2"), &json!("blocks")));
        assert_eq!(shown["stores"], "plain,spare,files");
    }
}
