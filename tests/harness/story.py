"""Clients at work on something that is about to fail, and what they were told."""

import collections
import time

from . import load, world
from .process import PATIENCE_S, wait_for


class Story:
    """`front` is whom the clients ask; `chance` decides everything."""

    def __init__(self, chance, source, front):
        self.chance, self.source, self.front = chance, source, front
        self.images, self.clients = [], []
        self.answers, self.longest = collections.Counter(), collections.Counter()

    def work(self, count):
        """So many clients begin, and are left alone for a moment; the first of them until they have been told of an
        upload and of an import, since faults that nobody has been told anything before prove nothing."""
        self.clients = [load.Client(self.front, self.source, self.chance.getrandbits(64), self.images)
                        for _ in range(count)]
        for client in self.clients:
            client.start()
        wait_for("clients are told something", self.was_told, world.SETTLE_S)
        time.sleep(self.chance.uniform(0.1, 0.8))

    def was_told(self):
        counts = [self.answers, *(client.answers for client in self.clients)]
        return all(any(count[told] for count in counts) for told in (("upload", 204), ("import", 202)))

    def rest(self):
        """Every client ends; none of them has been lied to."""
        for client in self.clients:
            client.stopped.set()
        for client in self.clients:
            client.join(2 * PATIENCE_S)
            assert not client.is_alive(), "a client waits for ever"
            assert client.fault is None, client.fault
            self.answers.update(client.answers)
            seconds, step = client.longest
            if seconds:
                self.longest[f"request {step}"] = max(self.longest[f"request {step}"], round(1000 * seconds))
        self.clients = []

    def serves_again(self, when):
        self.took(when, lambda: self.front.request("GET", "/v2/images?limit=1").status == 200)

    def took(self, what, is_so):
        """Waits until something is so, and remembers the longest wait in ms."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < world.SETTLE_S, f"{what}: in vain"
            time.sleep(0.01)
        self.longest[what] = max(self.longest[what], round(1000 * (time.monotonic() - began)))

    def check_images(self, kept):
        """Holds what clients were told against what stands, and deletes all images but the latest."""
        for image in self.images:
            load.check_image(self.front, image)
        self.images[:] = [image for image in self.images if not image.deleted]
        for image in self.images[:-kept]:
            self.front.request("DELETE", f"/v2/images/{image.id}").expect(204)
            image.deleted = True
