"""A real Glance is stopped, its database taken over, and the same requests get the same answers."""

import hashlib
import json
import subprocess
import sys

import pytest

from harness import ROOT, binary, client, databases, free_port, wait_for

sys.path.append(str(ROOT / "tests/peers"))

import image_service
import peer
import personas

READERS = ("admin", "member", "imember", "oreader")
SPECIAL = "Ünï 'quoted' \"twice\" 日本 \\ %s"
KEY = "0123456789abcdef0123456789abcdef"


class Cloud:
    """A Keystone, and an image service at one port: Glance first, then Vitrine."""

    def __init__(self, folder):
        self.folder, self.port, self.tokens = folder, free_port(), {}
        keystone = [sys.executable, ROOT / "tests/peers/keystone"]
        self.keystone = subprocess.run(
            [*keystone, "up", "--dir", folder / "keystone", "--image", f"http://127.0.0.1:{self.port}"], check=True,
            capture_output=True, text=True).stdout.strip().splitlines()[-1]
        self.down = [*keystone, "down", "--dir", folder / "keystone"]
        self.conf = folder / "etc/glance-api.conf"

    def token(self, persona):
        if persona not in self.tokens:
            status, headers, _ = client.call("POST", f"{self.keystone}/auth/tokens", personas.token_request(persona))
            assert status == 201
            self.tokens[persona] = headers["X-Subject-Token"]
        return self.tokens[persona]

    def ask(self, method, path, body=None, persona="member", headers=None):
        return client.request(self.port, method, path, body,
                              {"X-Auth-Token": self.token(persona)} | (headers or {}), timeout_s=60)

    def create(self, persona="member", data=None, store=None, **fields):
        body = {"name": "image", "disk_format": "raw", "container_format": "bare"} | fields
        image = self.ask("POST", "/v2/images", body, persona).expect(201).json["id"]
        if data is not None:
            headers = {"Content-Type": "application/octet-stream"} | ({"X-Image-Meta-Store": store} if store else {})
            self.ask("PUT", f"/v2/images/{image}/file", data, persona, headers).expect(204)
        return image

    def patch(self, image, *operations, persona="admin"):
        self.ask("PATCH", f"/v2/images/{image}", list(operations), persona,
                 {"Content-Type": "application/openstack-images-v2.1-json-patch"}).expect(200)


