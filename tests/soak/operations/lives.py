"""The lives of images: changed, shared, deactivated, hidden, retired, deleted, restored."""

from ..client import TRASH, Idle
from .table import operation


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


def known(image):
    return image.is_created and not image.job and not image.unsure


@operation(8)
def show(client):
    client.check(client.one(known))


@operation(6)
def change(client):
    image = client.one(known)
    value, name = image.value + 1, f"{image.name[:40]}."
    image.maybe = [name]
    with client.changing(image):
        client.change(image, [replace("/p", str(value)), replace("/name", name)])
    image.value, image.name, image.maybe = value, name, []


@operation(2)
def change_tags(client):
    image = client.one(known)
    tags = set(client.random.sample(["a", "b", "c", "d"], 2))
    with client.changing(image):
        client.change(image, [replace("/tags", sorted(tags))])
    image.tags = tags


@operation(3)
def tag(client):
    image, name = client.one(known), client.random.choice(["x", "y", "z"])
    with client.changing(image):
        client.ask("PUT", "/v2/images/{id}/tags/{tag}", image.id, name, expect=204)
    image.tags.add(name)


@operation(2)
def untag(client):
    image = client.one(lambda image: known(image) and image.tags)
    name = client.random.choice(sorted(image.tags))
    with client.changing(image):
        client.ask("DELETE", "/v2/images/{id}/tags/{tag}", image.id, name, expect=204)
    image.tags.discard(name)


@operation(2)
def hide(client):
    image = client.one(known)
    with client.changing(image):
        client.change(image, [replace("/os_hidden", not image.is_hidden)])
    image.is_hidden = not image.is_hidden


@operation(3)
def share(client):
    """With another project, which accepts, reads, and is sent away."""
    image = client.one(lambda image: image.is_ready and image.visibility == "shared")
    other = client.other()
    route, one = "/v2/images/{id}/members", "/v2/images/{id}/members/{member}"
    client.mess.append(("DELETE", one, (image.id, other.project), ""))
    client.ask("POST", route, image.id, body={"member": other.project})
    client.ask("PUT", one, image.id, other.project, body={"status": "accepted"}, user=other)
    members = client.ask("GET", route, image.id).json["members"]
    client.holds([(member["member_id"], member["status"]) for member in members] == [(other.project, "accepted")],
                 f"members of {image.id}: {members}")
    client.ask("GET", one, image.id, other.project, user=other)
    client.ask("GET", "/v2/images/{id}", image.id, user=other)
    client.tidy_all()
    client.ask("GET", "/v2/images/{id}", image.id, user=other, expect=404)


@operation(2)
def deactivate(client):
    """And back; meanwhile nobody but administrators gets the data."""
    image = client.ready()
    with client.changing(image):
        client.ask("POST", "/v2/images/{id}/actions/deactivate", image.id, expect=204)
        image.status = "deactivated"
        if not client.user.is_admin:
            client.ask("GET", "/v2/images/{id}/file", image.id, expect=403)
        client.ask("POST", "/v2/images/{id}/actions/reactivate", image.id, expect=204)
        image.status = "active"


@operation(5)
def delete(client):
    """What had data goes into the trash."""
    if len(client.trash) >= TRASH:
        raise Idle
    image = client.one(lambda image: known(image) and image.status in ("active", "queued", "uploading"))
    with client.changing(image):
        image.delete_tried = True
        client.ask("DELETE", "/v2/images/{id}", image.id, expect=204)
    client.images.remove(image)
    (client.trash if image.status == "active" else client.deleted).append(image)
    client.ask("GET", "/v2/images/{id}", image.id, expect=404)


@operation(1.5)
def restore(client):
    if not client.trash:
        raise Idle
    image = client.trash.pop(0)
    client.images.append(image)
    with client.changing(image):
        client.ask("POST", "/ext/v1/trash/{id}/restore", image.id, expect=204)
    image.delete_tried = False


@operation(4)
def empty_the_trash(client):
    if not client.trash:
        raise Idle
    image = client.trash.pop(0)
    client.deleted.append(image)
    client.mess.append(("DELETE", "/ext/v1/trash/{id}", (image.id,), ""))
    client.tidy_all()


@operation(1)
def trash(client):
    client.ask("GET", "/ext/v1/trash", query="?limit=20")


@operation(1)
def retire(client):
    """And back: the mark is taken away, and what it had hidden is shown."""
    image = client.ready()
    with client.changing(image):
        client.ask("POST", "/ext/v1/images/{id}/retire", image.id, expect=204)
        client.ask("POST", "/ext/v1/images/{id}/unretire", image.id, expect=204)
    # Whether it is hidden now is told by looking.
    image.unsure = True
