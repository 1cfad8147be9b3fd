"""A real Glance is stopped and its database taken over, then given back: the same requests get the same answers."""

import contextlib
import hashlib
import json
import sqlite3
import sys
import types
import urllib.parse

import pytest

from harness import ROOT, OpenUpload, Server, client, databases, free_port, sources, wait_for

sys.path.append(str(ROOT / "tests/peers"))

import differences

import peer
from moving import Moving, vitrine

OCTETS = {"Content-Type": "application/octet-stream"}
READERS = ("admin", "member", "imember", "oreader")
NAME = "Ünï 'quoted' \"twice\" 日本 \\ %s"
# Glance takes a character of four bytes as a tag, and refuses it elsewhere.
WIDE = "%F0%9F%97%84"


def members(cloud, image, answers):
    """Shares an image of `member` with projects, each of which answers or does not."""
    for project, (persona, answer) in answers.items():
        _, _, projects = client.call("GET", f"{cloud.keystone}/projects?name={project}", None,
                                     {"X-Auth-Token": cloud.token("admin")})
        member = projects["projects"][0]["id"]
        cloud.ask("POST", f"/v2/images/{image}/members", {"member": member}).expect(200)
        if answer:
            cloud.ask("PUT", f"/v2/images/{image}/members/{member}", {"status": answer}, persona).expect(200)


def imported(cloud, image, method, status, persona="member", **more):
    """Asks for an import and waits for its end, which must be `status`."""
    cloud.ask("POST", f"/v2/images/{image}/import", {"method": method, **more}, persona).expect(202)
    wait_for("the import is over", lambda: cloud.ask(
        "GET", f"/v2/images/{image}/tasks", None, persona).json["tasks"][0]["status"] == status)


def begin_upload(cloud):
    """An image of `member` whose data is on its way; returns its id, and the upload."""
    image = cloud.create()
    upload = OpenUpload(types.SimpleNamespace(port=cloud.port, token=lambda: cloud.token("member")), image)
    upload.send(bytes(100_000))
    wait_for("the image is saving", lambda: cloud.ask("GET", f"/v2/images/{image}").json["status"] == "saving")
    return image, upload


