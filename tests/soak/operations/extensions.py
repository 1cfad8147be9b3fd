"""What members do beyond Glance: families, bundles, short names, retention, webhooks."""

from .lives import replace
from .table import operation


def give(client, image, **properties):
    """Sets properties of an image, or takes them away."""
    image.unsure = True
    client.change(image, [{"op": "add", "path": f"/{name}", "value": value} if value
                          else {"op": "remove", "path": f"/{name}"} for name, value in properties.items()])


@operation(1)
def family(client):
    """An image is published as the current one of a family, found by that, and taken back."""
    image = client.one(lambda image: image.is_ready and image.visibility != "private" and not image.is_hidden)
    family, plain = client.word(), client.word()
    with client.changing(image):
        give(client, image, image_family=family)
        image.maybe = [plain]
        client.ask("POST", "/ext/v1/families/{name}/publish", family,
                   body={"image_id": image.id, "plain_name": plain, "visibility": image.visibility})
        owner = client.user.project
        shown = client.ask("GET", "/ext/v1/families/{owner}/{name}", owner, family).json["family"]
        client.holds(shown["current"] == image.id, f"the current image of {family} is {shown['current']}")
        client.ask("GET", "/ext/v1/families/{owner}/{name}/current", owner, family, expect=303)
        client.ask("POST", "/ext/v1/families/{name}/rollback", family)
        give(client, image, image_family=None)
    # Whatever it is called now is told by looking.
    image.unsure = True


@operation(1)
def bundle(client):
    """Two disks become one image and two again."""
    first, second = client.ready(), client.ready()
    if first is second:
        return
    with client.changing(first), client.changing(second):
        made = client.ask("POST", "/ext/v1/bundles", expect=201, body={
            "name": client.word(), "visibility": "private",
            "disks": [{"image_id": first.id, "boot_index": 0}, {"image_id": second.id}]}).json["bundle"]
        client.mess.append(("DELETE", "/ext/v1/bundles/{id}", (made["id"],), "?disks=keep"))
        client.ask("GET", "/ext/v1/bundles/{id}", made["id"])
        client.ask("DELETE", "/v2/images/{id}", first.id, expect=409)
        client.tidy_all()
    first.unsure = second.unsure = True


@operation(1)
def short_name(client):
    image, slug = client.ready(), client.word()
    with client.changing(image):
        give(client, image, image_slug=slug)
        client.ask("GET", "/ext/v1/images/by-slug/{slug}", slug, expect=303)
        give(client, image, image_slug=None)
        client.ask("GET", "/ext/v1/images/by-slug/{slug}", slug, expect=404)


@operation(1)
def retention(client):
    """Of a family that has no images, and only in thought."""
    project, query = client.user.project, f"?family={client.word()}"
    route = "/ext/v1/retention/{project}"
    client.mess.append(("DELETE", route, (project,), query))
    client.ask("PUT", route, project, query=query, body={"keep_last": 3, "action": "retire"})
    client.ask("GET", route, project)
    client.ask("POST", f"{route}/run", project, query=f"{query}&dry_run=true")
    client.tidy_all()


@operation(0.7)
def webhook(client):
    """It is told of a change, and given up."""
    # A project may have ten; whoever finds them taken comes back later.
    image = client.ready()
    answer = client.ask("POST", "/ext/v1/webhooks", expect=(201, 400, 409, 413),
                        body={"url": f"{client.origin.url}/hook", "events": ["image.update"]})
    if answer.status != 201:
        return
    name = answer.json["webhook"]["id"]
    client.mess.append(("DELETE", "/ext/v1/webhooks/{id}", (name,), ""))
    value = image.value + 1
    with client.changing(image):
        client.change(image, [replace("/p", str(value))])
    image.value = value
    client.ask("GET", "/ext/v1/webhooks/{id}", name)
    client.ask("GET", "/ext/v1/webhooks")
    client.tidy_all()
