"""What administrators do: the cache, stores, rules, groups, limits, tasks of the old kind."""

from ..client import Idle
from .lives import known
from .table import operation

NODES = "/v2/cache/nodes/{id}"


@operation(2, admin=True)
def cache_an_image(client):
    """It is queued, and taken out of the queue or the cache again."""
    image = client.ready()
    client.ask("PUT", "/v2/cache/{id}", image.id, expect=202)
    client.ask("GET", NODES, image.id)
    client.ask("DELETE", "/v2/cache/{id}", image.id, expect=(204, 404))


@operation(0.5, admin=True)
def empty_the_cache(client):
    client.ask("DELETE", "/v2/cache", expect=204)


@operation(0.5, admin=True)
def tidy_the_cache(client):
    client.ask("POST", "/v2/cache/clean")
    client.ask("POST", "/v2/cache/prune")


@operation(0.7, admin=True)
def reconcile(client):
    """A dry run over a store, and what it found."""
    if client.reconciliation:
        raise Idle
    # One at a time is at work in a store.
    answer = client.begin("store_reconcile", "POST", "/ext/v1/stores/{store}/reconcile",
                          client.random.choice(["one", "two"]), expect=(202, 409),
                          body={"verify": "size", "dry_run": True})
    if answer.status == 202:
        client.reconciliation = answer.json["job"]["id"]


@operation(2, admin=True)
def findings(client):
    """Nothing is lost or damaged, whatever is under way."""
    job = client.reconciliation
    if not job:
        raise Idle
    shown = client.ask("GET", "/ext/v1/jobs/{id}", job).json["job"]
    if shown["state"] in ("queued", "running", "waiting"):
        return
    bad = []
    # By state, since what is only information could fill the first page.
    for state in ("missing", "size-mismatch", "hash-mismatch", "orphan", "foreign"):
        bad += client.ask("GET", "/ext/v1/jobs/{id}/findings", job, query=f"?state={state}").json["findings"]
    client.holds(bad == [], f"a reconciliation found {bad}")
    client.reconciliation = None


@operation(1, admin=True)
def storage_at_run_time(client):
    """A store is added, changed and removed."""
    name = client.word()
    folder = client.ground.storages / name
    folder.mkdir()
    route = "/ext/v1/stores/{store}"
    client.mess.append(("DELETE", route, (name,), ""))
    client.ask("POST", "/ext/v1/stores", expect=201,
               body={"id": name, "type": "file", "options": {"datadir": str(folder)}})
    client.ask("PATCH", route, name, body={"description": "other"})
    client.ask("GET", route, name)
    client.tidy_all()


@operation(0.7, admin=True)
def placement_rule(client):
    route = "/ext/v1/placement-rules/{id}"
    made = client.ask("POST", "/ext/v1/placement-rules", expect=201,
                      body={"when": {"disk_format": "iso"}, "store": "two", "description": client.word()})
    name = made.json["placement_rule"]["id"]
    client.mess.append(("DELETE", route, (name,), ""))
    client.ask("GET", route, name)
    client.ask("PATCH", route, name, body={"position": 5})
    tried = client.ask("POST", "/ext/v1/placement-rules/try", body={"image": {"disk_format": "iso"}}).json
    client.holds(tried["store"] == "two", f"an iso would go into {tried['store']}")
    client.tidy_all()


@operation(0.7, admin=True)
def media_group(client):
    name, route = client.word(), "/ext/v1/media-groups/{name}"
    client.mess.append(("DELETE", route, (name,), "?clear=true"))
    client.ask("POST", "/ext/v1/media-groups", expect=201, body={"name": name, "order": 10})
    client.ask("GET", route, name)
    client.ask("PATCH", route, name, body={"label": "other"})
    client.tidy_all()
    client.ask("GET", route, name, expect=404)


@operation(0.7, admin=True)
def limits(client):
    """Of a project that nobody is in."""
    name, route = client.word(), "/ext/v1/projects/{id}/limits"
    client.mess.append(("DELETE", route, (name,), ""))
    client.ask("PUT", route, name, expect=204, body={"image_count_total": 5})
    shown = client.ask("GET", route, name).json["limits"]
    client.holds(shown["image_count_total"] == 5, f"the limits of {name} are {shown}")
    client.tidy_all()


@operation(1, admin=True)
def rates(client):
    client.ask("PUT", "/ext/v1/usage/rates", body={"currency": "EUR", "default": "0.05"})


@operation(1, admin=True)
def consumers_of_a_host(client):
    image = client.one(known)
    scope = f"?scope=host:{client.word()}"
    one = {"image_id": image.id, "type": "server", "id": client.word()}
    answer = client.ask("PUT", "/ext/v1/consumers", query=scope, body={"consumers": [one]}).json
    client.holds(answer["kept"] == 1, f"of one consumer {answer} were kept")
    client.ask("PUT", "/ext/v1/consumers", query=scope, body={"consumers": []})


@operation(1, admin=True)
def consumer(client):
    image, route = client.one(known), "/ext/v1/images/{id}/consumers/{type}/{consumer}"
    name = (image.id, "server", client.word())
    client.mess.append(("DELETE", route, name, ""))
    client.ask("PUT", route, *name, expect=201, body={"project_id": client.user.project})
    found = client.ask("GET", "/ext/v1/images/{id}/consumers", image.id).json["consumers"]
    client.holds(name[2] in [one["id"] for one in found], f"{name} is not among {found}")
    client.tidy_all()


@operation(1, admin=True)
def give_to_a_project(client):
    image = client.one(lambda image: image.is_ready and image.visibility == "shared")
    other = client.other()
    body = {"project_id": other.project}
    client.mess.append(("DELETE", "/v2/images/{id}/members/{member}", (image.id, other.project), ""))
    client.ask("POST", "/ext/v1/images/{id}/attach", image.id, body=body)
    client.ask("GET", "/v2/images/{id}", image.id, user=other)
    client.ask("POST", "/ext/v1/images/{id}/detach", image.id, expect=204, body=body)
    client.mess.pop()
    client.ask("GET", "/v2/images/{id}", image.id, user=other, expect=404)


@operation(0.3, admin=True)
def task_of_the_old_kind(client):
    """It makes an image of its own, which nobody keeps."""
    source = {"import_from": f"{client.origin.url}/missing/1/1", "import_from_format": "raw", "image_properties": {
        "name": client.word(), "disk_format": "raw", "container_format": "bare"}}
    task = client.begin("import", "POST", "/v2/tasks", expect=201, body={"type": "import", "input": source}).json
    client.ask("GET", "/v2/tasks/{id}", task["id"])
