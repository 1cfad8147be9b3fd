//! Decompression, conversion and injected metadata.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use vitrine::import::settings::Plugin;

use super::{source::*, *};

fn with_plugins(database: Database, plugins: &[Plugin]) -> TestApp {
    let plugins = plugins.to_vec();
    database.app_with(move |options| {
        reach_loopback(options);
        options.imports.plugins = plugins;
        options.imports.expansion_free = 8 << 20;
    })
}

/// What a tool of the system makes of the data.
pub fn piped(data: &[u8], tool: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = scratch_folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, data).unwrap();
    let command = Command::new(tool)
        .args(arguments)
        .stdin(std::fs::File::open(&from).unwrap())
        .stdout(std::fs::File::create(&to).unwrap())
        .status();
    assert!(command.unwrap().success(), "{tool} {arguments:?}");
    std::fs::read(to).unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// As programs write it that do not know the size of a member before they have written it.
fn streamed_zip(name: &str, data: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap().into_inner()
}

/// An archive whose directory alone takes megabytes.
fn crowded_zip() -> Vec<u8> {
    let names: Vec<String> = (0..6000).map(|n| format!("{n:01000}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    zip(&members)
}

/// A program of the test's own.
pub fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// Stands in for the converter: writes down how it was called, and fails.
pub fn recording(folder: &Path, calls: &Path) -> PathBuf {
    let path = folder.join("converter");
    executable(&path, &format!("#!/bin/sh\necho \"$@\" >> {}\nexit 1\n", calls.display()));
    path
}

/// The same disk in qcow2, made as large as that.
pub fn grown(data: &[u8], size: u64) -> Vec<u8> {
    let folder = scratch_folder();
    let at = folder.path().join("disk");
    std::fs::write(&at, data).unwrap();
    let grow =
        Command::new("qemu-img").args(["resize", "-f", "qcow2"]).arg(&at).arg(size.to_string()).output();
    assert!(grow.unwrap().status.success());
    std::fs::read(at).unwrap()
}

/// A disk whose content a conversion must keep.
pub fn disk() -> Vec<u8> {
    let mut disk = bytes(300_000);
    disk.resize(4 << 20, 0);
    disk
}

pub fn converted(data: &[u8], options: &[&str]) -> Vec<u8> {
    let folder = scratch_folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, data).unwrap();
    let status =
        Command::new("qemu-img").args(["convert", "-f", "raw"]).args(options).args([&from, &to]).status();
    assert!(status.expect("qemu-img").success());
    std::fs::read(to).unwrap()
}

on_each_database! {
    /// One layer of each kind of compression comes off, and only one.
    async fn compressed_data_is_unpacked(database: Database) {
        let app = with_plugins(database, &[Plugin::Decompression]);
        let alice = app.as_member("alice");
        let data = disk();
        let gzip = piped(&data, "gzip", &["-c"]);
        let cases = [
            ("gzip", gzip.clone(), data.clone()),
            ("two gzip members", [gzip.clone(), gzip.clone()].concat(), [data.clone(), data.clone()].concat()),
            ("gzip in gzip", piped(&gzip, "gzip", &["-c"]), gzip.clone()),
            ("bzip2", piped(&data, "bzip2", &["-c"]), data.clone()),
            ("xz", piped(&data, "xz", &["-c"]), data.clone()),
            ("lzma", piped(&data, "xz", &["-c", "--format=lzma"]), data.clone()),
            ("zstd", piped(&data, "zstd", &["-c"]), data.clone()),
            ("zip", zip(&[("../../escape", &data)]), data.clone()),
            ("streamed zip", streamed_zip("disk", &data), data.clone()),
            ("nothing", data.clone(), data.clone()),
        ];
        for (what, sent, kept) in cases {
            let source = Source::of(sent);
            let id = alice.created(image().named(what).raw()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            holds(&alice, &id, &kept).await;
        }
        let id = alice.created(image().raw().with("container_format", "compressed")).await;
        download(&alice, &id, &Source::of(gzip.clone()).url("/")).await.expect(202);
        holds(&alice, &id, &gzip).await;
        nothing_is_staged(&app).await;
    }

    /// Bombs, damaged data and archives of several files are refused.
    async fn bombs_and_damaged_data_are_refused(database: Database) {
        let app = with_plugins(database, &[Plugin::Decompression]);
        let alice = app.as_member("alice");
        let zeros = vec![0; 64 << 20];
        let mut cut = piped(&bytes(1_000_000), "xz", &["-c"]);
        cut.truncate(cut.len() / 2);
        let cases = [
            (piped(&zeros, "xz", &["-c"]), "more than is allowed"),
            (piped(&zeros, "bzip2", &["-c"]), "more than is allowed"),
            (piped(&zeros, "zstd", &["-c"]), "more than is allowed"),
            (cut, "damaged"),
            (zip(&[("a", b"x"), ("b", b"y")]), "exactly one file"),
            (zip(&[("folder/", b"")]), "exactly one file"),
            (crowded_zip(), "exactly one file"),
            (b"PK\x03\x04 and nothing more".to_vec(), "damaged"),
        ];
        for (sent, message) in cases {
            let source = Source::of(sent);
            let id = alice.created(image().raw()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
        }
    }

    /// Data is converted to the operator's format; the image says so once it is active.
    async fn data_is_converted(database: Database) {
        let app = with_plugins(database, &[Plugin::Decompression, Plugin::Conversion]);
        let alice = app.as_member("alice");
        let data = disk();
        let qcow = converted(&data, &["-O", "qcow2", "-c"]);
        for (format, sent) in [
            ("qcow2", qcow.clone()),
            ("qcow2", piped(&qcow, "gzip", &["-c"])),
            ("vmdk", converted(&data, &["-O", "vmdk", "-o", "subformat=streamOptimized"])),
            ("vdi", converted(&data, &["-O", "vdi"])),
            ("raw", data.clone()),
        ] {
            let source = Source::of(sent);
            let id = alice.created(image().raw().with("disk_format", format)).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            let shown = holds(&alice, &id, &data).await;
            assert_eq!((&shown["disk_format"], &shown["virtual_size"]), (&json!("raw"), &json!(4 << 20)));
        }
        nothing_is_staged(&app).await;
    }

    /// A later attempt goes on from what the plug-ins have made, and does not take it for the source.
    async fn an_import_goes_on_after_its_plug_ins(database: Database) {
        let app = with_plugins(database, &[Plugin::Decompression, Plugin::Conversion]);
        let alice = app.as_member("alice");
        let data = disk();
        let source = Source::of(piped(&converted(&data, &["-O", "qcow2"]), "gzip", &["-c"]));
        let away = app.folder().join("away");
        std::fs::rename(app.store_folder(), &away).unwrap();
        let id = alice.created(image().qcow2()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        eventually("the store is missed", async || {
            let tasks = alice.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
            let message = tasks["tasks"][0]["message"].clone();
            let is_postponed = message.as_str().is_some_and(|text| text.contains("will be tried again"));
            if is_postponed { Ok(()) } else { Err(message) }
        })
        .await;
        std::fs::rename(&away, app.store_folder()).unwrap();
        let shown = holds(&alice, &id, &data).await;
        assert_eq!((&shown["disk_format"], source.served()), (&json!("raw"), 1));
        nothing_is_staged(&app).await;
    }

    /// What the inspector refuses never reaches the converter, and the image keeps its formats.
    async fn sec_17_unsafe_data_is_not_converted(database: Database) {
        let app = with_plugins(database, &[Plugin::Conversion]);
        let alice = app.as_member("alice");
        for (sent, message) in [
            (qcow2(1 << 20, Some("/etc/passwd")), "backing file"),
            (bytes(100_000), "the data is raw"),
            (qcow2(1 << 60, None), "not converted"),
            (qcow2(1 << 20, None), "qemu-img cannot read it"),
        ] {
            let source = Source::of(sent);
            let id = alice.created(image().qcow2()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
            assert_eq!(alice.show(&id).await.json()["disk_format"], "qcow2");
        }
    }

    /// A disk that is larger than may be kept here is refused before the converter starts: by the cap on images, by the
    /// quota of the project, and by the room that there is.
    async fn sec_39_a_disk_over_the_limit_never_reaches_the_converter(database: Database) {
        let folder = scratch_folder();
        let calls = folder.path().join("calls");
        let converter = recording(folder.path(), &calls);
        let (mib, pib) = (1_u64 << 20, 1_u64 << 50);
        // Hundreds of kilobytes that would become gigabytes.
        let large = converted(&vec![0; 4 << 20], &["-O", "qcow2"]);
        let larger = grown(&large, 4 << 30);
        assert!(larger.len() < 400_000);
        for (cap, quota, data, refused) in [
            (4095 * mib, None, larger.clone(), true),
            (u64::MAX, Some(4095 * mib), larger.clone(), true),
            (u64::MAX, None, qcow2(pib / 2, None), true),
            (4096 * mib, Some(4097 * mib), larger.clone(), false),
        ] {
            let app = database.app_with(|options| {
                reach_loopback(options);
                options.imports.plugins = vec![Plugin::Conversion];
                options.imports.confine_helper = converter.clone();
                (options.image.image_size_cap, options.image.user_storage_quota) = (cap, quota);
            });
            let alice = app.as_member("alice");
            let id = alice.created(image().qcow2()).await;
            download(&alice, &id, &Source::of(data).url("/")).await.expect(202);
            let message = if refused { "bytes allowed" } else { "qemu-img cannot read it" };
            failed(&app, &alice, &id, "queued", message).await;
            assert_eq!(calls.exists(), !refused, "{cap} {quota:?}");
        }
        // What stands in for the converter was told the format.
        let told = std::fs::read_to_string(&calls).unwrap();
        assert!(told.contains(" -- qemu-img info -f qcow2 --output=json /"), "{told}");
    }

    /// A conversion is told both formats, whatever the data looks like.
    async fn sec_56_the_converter_is_told_the_formats(database: Database) {
        let folder = scratch_folder();
        let calls = folder.path().join("calls");
        let script = folder.path().join("converter");
        let text = "#!/bin/sh\necho \"$@\" >> CALLS\ncase \"$*\" in *' -- qemu-img info '*)\n\
                    echo '{\"format\": \"qcow2\", \"virtual-size\": 1048576}';;\n*) exit 1;;\nesac\n";
        executable(&script, &text.replace("CALLS", calls.to_str().unwrap()));
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.imports.plugins = vec![Plugin::Conversion];
            options.imports.confine_helper = script;
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().qcow2()).await;
        download(&alice, &id, &Source::of(qcow2(1 << 20, None)).url("/")).await.expect(202);
        failed(&app, &alice, &id, "queued", "could not read all of it").await;
        let told = std::fs::read_to_string(&calls).unwrap();
        let calls: Vec<&str> = told.lines().map(|line| line.split_once(" -- ").unwrap().1).collect();
        assert_eq!(calls.len(), 2, "{told}");
        assert!(calls[0].starts_with("qemu-img info -f qcow2 --output=json /"), "{told}");
        assert!(calls[1].starts_with("qemu-img convert -f qcow2 -O raw /"), "{told}");
    }

    /// Where the kernel cannot confine the converter, nothing is converted, and the import waits for the operator.
    async fn sec_39_without_confinement_nothing_is_converted(database: Database) {
        let folder = scratch_folder();
        let script = folder.path().join("converter");
        executable(&script, "#!/bin/sh\necho 'the kernel cannot confine this process' >&2\nexit 125\n");
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.imports.plugins = vec![Plugin::Conversion];
            options.imports.confine_helper = script;
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().qcow2()).await;
        download(&alice, &id, &Source::of(qcow2(1 << 20, None)).url("/")).await.expect(202);
        eventually("the operator is asked for", async || {
            let tasks = alice.get(&format!("/v2/images/{id}/tasks")).await.expect(200).json();
            let message = tasks["tasks"][0]["message"].as_str().unwrap_or_default().to_owned();
            if message.contains("tell its operator") { Ok(()) } else { Err(message) }
        })
        .await;
    }

    /// Data is held against `expected_hash` before a plug-in sees it.
    async fn sec_54_the_source_is_verified_before_it_is_converted(database: Database) {
        let folder = scratch_folder();
        let calls = folder.path().join("calls");
        let converter = recording(folder.path(), &calls);
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.imports.plugins = vec![Plugin::Conversion];
            options.imports.confine_helper = converter;
        });
        let alice = app.as_member("alice");
        let new = image().qcow2().with("expected_hash", format!("sha256:{}", "0".repeat(64)));
        let id = alice.created(new).await;
        download(&alice, &id, &Source::of(qcow2(1 << 20, None)).url("/")).await.expect(202);
        failed(&app, &alice, &id, "queued", "hash-mismatch").await;
        assert!(!calls.exists());
    }

    /// What needs more memory than decoders get is refused by its header, and what says less than it needs by its
    /// decoder; the largest windows that usual tools make pass.
    async fn sec_38_windows_are_bounded(database: Database) {
        let app = with_plugins(database, &[Plugin::Decompression]);
        let alice = app.as_member("alice");
        let data = disk();
        let xz = piped(&data, "xz", &["-c"]);
        // The block header follows the twelve bytes of the stream's, and ends with the size of the dictionary.
        let at = 12 + xz[12..].windows(2).position(|pair| pair == [0x21, 0x01]).unwrap() + 2;
        let with_dictionary = |bits: u8| [&xz[..at], &[bits], &xz[at + 1..]].concat();
        let small = piped(&data, "xz", &["-c", "--lzma2=dict=4KiB"]);
        let small_then_large = [small, piped(&data, "xz", &["-c", "-9"])].concat();
        for (sent, message) in [
            (with_dictionary(31), "bytes of memory"),
            (with_dictionary(40), "bytes of memory"),
            (small_then_large, "damaged"),
            (vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0, 0, 0], "bytes of memory"),
            ([&[0x5d, 0, 0, 0, 0x40][..], &[0xff; 8], &[0; 100]].concat(), "bytes of memory"),
        ] {
            let source = Source::of(sent);
            let id = alice.created(image().raw()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
        }
        for (tool, arguments) in [("xz", ["-c", "-9"]), ("zstd", ["-c", "--long=27"])] {
            let source = Source::of(piped(&data, tool, &arguments));
            let id = alice.created(image().raw()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            holds(&alice, &id, &data).await;
        }
    }

    /// Injected properties come with the data, for everybody but the roles that are left out.
    async fn metadata_is_injected(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.imports.plugins = vec![Plugin::InjectMetadata];
            options.imports.inject =
                [("origin", "web"), ("os_glance_x", "y")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        });
        let source = Source::of(bytes(10));
        for (client, expected) in [(app.as_member("alice"), json!("web")), (app.as_admin(), Value::Null)] {
            let id = client.created(image().raw()).await;
            download(&client, &id, &source.url("/")).await.expect(202);
            let shown = holds(&client, &id, &bytes(10)).await;
            assert_eq!((&shown["origin"], &shown["os_glance_x"]), (&expected, &Value::Null));
        }
    }
}
