"""Clients at a steady pace, and what they find at the end."""

import contextlib
import threading
import time
import traceback

from harness.process import PATIENCE_S

from .client import Failed, Idle
from .operations import choose
from .operations.lives import known

# Later than that an operation counts as late: it had to wait for a client that was free.
LATE_S = 1
# How often a client draws an operation that it cannot do now before it lets its turn pass.
DRAWS = 100
# How long what was begun may take to come to its end.
SETTLE_S = 240


class Crowd:
    """All clients. Operations are due at a fixed pace, whatever the server does; whoever is free does the next one."""

    def __init__(self, clients, record):
        self.clients, self.record = clients, record
        self.lock = threading.Lock()

    def work(self, rate, seconds):
        """So many operations a second, for so long."""
        self.number, self.rate, self.seconds = 0, rate, seconds
        self.begins = self.record.now()
        self.all(self.turns)

    def all(self, act):
        """Each client does that, at once; the end of a client is a lie of its."""
        def guarded(client):
            try:
                act(client)
            except Exception:  # noqa: BLE001  shown at the end
                client.lie(traceback.format_exc())
        threads = [threading.Thread(target=guarded, args=(client,), daemon=True) for client in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def due(self):
        """When the next operation is due; nothing when that would be after the end."""
        with self.lock:
            due = self.number / self.rate
            self.number += 1
        return self.begins + due if due < self.seconds else None

    def turns(self, client):
        while (due := self.due()) is not None:
            time.sleep(max(0, due - self.record.now()))
            turn(client, self.record.now() - due > LATE_S)

    def rest(self):
        """Brings everything to its end and in order: nothing is under way, undone, deactivated or in the trash."""
        self.all(put_in_order)

    def verify(self):
        """Holds all images against what their clients know."""
        self.all(verify)

    def leave_memory(self):
        """What is in the store in memory goes: nothing but the process itself could look at it."""
        self.all(leave_memory)


def turn(client, is_late):
    """One operation: first what has to be put right, otherwise what the table has."""
    for _ in range(DRAWS):
        name, act = next_of(client)
        client.operation, began, is_good = name, time.monotonic(), True
        try:
            act(client)
        except Idle:
            continue
        except Failed:
            is_good = False
        client.record.operation(name, time.monotonic() - began, is_good, is_late)
        return


def next_of(client):
    """(name, function) of what the client does next."""
    if client.mess:
        return "put in order", lambda client: client.tidy()
    unsure = [image for image in client.images if image.unsure]
    if unsure and client.random.random() < 0.5:
        return "look again", lambda client: client.learn(unsure[0])
    if any(image.status == "deactivated" and not image.unsure for image in client.images):
        return "reactivate", reactivate
    chosen = choose(client)
    return chosen.name, chosen.act


def reactivate(client):
    image = client.one(lambda image: image.status == "deactivated" and not image.unsure)
    with client.changing(image):
        client.ask("POST", "/v2/images/{id}/actions/reactivate", image.id, expect=204)
    image.status = "active"


def put_in_order(client):
    client.operation = "put everything in order"
    deadline = time.monotonic() + SETTLE_S
    while True:
        with contextlib.suppress(Failed, Idle):
            client.tidy_all()
            for image in [image for image in client.images if image.unsure or image.job]:
                cancel(client, image)
                client.learn(image)
            while any(image.status == "deactivated" and not image.unsure for image in client.images):
                reactivate(client)
            for image in client.trash:
                client.ask("DELETE", "/ext/v1/trash/{id}", image.id, expect=(204, 404))
            client.deleted += client.trash
            client.trash = []
            if all(known(image) for image in client.images) and not client.mess:
                return
        if time.monotonic() > deadline:
            client.lie(f"never at rest: {client.mess} {[vars(image) for image in client.images if not known(image)]}")
            return
        time.sleep(0.5)


def cancel(client, image):
    """A job that waits to try once more is not waited for."""
    if image.job:
        waiting = client.ask("GET", "/ext/v1/jobs", query=f"?image_id={image.id}&state=waiting").json["jobs"]
        for job in waiting:
            client.ask("POST", "/ext/v1/jobs/{id}/cancel", job["id"], expect=(202, 409))


def verify(client):
    client.operation = "see what is there"
    for image in list(client.images):
        with contextlib.suppress(Failed):
            client.check(image)
            if image.status == "active":
                client.record.asks_for_data()
                answer = client.ask("GET", "/v2/images/{id}/file", image.id)
                client.record.found_data()
                client.holds(answer.body == image.data, f"{image.id}: other bytes than those of the image")
    client.operation = "see what is gone"
    for image in client.deleted:
        with contextlib.suppress(Failed):
            client.ask("GET", "/v2/images/{id}", image.id, expect=404)


def leave_memory(client):
    client.operation = "leave the store in memory"
    with contextlib.suppress(Failed):
        for image in [image for image in client.images if "three" in image.stores]:
            if len(image.stores) > 1:
                client.ask("DELETE", "/v2/stores/{store}/{id}", "three", image.id, expect=204)
            else:
                client.ask("DELETE", "/v2/images/{id}", image.id, expect=204)
                client.ask("DELETE", "/ext/v1/trash/{id}", image.id, expect=204)
                client.images.remove(image)


def quiet(ground):
    """Waits until no job is under way; whether that came."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if ground.rows("SELECT count(*) FROM jobs WHERE status IN ('pending', 'processing')") == [(0,)]:
            return True
        time.sleep(0.2)
    return False
