"""Listens to notifications with oslo.messaging and appends each to a file: oslo_listener.py URL FILE [OPTION=VALUE ...]

Options are those of [oslo_messaging_rabbit]; `topic` names another topic. It runs in the environment `glance`.
"""

import json
import sys
import threading

import oslo_messaging
from oslo_config import cfg


class Endpoint:
    def __init__(self, file):
        self.file, self.lock = file, threading.Lock()

    def _note(self, priority, publisher, event, payload, metadata):
        message = {"priority": priority, "publisher_id": publisher, "event_type": event, "payload": payload,
                   "metadata": metadata}
        with self.lock:
            self.file.write(json.dumps(message) + "\n")
            self.file.flush()

    def info(self, _context, publisher, event, payload, metadata):
        self._note("info", publisher, event, payload, metadata)

    def error(self, _context, publisher, event, payload, metadata):
        self._note("error", publisher, event, payload, metadata)


def main(url, path, *options):
    conf = cfg.ConfigOpts()
    conf([])
    given = dict(option.split("=", 1) for option in options)
    topic = given.pop("topic", "notifications")
    query = "&".join(f"{name}={value}" for name, value in given.items())
    transport = oslo_messaging.get_notification_transport(conf, url=f"{url}?{query}" if query else url)
    targets = [oslo_messaging.Target(exchange="glance", topic=topic)]
    with open(path, "a") as file:
        listener = oslo_messaging.get_notification_listener(transport, targets, [Endpoint(file)], executor="threading")
        # One after the other: what is heard is compared in its order.
        listener.start(override_pool_size=1)
        listener.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
