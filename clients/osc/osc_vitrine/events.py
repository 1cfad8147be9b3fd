"""`openstack image event`: what happened to images."""

import json
import time

import requests

from . import base
from .columns import Changes
from .extensions import at

# For how long a stream is asked for at once; the service ends it then.
STREAM_S = 600
# How long lies between two streams at least.
PAUSE_S = 1


class ListEvents(base.Lister):
    """List what happened to an image, or to all of the project, oldest first"""

    COLUMNS = [("ID", "id"), ("Type", "type"), ("Changes", "changes", Changes), ("User ID", "user_id"),
               ("Request ID", "request_id"), ("Created At", "created_at")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser, nargs="?")
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        if not parsed_args.image:
            columns = [*self.COLUMNS[:2], ("Image ID", "image_id"), *self.COLUMNS[2:]]
            return base.table(columns, self.extensions.rows(["events"], "events", parsed_args))
        words = ["images", self.extensions.image_id(parsed_args.image), "events"]
        return base.table(self.COLUMNS, self.extensions.rows(words, "events", parsed_args))


class WatchEvents(base.Command):
    """Print what happens to images as it happens, a line for each event, until it is interrupted"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser, nargs="?")
        parser.add_argument("--seconds", metavar="<seconds>", type=int, help="End after this long (default: never)")
        parser.add_argument("--since", metavar="<event>", help="Begin after this event (ID), not with what comes")
        parser.add_argument("--json", action="store_true", help="Print each event as a line of JSON")
        return parser

    def take_action(self, parsed_args):
        image = parsed_args.image and self.extensions.image_id(parsed_args.image)
        end = parsed_args.seconds and time.monotonic() + parsed_args.seconds
        seen = parsed_args.since
        while (left := round(end - time.monotonic()) if end else STREAM_S) > 0:
            began = time.monotonic()
            path = at("events", "stream", image_id=image, seconds=min(left, STREAM_S))
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": seen} if seen else {})
            answer = self.extensions.request("GET", path, headers=headers, stream=True, connect_retries=5)
            for event in events_of(answer):
                seen = event["id"]
                self.app.stdout.write(f"{json.dumps(event) if parsed_args.json else line(event)}\n")
                self.app.stdout.flush()
            if time.monotonic() - began < PAUSE_S:
                # It broke off at once.
                time.sleep(PAUSE_S)


def events_of(answer):
    """The events of a stream, until it ends or breaks off; whoever asks for the rest says what was seen."""
    try:
        for text in answer.iter_lines(chunk_size=None):
            name, _, value = text.partition(b":")
            if name == b"data":
                yield json.loads(value)
    except requests.RequestException:
        return


def line(event):
    """An event in a line."""
    return f"{event['created_at']} {event['type']} {event['image_id']} {Changes(event['changes'])}"