def fill(cloud):
    """Images of every kind; returns their ids by what they are."""
    ids = {"plain": cloud.create(data=b"data", name=SPECIAL, tags=["b", "a b"], empty="", ключ=SPECIAL)}
    ids["shared"] = cloud.create(data=b"shared", visibility="shared")
    for project, answer in (("gamma", "accepted"), ("beta", "rejected"), ("admin", None)):
        _, _, projects = client.call("GET", f"{cloud.keystone}/projects?name={project}", None,
                                          {"X-Auth-Token": cloud.token("admin")})
        member = projects["projects"][0]["id"]
        cloud.ask("POST", f"/v2/images/{ids['shared']}/members", {"member": member}).expect(200)
        if answer:
            cloud.ask("PUT", f"/v2/images/{ids['shared']}/members/{member}", {"status": answer},
                      "imember" if project == "gamma" else "omember").expect(200)
    ids["public"] = cloud.create("admin", b"public", visibility="public")
    ids["community"] = cloud.create(data=b"community", visibility="community")
    ids["hidden"] = cloud.create(data=b"hidden", os_hidden=True, protected=True)
    ids["queued"] = cloud.create()
    ids["deactivated"] = cloud.create(data=b"deactivated")
    cloud.ask("POST", f"/v2/images/{ids['deactivated']}/actions/deactivate", b"", "admin").expect(204)
    ids["deleted"] = cloud.create(data=b"pending")
    cloud.ask("DELETE", f"/v2/images/{ids['deleted']}").expect(204)
    ids["copied"] = cloud.create(data=b"copied", store="cheap")
    cloud.ask("POST", f"/v2/images/{ids['copied']}/import", {
        "method": {"name": "copy-image"}, "stores": ["spare"]}, "admin").expect(202)
    wait_for("the copy is made", lambda: cloud.ask(
        "GET", f"/v2/images/{ids['copied']}/tasks", None, "admin").json["tasks"][0]["status"] == "success")
    ids["uploading"] = cloud.create()
    cloud.ask("PUT", f"/v2/images/{ids['uploading']}/stage", b"staged", "member",
              {"Content-Type": "application/octet-stream"}).expect(204)
    namespace = {"namespace": "Own", "visibility": "private", "description": SPECIAL,
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
    for name in {"tags", "resource_type_associations", "members"} & body.keys():
        body[name] = sorted(body[name], key=json.dumps)
    return body


def seen(cloud, ids):
    """What each caller sees of it all."""
    paths = ["/v2/images?limit=100&sort=created_at:asc,id:asc", "/v2/images?os_hidden=true",
             "/v2/images?visibility=community", "/v2/images?member_status=all&visibility=shared",
             "/v2/info/stores", "/v2/info/import",
             "/v2/metadefs/namespaces/Own", "/v2/metadefs/namespaces?limit=100", "/v2/metadefs/resource_types"]
    for name, image in ids.items():
        if name != "uploading":
            paths += [f"/v2/images/{image}{tail}" for tail in ("", "/members", "/tasks", "/file")]
    answers = {}
    for persona in READERS:
        for path in paths:
            answer = cloud.ask("GET", path, None, persona)
            body = answer.body
            if "json" in answer.headers.get("Content-Type", ""):
                body = in_order(answer.json)
                if isinstance(body, dict) and "images" in body:
                    body["images"] = [image for image in body["images"] if image["id"] != ids["uploading"]]
            elif answer.status >= 400:
                body = b""
            else:
                body = hashlib.sha256(body).hexdigest()
            answers[f"{persona} {path}"] = (answer.status, body)
    return answers


def differences(path, before, after):
    """Where two answers differ, leaf by leaf."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() | after.keys():
            yield from differences(f"{path} .{name}", before.get(name, "absent"), after.get(name, "absent"))
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        for at, pair in enumerate(zip(before, after)):
            yield from differences(f"{path} [{at}]", *pair)
    else:
        yield f"{path}: {before!r} became {after!r}"[:600]


def vitrine(*words, status=0):
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", [databases.MARIADB, databases.POSTGRESQL])
def test_a_cloud_moves_in(tmp_path, kind):
    """From a Glance on each database: ids, times, owners, members, tasks and definitions stay, data is served from the
    files where it was, and what is deleted stays so. A second run takes what has changed since."""
    cloud = Cloud(tmp_path)
    try:
        url = getattr(databases, kind)().create().url
        own = url.replace("mysql:", "mysql+pymysql:").replace("postgresql:", "postgresql+psycopg:")
        options = [f"database.connection={own}", f"metadata_encryption_key={KEY}", "delayed_delete=true",
                   "scrub_time=3600"]
        conf = image_service.write_conf(tmp_path, f"http://127.0.0.1:{cloud.port}", cloud.keystone, own, options)
        manage = [peer.venv("glance") / "bin/glance-manage", "--config-file", conf]
        peer.run([*manage, "db_sync"], tmp_path / "sync.log")
        peer.run([*manage, "db_load_metadefs", peer.venv("glance") / "etc/glance/metadefs"], tmp_path / "sync.log")
        image_service.start_glance(tmp_path, cloud.port, cloud.keystone, options)
        ids = fill(cloud)
        files = sorted(path.name for path in (tmp_path / "stores").glob("*/[!.]*"))
        assert "this is Glance's own database" in vitrine("db", "sync", "--database", own, status=1)

        # While Glance runs, then once more for what has changed meanwhile.
        ours = databases.fresh(kind)
        arguments = ("import-glance", "--from", own, "--config-file", cloud.conf, *ours.arguments,
                     "--data-dir", tmp_path / "own")
        dry = vitrine(*arguments, "--dry-run")
        assert f"{len(ids)} of {len(ids)} images" in dry and "would be taken" in dry
        said = vitrine(*arguments)
        assert f"image {ids['uploading']}: queued: it was uploading" in said
        cloud.patch(ids["queued"], {"op": "add", "path": "/late", "value": "1"})
        cloud.ask("PUT", f"/v2/images/{ids['public']}/tags/late", b"", "admin").expect(204)
        late = cloud.create(data=b"late")
        ids["late"] = late
        before = seen(cloud, ids)
        image_service.stop(tmp_path)
        vitrine(*arguments)
        assert sorted(path.name for path in (tmp_path / "stores").glob("*/[!.]*")) == sorted([*files, late])

        conf = tmp_path / "etc/vitrine.conf"
        conf.write_text("".join(line for line in cloud.conf.read_text().splitlines(True)
                                if not line.startswith(("metadata_encryption_key", "connection"))))
        (tmp_path / "own").mkdir(exist_ok=True)
        peer.start("vitrine", tmp_path, [binary(), "serve", "--config-file", conf, "--data-dir", tmp_path / "own",
                                         "--bind", f"127.0.0.1:{cloud.port}", *ours.arguments], f"http://127.0.0.1:{cloud.port}/versions")
        after = seen(cloud, ids)
        different = [line for path in before for line in differences(path, before[path], after[path])]
        assert not different, "\n".join(different)
        assert cloud.ask("GET", f"/v2/images/{ids['uploading']}").json["status"] == "queued"
        cloud.ask("POST", "/v2/images", {"id": ids["deleted"]}).expect(409)
        # What is deleted now goes from its store; the data of what Glance deleted is kept for as long as it was to be.
        image = ids["copied"]
        assert len(list((tmp_path / "stores").glob(f"*/{ids['deleted']}"))) == 1
        assert len(list((tmp_path / "stores").glob(f"*/{image}"))) == 2
        rows = ours.rows(None, "SELECT state FROM blobs WHERE image_id = ?", (ids["deleted"],))
        assert rows == [("doomed",)]
    finally:
        image_service.stop(tmp_path)
        subprocess.run(cloud.down, check=True)
