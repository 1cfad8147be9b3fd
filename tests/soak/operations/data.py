"""Images, and their data: made, uploaded, staged, downloaded, broken off."""

import http.client
import socket
import time

from ..client import BYTES, IMAGES, Idle, Image
from .table import operation

QUEUED = {"disk_format": "raw", "container_format": "bare"}


def chosen_store(client):
    """Where data goes whose client names a store, and most name none."""
    return client.random.choices([None, "two", "three"], [6, 2, 1])[0]


def new(client):
    """A new image without data."""
    if len(client.images) >= IMAGES:
        raise Idle
    image = Image(client.random)
    image.tags = {client.random.choice(["red", "green", "blue"])}
    image.visibility = client.random.choice(["shared", "shared", "private", "community"])
    client.images.append(image)
    with client.changing(image):
        client.ask("POST", "/v2/images", expect=201, body=QUEUED | {
            "id": image.id, "name": image.name, "p": "0", "tags": sorted(image.tags),
            "visibility": image.visibility})
    image.is_created = True
    return image


@operation(8)
def create(client):
    new(client)


def queued(image):
    return image.status == "queued" and not image.job and not image.unsure


def put(client, image):
    """An upload. One to the store in memory is small: that is memory which the server is meant to take."""
    store = chosen_store(client)
    if store == "three":
        image.size = min(image.size, 4096)
    headers = {"X-Image-Meta-Store": store} if store else {}
    with client.changing(image):
        client.ask("PUT", "/v2/images/{id}/file", image.id, expect=204, body=image.data, headers=headers)
    image.status, image.stores = "active", {store or "one"}


@operation(10)
def upload(client):
    put(client, client.one(queued))


@operation(4)
def stage(client):
    image = client.one(queued)
    with client.changing(image):
        client.ask("PUT", "/v2/images/{id}/stage", image.id, expect=204, body=image.data)
    image.status = "uploading"


@operation(8)
def download(client):
    image = client.ready()
    client.record.asks_for_data()
    answer = client.ask("GET", "/v2/images/{id}/file", image.id)
    client.record.found_data()
    client.holds(answer.body == image.data, f"{image.id}: other bytes than those of the image")


@operation(5)
def download_a_range(client):
    image = client.ready()
    first = client.random.randrange(image.size)
    last = client.random.randrange(first, image.size)
    client.record.asks_for_data()
    answer = client.ask("GET", "/v2/images/{id}/file", image.id, expect=206,
                        headers={"Range": f"bytes={first}-{last}"})
    client.record.found_data()
    client.holds(answer.body == image.data[first:last + 1], f"{image.id}: other bytes from {first} to {last}")


@operation(1)
def download_beyond_the_end(client):
    image = client.ready()
    client.record.asks_for_data()
    client.ask("GET", "/v2/images/{id}/file", image.id, expect=416, headers={"Range": f"bytes={image.size}-"})


@operation(1)
def upload_broken_off(client):
    """A fault of the client's: it promises more than it sends, and says no more. It hears the server hang up: whoever
    went away before could not tell when the server has begun."""
    image = client.one(queued)
    began, data = client.record.now(), image.data
    connection = http.client.HTTPConnection("127.0.0.1", client.ground.port, timeout=60)
    with client.changing(image):
        connection.putrequest("PUT", f"/v2/images/{image.id}/file")
        for name, value in (("X-Auth-Token", client.user.token), ("Content-Type", BYTES),
                            ("Content-Length", len(data) + 1)):
            connection.putheader(name, str(value))
        try:
            connection.endheaders(data)
            connection.sock.shutdown(socket.SHUT_WR)
            connection.sock.recv(1 << 16)
        except OSError:
            # It is over in any case.
            pass
        finally:
            connection.close()
        client.record.broken("/v2/images/{id}/file", "PUT", len(data))
        client.record.window("an upload is broken off", began)
    # The image returns to what it was when the server has noticed.
    image.unsure = True


@operation(1)
def download_broken_off(client):
    """A fault of the client's: it reads the head and a little, and hangs up."""
    image = client.ready()
    began = client.record.now()
    connection = http.client.HTTPConnection("127.0.0.1", client.ground.port, timeout=60)
    client.record.asks_for_data()
    try:
        connection.request("GET", f"/v2/images/{image.id}/file", headers={"X-Auth-Token": client.user.token})
        answer = connection.getresponse()
        got = answer.read(min(image.size, 1000))
    except OSError:
        client.record.broken("/v2/images/{id}/file", "GET", 0, at_most=image.size)
    else:
        # The status says what there was to count.
        client.record.broken("/v2/images/{id}/file", "GET", 0, len(got), image.size + 1000, status=answer.status)
    finally:
        connection.close()
    client.record.window("a download is broken off", began)


@operation(1)
def upload_slowly(client):
    """In pieces, chunked, with a pause between them."""
    image = client.one(queued)
    with client.changing(image):
        client.ask("PUT", "/v2/images/{id}/file", image.id, expect=204, body=Pieces(image.data))
    image.status, image.stores = "active", {"one"}


class Pieces:
    """A body in two pieces with a pause between them; the server is not told how long it is."""

    def __init__(self, data):
        self.data, self.left = data, [data[:len(data) // 2], data[len(data) // 2:]]

    def __len__(self):
        return len(self.data)

    def read(self, _):
        if len(self.left) == 1:
            time.sleep(0.5)
        piece = self.left.pop(0) if self.left else b""
        # An empty piece would be the end.
        return piece or (self.read(_) if self.left else b"")