def fill(cloud, web):
    """Images of every kind, one of them with its data at a URL of a web server; returns their ids by what they are."""
    ids = {"plain": cloud.create(data=b"data", name=NAME, tags=["b", "a b"], empty="", ключ=NAME)}
    cloud.ask("PUT", f"/v2/images/{ids['plain']}/tags/{WIDE}", b"").expect(204)
    ids["shared"] = cloud.create(data=b"shared", visibility="shared")
    members(cloud, ids["shared"], {"gamma": ("imember", "accepted"), "beta": ("omember", "rejected"),
                                   "admin": ("admin", None)})
    ids["public"] = cloud.create("admin", b"public", visibility="public")
    ids["located"] = cloud.create()
    cloud.patch(ids["located"], {"op": "add", "path": "/locations/-", "value": {"url": web, "metadata": {"of": "web"}}})
    ids["community"] = cloud.create(data=b"community", visibility="community")
    ids["hidden"] = cloud.create(data=b"hidden", os_hidden=True, protected=True)
    ids["queued"] = cloud.create(min_disk=7, min_ram=512)
    ids["deactivated"] = cloud.create(data=b"deactivated")
    cloud.ask("POST", f"/v2/images/{ids['deactivated']}/actions/deactivate", b"", "admin").expect(204)
    # With data, which waits for the scrubber, and without.
    ids["deleted"] = cloud.create(data=b"pending", tags=["gone"], gone="1")
    ids["never"] = cloud.create()
    for gone in ("deleted", "never"):
        cloud.ask("DELETE", f"/v2/images/{ids[gone]}").expect(204)
    ids["copied"] = cloud.create(data=b"copied", store="cheap")
    imported(cloud, ids["copied"], {"name": "copy-image"}, "success", "admin", stores=["spare"])
    ids["failed"] = cloud.create()
    imported(cloud, ids["failed"], {"name": "web-download", "uri": f"http://127.0.0.1:{free_port()}/none"}, "failure")
    ids["staged"] = cloud.create()
    cloud.ask("PUT", f"/v2/images/{ids['staged']}/stage", b"staged", "member",
              OCTETS).expect(204)
    namespace = {"namespace": "Own", "visibility": "private", "description": NAME,
                 "properties": {"p": {"title": "P", "type": "string"}}, "tags": [{"name": "t"}],
                 "objects": [{"name": "o", "required": ["p"], "properties": {"p": {"title": "P", "type": "string"}}}],
                 "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "x_"}]}
    cloud.ask("POST", "/v2/metadefs/namespaces", namespace, "admin").expect(201)
    return ids


def in_order(body):
    """A body whose lists that Glance leaves to its database are in an order."""
    if isinstance(body, list):
        return [in_order(item) for item in body]
    if not isinstance(body, dict):
        return body
    body = {name: in_order(value) for name, value in body.items()}
    for name in {"tags", "resource_type_associations", "members", "tasks"} & body.keys():
        body[name] = sorted(body[name], key=json.dumps)
    return body


PAGES_MAX = 20


def pages(cloud, persona, query):
    """The ids on all pages of a list, page by page."""
    path, found = f"/v2/images?limit=4&{query}", []
    while path:
        body = cloud.ask("GET", path, None, persona).expect(200).json
        found.append([image["id"] for image in body["images"]])
        assert len(found) < PAGES_MAX, f"{query}: the pages have no end"
        path = body.get("next")
    return found


def seen(cloud, ids):
    """What each caller sees of it all, by the request: answers as the side-by-side comparison has them."""
    paths = ["/v2/images?limit=100&sort=created_at:asc,id:asc", "/v2/images?os_hidden=true",
             "/v2/images?visibility=community", "/v2/images?member_status=all&visibility=shared",
             "/v2/info/stores", "/v2/info/import", "/v2/tasks?sort_key=id",
             "/v2/metadefs/namespaces/Own", "/v2/metadefs/namespaces?limit=100", "/v2/metadefs/resource_types"]
    for image in ids.values():
        paths += [f"/v2/images/{image}{tail}" for tail in ("", "/members", "/tasks", "/file")]
    answers = {}
    for persona in READERS:
        for path in paths:
            answer = cloud.ask("GET", path, None, persona)
            body = hashlib.sha256(answer.body).hexdigest()
            if "json" in answer.headers.get("Content-Type", ""):
                body = in_order(answer.json)
            elif answer.status >= 400:
                body = ""
            headers = {name: answer.headers[name] for name in ("Content-MD5",) if name in answer.headers}
            answers[f"{persona} {path}"] = {"status": answer.status, "headers": headers, "body": body}
        # Glance goes round in circles where what it sorts by is null.
        for query in ("sort=name:asc,id:desc", "sort=created_at:desc,id:asc", "sort=status:asc,id:asc"):
            answers[f"{persona} pages {query}"] = {"status": 200, "headers": {}, "body": pages(cloud, persona, query)}
    return answers


def same(before, after):
    """Requires that the same requests got the same answers, down to every id and time."""
    found = {path: differences.difference(before[path], after[path]) for path in before}
    assert not any(found.values()), "\n".join(f"{path}: {fields}" for path, fields in found.items() if fields)[:9000]


@pytest.fixture
def moving(tmp_path, request):
    with contextlib.closing(Moving(tmp_path, *request.param, ["delayed_delete=true", "scrub_time=3600"])) as made:
        yield made


def move_in(moving, url, ids):
    """Takes over what a running Glance has, stops it in the middle of an upload, takes what has changed meanwhile;
    returns what was seen last, and the image of that upload."""
    cloud, arguments = moving.cloud, ("import-glance", "--from", url)
    dry = moving.command(*arguments, "--dry-run")
    assert f"{len(ids)} of {len(ids)} images" in dry and "would be taken" in dry
    moving.command(*arguments)
    cloud.patch(ids["queued"], {"op": "add", "path": "/late", "value": "1"})
    cloud.ask("PUT", f"/v2/images/{ids['public']}/tags/late", b"", "admin").expect(204)
    ids["late"] = cloud.create(data=b"late")
    before = seen(cloud, ids)
    saving, _upload = begin_upload(cloud)
    moving.stop()
    files = moving.files()
    moving.command(*arguments)
    assert moving.files() == files
    return before, saving


def move_back(moving, url, ids):
    """Gives back what a running Vitrine has, stops it, gives what has changed meanwhile; returns what was seen last."""
    cloud, arguments = moving.cloud, ("export-glance", "--to", url)
    assert "the target has no tables" in moving.command(*arguments, status=1)
    moving.manage(url, "db_sync")
    dry = moving.command(*arguments, "--dry-run")
    assert f"{len(ids)} of {len(ids)} images" in dry and "would be written" in dry
    moving.command(*arguments)
    cloud.patch(ids["queued"], {"op": "add", "path": "/later", "value": NAME})
    cloud.ask("PUT", f"/v2/images/{ids['public']}/tags/later", b"", "admin").expect(204)
    cloud.ask("DELETE", f"/v2/images/{ids['late']}").expect(204)
    members(cloud, ids["plain"], {"beta": ("omember", "accepted")})
    ids["own"] = cloud.create(data=b"own", store="cheap", name=NAME)
    before, files = seen(cloud, ids), moving.files()
    moving.stop()
    moving.command(*arguments)
    assert moving.files() == files
    return before


# Glance's database, and Vitrine's, by the database that the run is about: `make test` goes one way, `make matrix` all
# of them, so that each kind is once the source and once the target.
WAYS = {databases.SQLITE: (databases.MARIADB, databases.POSTGRESQL),
        databases.POSTGRESQL: (databases.POSTGRESQL, databases.MARIADB),
        databases.MARIADB: (databases.SQLITE, databases.SQLITE)}


@pytest.mark.parametrize("moving", [WAYS[databases.default_kind()]], ids="-".join, indirect=True)
def test_a_cloud_moves_in_and_back(moving):
    """From a Glance to Vitrine and from there to a Glance: ids, times, owners, members, tasks and definitions stay,
    data is served from the files where it was, staged data is imported afterwards, and what is deleted stays so. A
    second run, each way, takes what has changed since."""
    cloud = moving.cloud
    url, second = moving.empty("first"), moving.empty("second")
    moving.manage(url, "db_sync")
    moving.manage(url, "db_load_metadefs", peer.venv("glance") / "etc/glance/metadefs")
    moving.start_glance(url)
    (moving.folder / "web").mkdir()
    (moving.folder / "web/located").write_bytes(b"located")
    web = sources.Folder(moving.folder / "web")
    ids = fill(cloud, f"{web.url}/located")
    assert "this is Glance's own database" in vitrine("db", "sync", "--database", url, status=1)
    there, saving = move_in(moving, url, ids)
    moving.start_vitrine()
    # Its data can be sent again, whatever the one before has left in the store.
    queued = cloud.ask("GET", f"/v2/images/{saving}").expect(200).json
    assert (queued["status"], queued["size"]) == ("queued", None)
    cloud.ask("PUT", f"/v2/images/{saving}/file", b"again", "member", OCTETS).expect(204)
    assert cloud.ask("GET", f"/v2/images/{saving}/file").expect(200).body == b"again"
    cloud.ask("DELETE", f"/v2/images/{saving}").expect(204)
    same(there, seen(cloud, ids))
    ids["saving"] = saving
    cloud.ask("POST", "/v2/images", {"id": ids["deleted"]}).expect(409)
    # What Glance has deleted is kept for as long as it was to be.
    rows = moving.ours.rows(moving.folder / "own", "SELECT state FROM blobs WHERE image_id = ?", (ids["deleted"],))
    assert rows == [("doomed",)]
    # Neither what came nor what was written since stands in the clear.
    urls = moving.ours.rows(moving.folder / "own", "SELECT url FROM image_locations", ())
    assert urls and not [url for (url,) in urls if "://" in url]
    assert "rows that did not come from here" in moving.command("export-glance", "--to", url, status=1)

    here = move_back(moving, second, ids)
    moving.start_glance(second)
    same(here, seen(cloud, ids))
    cloud.ask("POST", "/v2/images", {"id": ids["deleted"]}).expect(409)
    imported(cloud, ids["staged"], {"name": "glance-direct"}, "success")
    assert cloud.ask("GET", f"/v2/images/{ids['staged']}/file").expect(200).body == b"staged"
    web.close()
    # The scrubber finds what waits for it; no URL stands in the clear.
    rows = moving.rows(second, f"SELECT i.status, l.status FROM images i JOIN image_locations l ON l.image_id = i.id "
                               f"WHERE i.id = '{ids['deleted']}'")
    assert rows == [("pending_delete", "pending_delete")]
    assert moving.rows(second, "SELECT COUNT(*) FROM image_locations WHERE value LIKE '%%://%%'") == [(0,)]


def test_what_glance_cannot_keep_is_told(tmp_path):
    """An image that Glance's database does not take is left out, with the reason, and holds up no other; what was
    changed in Glance meanwhile is left as it is; records of caches move where a node has a URL."""
    glance = databases.mariadb().create()
    url = glance.url.replace("mysql:", "mysql+pymysql:")
    conf = tmp_path / "glance.conf"
    conf.write_text(f"[database]\nconnection = {url}\n")
    peer.run([peer.venv("glance") / "bin/glance-manage", "--config-file", conf, "db_sync"], tmp_path / "sync.log")
    conf.write_text(f"[DEFAULT]\nimage_cache_dir = {tmp_path}/cache\nworker_self_reference_url = http://one:9292\n")
    with Server(tmp_path / "data", database=databases.fresh(databases.SQLITE),
                arguments=("--config-file", conf)) as server:
        plain, wide = server.create(name="plain"), server.create(name="wide")
        server.put(plain, b"data").expect(204)
        server.download(plain)
        # As a takeover may have brought it.
        file = server.data_dir / "vitrine.sqlite"
        with contextlib.closing(sqlite3.connect(file, timeout=60)) as connection, connection:
            connection.execute("INSERT INTO image_tags VALUES (?, ?)", (wide, urllib.parse.unquote(WIDE)))
        wait_for("the copy is recorded", lambda: server.rows("SELECT 1 FROM cached_images"))
        said = server.command("export-glance", "--to", url)
        assert f"image {wide}: left out: Glance's database does not take it" in said
        assert "1 of 2 images" in said
        assert glance.rows(None, "SELECT id FROM images", ()) == [(plain,)]
        assert glance.rows(None, "SELECT node_reference_url, image_id FROM cached_images JOIN node_reference "
                                 "USING (node_reference_id)", ()) == [("http://one:9292", plain)]
        with glance.connect() as connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE image_tags MODIFY value VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL")
            cursor.execute("UPDATE images SET name = 'theirs', updated_at = '2099-01-01'")
        said = server.command("export-glance", "--to", url)
        assert f"image {plain}: left as it is: it was changed in Glance since" in said
        assert sorted(glance.rows(None, "SELECT name FROM images", ())) == [("theirs",), ("wide",)]
