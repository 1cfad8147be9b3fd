//! What single pieces cost, by Criterion: `cargo bench`, or `cargo bench -- hash` for those whose name has that in it.
//!
//! A database is SQLite in memory here, and nothing goes through HTTP: `benches/compare` measures the whole.

#![allow(clippy::unwrap_used, missing_docs)] // a bench that cannot do its work is to say so and end

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vitrine::{
    access::targets::ImageTarget,
    blob::digests::{Digests, Wanted},
    db::{self, identity::keys::KeyRow},
    format::Inspector,
    identity::builtin::{
        keys::KeyRing,
        token::{self, Claims, Verdict},
    },
    image::{query, update},
    model::{
        caller::Caller,
        hash::Algorithm,
        image::{Image, Visibility},
        list::{ListQuery, PageLimits},
        patch::{self, Dialect},
        properties::Property,
        status::Status,
        time::Timestamp,
    },
    server::{IdentityChoice, Options, Server},
};

/// Bytes of one stream, in chunks as they come from the network.
const STREAM: usize = 16 << 20;
const CHUNK: usize = 64 << 10;
const IMAGES: usize = 1000;
const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const PATCH: &str = r#"[{"op": "replace", "path": "/name", "value": "another"},
    {"op": "add", "path": "/os_distro", "value": "debian"}, {"op": "remove", "path": "/os_distro"}]"#;
const QUERY: [(&str, &str); 6] = [
    ("limit", "25"),
    ("name", "in:one,two,three"),
    ("size_min", "1000"),
    ("os_distro", "debian"),
    ("tag", "lts"),
    ("sort", "name:asc,created_at:desc"),
];

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn chunks() -> Vec<Bytes> {
    let noise =
        |seed: usize| (0..CHUNK).map(|n| (n.wrapping_mul(seed * 2 + 1) >> 3) as u8).collect::<Vec<_>>();
    (0..STREAM / CHUNK).map(|seed| Bytes::from(noise(seed))).collect()
}

async fn measured(wanted: &Wanted, chunks: &[Bytes]) {
    let mut digests = Digests::start(wanted).unwrap();
    for chunk in chunks {
        digests.feed(chunk).await.unwrap();
    }
    black_box(digests.finish().await.unwrap());
}

/// One stream with each set of hashes, and several at once, which may share the lanes of a register.
fn hashes(c: &mut Criterion) {
    let (runtime, chunks) = (runtime(), chunks());
    let mut group = c.benchmark_group("hash");
    let wanted = |names: &[&str]| Wanted {
        kept: names.iter().map(|name| Algorithm::of(name).unwrap()).collect(),
        ..Wanted::default()
    };
    group.throughput(Throughput::Bytes(STREAM as u64));
    for names in [&["md5"][..], &["sha256"], &["sha512"], &["md5", "sha512"]] {
        let wanted = wanted(names);
        group.bench_function(names.join(" and "), |b| {
            b.iter(|| runtime.block_on(measured(&wanted, &chunks)));
        });
    }
    for streams in [2, 8] {
        let wanted = wanted(&["md5", "sha512"]);
        group.throughput(Throughput::Bytes((STREAM * streams) as u64));
        group.bench_function(format!("md5 and sha512 of {streams} streams"), |b| {
            b.iter(|| runtime.block_on(join_all((0..streams).map(|_| measured(&wanted, &chunks)))));
        });
    }
    group.finish();
}

/// The inspector of formats, on data without one and on a qcow2 header.
fn inspector(c: &mut Criterion) {
    let raw = chunks();
    let mut disk = raw.clone();
    let mut header = b"QFI\xfb\0\0\0\x03".to_vec();
    header.resize(CHUNK, 0);
    disk[0] = Bytes::from(header);
    let mut group = c.benchmark_group("inspector");
    group.throughput(Throughput::Bytes(STREAM as u64));
    for (name, data) in [("raw", &raw), ("qcow2", &disk)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut inspector = Inspector::new();
                data.iter().for_each(|chunk| inspector.feed(chunk));
                black_box(inspector.finish())
            });
        });
    }
    group.finish();
}

fn caller() -> Caller {
    Caller {
        user_id: Some("user".to_owned()),
        project_id: Some("project".to_owned()),
        roles: vec!["member".to_owned(), "reader".to_owned()],
        is_admin_project: true,
        ..Caller::default()
    }
}

