"""Imports, copies and their jobs. Their ends are looked for by later operations."""

from ..client import Idle
from .data import chosen_store, queued
from .table import operation

ROUTE = "/v2/images/{id}/import"
KIND = "api_image_import"


def begin(client, image, method, is_doomed=False, **more):
    """Asks for an import; the image is busy from then on."""
    with client.changing(image):
        client.begin(KIND, "POST", ROUTE, image.id, expect=202, body={"method": method, **more})
        image.job, image.is_doomed_job = method["name"], is_doomed


def web_download(client, how, is_doomed=False):
    image = client.one(queued)
    url = f"{client.origin.url}/{how}/{image.seed}/{image.size}"
    # Data in memory is bounded to what is small.
    store = "one" if chosen_store(client) is None else "two"
    begin(client, image, {"name": "web-download", "uri": url}, is_doomed, stores=[store])


@operation(3)
def import_from_the_web(client):
    web_download(client, "good")


@operation(0.5)
def import_from_a_slow_source(client):
    web_download(client, "slow")


@operation(0.5)
def import_from_a_broken_source(client):
    """A fault of the source: it hangs up half way."""
    began = client.record.now()
    web_download(client, "broken", is_doomed=True)
    client.record.window("a source breaks off", began)


@operation(0.5)
def import_from_nowhere(client):
    web_download(client, "missing", is_doomed=True)


@operation(6)
def import_what_is_staged(client):
    image = client.one(lambda image: image.status == "uploading" and not image.job and not image.unsure)
    begin(client, image, {"name": "glance-direct"})


@operation(3)
def copy_to_another_store(client):
    image = client.ready()
    stores = {"one", "two"} | ({"three"} if image.size <= 4096 else set())
    missing = sorted(stores - image.stores)
    if not missing:
        raise Idle
    begin(client, image, {"name": "copy-image"}, stores=[client.random.choice(missing)])


@operation(2)
def delete_from_a_store(client):
    """One of several copies."""
    image = client.one(lambda image: image.is_ready and len(image.stores) > 1)
    store = client.random.choice(sorted(image.stores))
    with client.changing(image):
        client.ask("DELETE", "/v2/stores/{store}/{id}", store, image.id, expect=204)
    image.stores.discard(store)


def busy(image):
    return image.job is not None


@operation(14)
def see_how_an_import_goes(client):
    client.learn(client.one(busy))


@operation(2)
def tasks_of_an_image(client):
    image = client.one(lambda image: image.is_created)
    tasks = client.ask("GET", "/v2/images/{id}/tasks", image.id).json["tasks"]
    client.holds(all(task["image_id"] == image.id for task in tasks), "tasks of another image")


@operation(2)
def jobs(client):
    found = client.ask("GET", "/ext/v1/jobs", query="?limit=5").json["jobs"]
    if found:
        # Finished jobs are kept for longer than a run takes.
        client.ask("GET", "/ext/v1/jobs/{id}", found[0]["id"])


@operation(1.5)
def cancel_an_import(client):
    """Whatever it has come to: the image is looked at again."""
    image = client.one(busy)
    found = client.ask("GET", "/ext/v1/jobs", query=f"?image_id={image.id}&state=waiting").json["jobs"]
    for job in found:
        client.ask("POST", "/ext/v1/jobs/{id}/cancel", job["id"], expect=(202, 409))
