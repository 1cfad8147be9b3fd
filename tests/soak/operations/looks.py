"""What is only looked at, as a table; and lists that are held against what a client knows."""

from ..client import Idle
from .lives import known
from .table import operation

# (route, names, query, status, whether only administrators may)
LOOKS = [
    ("/", (), "", 300, False),
    ("/versions", (), "", 200, False),
    ("/v2", (), "", 302, False),
    ("/healthcheck", (), "", 200, False),
    ("/v2/info/import", (), "", 200, False),
    ("/v2/info/stores", (), "", 200, False),
    ("/v2/info/stores/detail", (), "", 200, True),
    ("/v2/info/usage", (), "", 200, False),
    ("/v2/tasks", (), "?limit=5", 200, True),
    ("/v2/cache", (), "", 200, True),
    ("/v2/metadefs/namespaces", (), "?limit=5", 200, False),
    ("/v2/metadefs/resource_types", (), "", 200, False),
    ("/v2/schemas/metadefs/{name}", ("namespace",), "", 200, False),
    ("/ext/v1", (), "", 200, False),
    ("/ext/v1/images", (), "?fits=ram:2048,disk:20&limit=5", 200, False),
    ("/ext/v1/images.csv", (), "?columns=id,name,size&status=active", 200, False),
    ("/ext/v1/events", (), "?limit=10", 200, False),
    ("/ext/v1/events/stream", (), "?seconds=1", 200, False),
    ("/ext/v1/families", (), "", 200, False),
    ("/ext/v1/bundles", (), "?limit=10", 200, False),
    ("/ext/v1/media-groups", (), "?with=images", 200, False),
    ("/ext/v1/rescue-image", (), "", 404, False),
    ("/ext/v1/stores", (), "", 200, True),
    ("/ext/v1/stores/{store}", ("one",), "", 200, True),
    ("/ext/v1/stores/{store}/objects", ("one",), "?limit=20", 200, True),
    ("/ext/v1/stores/{store}/quarantine", ("one",), "", 200, True),
    ("/ext/v1/placement-rules", (), "", 200, True),
    ("/ext/v1/usage/report", (), "?from=2026-01-01&to=2030-01-01&group=store", 200, False),
    ("/ext/v1/usage/now", (), "", 200, False),
    ("/ext/v1/usage/image-hours", (), "?from=2026-01-01&limit=10", 200, False),
    ("/ext/v1/usage/events", (), "?limit=10", 200, True),
    ("/ext/v1/usage/rates", (), "", 200, True),
    ("/identity/v3/projects", (), "", 200, True),
    *(("/v2/schemas/{name:image|images|member|members|task|tasks}", (name,), "", 200, False)
      for name in ("image", "members", "task")),
]
# What may be seen of an image by whom it is.
OF_AN_IMAGE = ["/ext/v1/images/{id}/lint", "/ext/v1/images/{id}/events", "/ext/v1/images/{id}/consumers",
               "/ext/v1/images/{id}/delete-preview", "/v2/images/{id}/members", "/v2/images/{id}/locations"]
LISTS = ["?limit=5&sort=created_at:desc", "?limit=10&sort_key=name&sort_dir=asc", "?status=active&limit=10",
         "?tag=red&limit=10", "?visibility=shared&limit=10", "?size_min=100000&limit=10", "?os_hidden=true&limit=10",
         "?member_status=all&limit=10", "?disk_format=in:raw,qcow2&limit=5&sort=size:asc,name:desc"]


@operation(14)
def look(client):
    rows = [row for row in LOOKS if client.user.is_admin or not row[-1]]
    route, names, query, status, _ = client.random.choice(rows)
    client.ask("GET", route, *names, query=query, expect=status)


@operation(4)
def look_at_an_image(client):
    route = client.random.choice(OF_AN_IMAGE)

    def is_fit(image):
        return (known(image) and (image.status == "active" or "locations" not in route)
                and (image.visibility == "shared" or "members" not in route))

    image = client.one(is_fit)
    client.ask("GET", route, image.id)


@operation(1)
def health_by_head(client):
    client.ask("HEAD", "/healthcheck", user=False, expect=204)


@operation(1)
def scrape(client):
    client.ask("GET", "/metrics", user=False, port=client.ground.metrics_port)


@operation(6)
def list_images(client):
    """A page, and the one after it."""
    query = client.random.choice(LISTS)
    page = client.ask("GET", "/v2/images", query=query).json
    if "next" in page:
        client.ask("GET", "/v2/images", query=page["next"].removeprefix("/v2/images"))


@operation(3)
def find_by_name(client):
    """There is exactly the image that has it."""
    image = client.one(lambda image: known(image) and not image.is_hidden)
    name = image.name.replace(" ", "%20")
    found = client.ask("GET", "/v2/images", query=f"?name={name}&owner={client.user.project}").json["images"]
    client.holds([one["id"] for one in found] == [image.id], f"{len(found)} images are called {image.name}")


@operation(0.7)
def log_in(client):
    """The token is used from then on by everybody who works for this user."""
    user = client.user
    user.take(client.ask("POST", "/identity/v3/auth/tokens", user=False, expect=201, body=user.login()))


@operation(0.5)
def look_at_a_token(client):
    client.ask("GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": client.user.token})


@operation(1)
def look_for_the_deleted(client):
    """What was deleted for good stays away."""
    if not client.deleted:
        raise Idle
    image = client.random.choice(client.deleted)
    client.ask("GET", "/v2/images/{id}", image.id, expect=404)
    client.ask("GET", "/v2/images/{id}/file", image.id, expect=404)