fn image(number: usize) -> Image {
    let created_at = Timestamp(NOW.0 - i64::try_from(number).unwrap() * 1_000_000);
    let property = |n: usize| Property { name: format!("property_{n}"), value: Some(format!("value {n}")) };
    Image {
        id: uuid::Uuid::new_v4().to_string(),
        revision: 1,
        name: Some(format!("image {number}")),
        owner: Some("project".to_owned()),
        visibility: Visibility::Private,
        status: Status::Active,
        disk_format: Some("qcow2".to_owned()),
        container_format: Some("bare".to_owned()),
        size: Some(1 << 30),
        virtual_size: Some(1 << 33),
        checksum: Some("0".repeat(32)),
        os_hash_algo: Some("sha512".to_owned()),
        os_hash_value: Some("0".repeat(128)),
        min_disk: 0,
        min_ram: 0,
        protected: false,
        os_hidden: false,
        created_at,
        updated_at: created_at,
        properties: (0..5).map(property).collect(),
        tags: vec!["a".to_owned(), "b".to_owned()],
        locations: Vec::new(),
        member: None,
    }
}

/// A server that listens to nobody, with images in memory.
struct House {
    server: Server,
    images: Vec<Image>,
    _folder: TempDir,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::embedded(folder.path().to_owned(), "127.0.0.1:0".to_owned());
    let connection = db::IN_MEMORY.to_owned();
    options.database = Some(db::Settings { connection, ..db::Settings::default() });
    options.identity = IdentityChoice::Nobody;
    let server = Server::open(&options).unwrap();
    let images: Vec<Image> = (0..IMAGES).map(image).collect();
    let insert = |conn: &mut db::Conn| images.iter().try_for_each(|image| db::images::insert(conn, image));
    server.app().db.write_blocking(insert).unwrap();
    House { server, images, _folder: folder }
}

/// What a list query says, a page from the database, and the JSON of a page.
fn lists(c: &mut Criterion) {
    let (runtime, house, caller) = (runtime(), house(), caller());
    let (app, limits) = (house.server.app(), PageLimits { default: 25, max: 1000 });
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let many = pairs(&QUERY);
    c.bench_function("list/read the query", |b| {
        b.iter(|| ListQuery::parse(black_box(&many), limits).unwrap())
    });
    for (name, pairs) in
        [("filters of which nothing is left", many.clone()), ("25", pairs(&[("limit", "25")]))]
    {
        let asked = ListQuery::parse(&pairs, limits).unwrap();
        c.bench_function(&format!("list/ask the database, {name}"), |b| {
            b.iter(|| runtime.block_on(query::list(&app.images, &caller, asked.clone())).unwrap());
        });
    }
    for count in [25, IMAGES] {
        c.bench_function(&format!("list/JSON of {count}"), |b| {
            b.iter(|| house.server.rendered(&caller, black_box(&house.images[..count])).unwrap());
        });
    }
}

/// A patch is read, and an image is changed by it.
fn patches(c: &mut Criterion) {
    let (runtime, house, caller) = (runtime(), house(), caller());
    let app = house.server.app();
    let schema = Arc::clone(&app.images.schema);
    let body = serde_json::from_str(PATCH).unwrap();
    c.bench_function("patch/read", |b| {
        b.iter(|| patch::parse(black_box(&body), Dialect::V21, &schema, 100).unwrap())
    });
    let operations = patch::parse(&body, Dialect::V21, &schema, 100).unwrap();
    c.bench_function("patch/change an image", |b| {
        b.iter(|| {
            runtime.block_on(update::update(&app.images, &caller, &house.images[0].id, &operations)).unwrap()
        });
    });
}

/// May they? Of rules that every request asks.
fn policies(c: &mut Criterion) {
    let (house, caller) = (house(), caller());
    let app = house.server.app();
    for rule in ["get_image", "modify_image"] {
        c.bench_function(&format!("policy/{rule}"), |b| {
            b.iter(|| app.policy.allows(rule, black_box(&caller), &ImageTarget(&house.images[0])));
        });
    }
}

/// A token of the built-in identity: signed, and checked.
fn tokens(c: &mut Criterion) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let private_key = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let row =
        KeyRow { generation: 1, kid: "key".to_owned(), private_key, created_at: NOW.0, replaced_at: None };
    let ring = KeyRing::new(&[row]).unwrap();
    let claims: Claims = serde_json::from_value(json!({
        "sub": "user", "iat": 1_800_000_000, "exp": 1_900_000_000, "vitrine_issued_at": NOW.0,
        "openstack_methods": ["password"], "openstack_audit_ids": [token::new_audit_id()],
        "openstack_project_id": "project",
    }))
    .unwrap();
    let signed = token::sign(&ring, &claims).unwrap();
    assert!(matches!(token::verify(&ring, &signed), Verdict::Ours(_)));
    c.bench_function("token/sign", |b| b.iter(|| token::sign(&ring, black_box(&claims)).unwrap()));
    c.bench_function("token/check", |b| b.iter(|| token::verify(&ring, black_box(&signed))));
}

criterion_group!(pieces, hashes, inspector, lists, patches, policies, tokens);
criterion_main!(pieces);
