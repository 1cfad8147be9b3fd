"""What both services are made to do with data: uploads, downloads, imports, copies."""

import time

import aims
from harness import process, streams
from services import Peak
from works import FIELDS, Figure, Work, cpu

# Clients at once.
SOME, MANY = 4, 8
CONVERTED = ("image_import_opts.image_import_plugins=[image_conversion]", "image_conversion.output_format=raw")
# How often a client asks whether an import is over.
POLL_S, IMPORT_S = 0.2, 300


def works(scene):
    """Every row that moves data. Downloads are of images that stay for all rounds."""
    download, downloads = (aims.beside_floor(1.1, "nginx, sendfile off", f"nginx, sendfile off, {clients}")
                           for clients in ("one client", "four clients"))
    yield Work((Figure("download, one client", "CPU s/GiB", cpu, download),), lambda s: read(s, scene, 1))
    yield Work((Figure("download, four at once", "CPU s/GiB", cpu, downloads),), lambda s: read(s, scene, SOME))
    parts = ("openssl md5", "openssl sha512", "write to the page cache", "receive and discard")
    upload = Figure("upload, one client", "CPU s/GiB", cpu, aims.beside_floor(1.08, "hashes, write, receive", *parts))
    wall = Figure("upload, one client, time", "s/GiB", lambda spent: spent.wall / spent.work, aims.beside_floor(
        1.15, "md5 alone", "openssl md5"))
    yield Work((upload, wall), lambda service: sent(service, scene, 1))
    yield Work((Figure("eight uploads", "CPU s/GiB", cpu, aims.beside_row(0.45, upload.name)),),
               lambda service: sent(service, scene, MANY))
    yield Work((Figure("memory, eight up and eight down", "MiB", lambda spent: spent, aims.at_most(48)),),
               lambda service: crowded(service, scene))
    yield Work((Figure("stage and glance-direct import", "CPU s/GiB", cpu, aims.beside_row(1.1, upload.name)),),
               lambda service: imported(service, scene, scene.source, "raw"))
    yield Work((Figure("copy to another store", "CPU s/GiB", cpu),), lambda service: copied(service, scene))
    yield Work((Figure("import with conversion, qcow2 to raw", "CPU s/GiB", cpu),),
               lambda service: imported(service, scene, scene.qcow2, "qcow2"), CONVERTED)


def create(service, **more):
    return service.ask().ask("POST", "/v2/images", FIELDS | more).json["id"]


def delete(service, images):
    for image in images:
        service.ask("admin").ask("DELETE", f"/v2/images/{image}")


def show(service, image):
    return service.ask().ask("GET", f"/v2/images/{image}").json


def at_once(service, target, images, last):
    token = service.cloud.token("member")
    done = streams.at_once(target, [(service.port, token, f"/v2/images/{image}/file", last) for image in images])
    assert done, f"{service.name}: a client failed"


def read(service, scene, clients):
    if service.name not in scene.stored:
        scene.stored[service.name] = create(service)
        at_once(service, streams.send, [scene.stored[service.name]], scene.source)
    with service.measured() as meter:
        at_once(service, streams.receive, [scene.stored[service.name]] * clients, scene.size)
    return meter.spent(clients * scene.gib), "read"


def sent(service, scene, clients):
    images = [create(service) for _ in range(clients)]
    with service.measured() as meter:
        at_once(service, streams.send, images, scene.source)
    facts = [show(service, image) for image in images]
    delete(service, images)
    return meter.spent(clients * scene.gib), [said(fact) for fact in facts]


def said(fact):
    """What a service says of data."""
    return {name: fact[name] for name in ("status", "size", "checksum", "os_hash_algo", "os_hash_value")}


def crowded(service, scene):
    """Memory in MiB at most, while eight send and then eight read."""
    images = [create(service) for _ in range(MANY)]
    with Peak(service) as peak:
        at_once(service, streams.send, images, scene.source)
        at_once(service, streams.receive, images, scene.size)
    delete(service, images)
    return peak.mib, "sent and read"


def until(service, image, condition):
    """Waits until something holds of an image that is imported."""
    deadline = time.monotonic() + IMPORT_S
    while not condition(fact := show(service, image)):
        failed = fact["status"] == "queued" or fact.get("os_glance_failed_import")
        assert not failed and time.monotonic() < deadline, f"{service.name}: {fact}\n{process.tail(service.log)}"
        time.sleep(POLL_S)
    return fact


def forget(service, image):
    """Deletes what was imported, once its tasks are over: the real Glance stumbles over one that still tidies up."""
    tasks = f"/v2/images/{image}/tasks"
    process.wait_for("its tasks are over", lambda: all(
        task["status"] in ("success", "failure") for task in service.ask().ask("GET", tasks).json["tasks"]))
    delete(service, [image])


def imported(service, scene, file, disk_format):
    image = create(service, disk_format=disk_format)
    with service.measured() as meter:
        token = service.cloud.token("member")
        done = streams.at_once(streams.send, [(service.port, token, f"/v2/images/{image}/stage", file)])
        assert done, f"{service.name}: staging failed"
        service.ask().ask("POST", f"/v2/images/{image}/import",
                          {"method": {"name": "glance-direct"}, "stores": ["fast"]})
        fact = until(service, image, lambda fact: fact["status"] == "active")
    forget(service, image)
    return meter.spent(scene.gib), said(fact) | {"disk_format": fact["disk_format"]}


def copied(service, scene):
    image = create(service)
    at_once(service, streams.send, [image], scene.source)
    with service.measured() as meter:
        service.ask("admin").ask("POST", f"/v2/images/{image}/import",
                                 {"method": {"name": "copy-image"}, "stores": ["cheap"]})
        fact = until(service, image, lambda fact: "cheap" in fact["stores"].split(","))
    forget(service, image)
    return meter.spent(scene.gib), sorted(fact["stores"].split(","))
