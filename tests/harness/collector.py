"""A collector of traces: takes OTLP over HTTP, and tells which spans came."""

import dataclasses
import http.server
import threading

from . import process, sources

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


def fields(data):
    """(number, value) of each field of a message of protobuf; a value is bytes or an integer."""
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at, number, shift = at + 1, number | (byte & 0x7f) << shift, shift + 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = varint()
        wire = key & 7
        if wire == 0:
            yield key >> 3, varint()
            continue
        length = {1: lambda: 8, 2: varint, 5: lambda: 4}[wire]()
        value, at = data[at:at + length], at + length
        assert len(value) == length, "a message is cut short"
        yield key >> 3, value if wire == 2 else int.from_bytes(value, "little")


def every(data, number):
    return [value for field, value in fields(data) if field == number]


def attributes(data, number):
    """The attributes in a field of a message."""
    found = {}
    for pair in every(data, number):
        pair = dict(fields(pair))
        ((kind, value),) = fields(pair[2])
        found[pair[1].decode()] = value.decode() if kind == 1 else value
    return found


@dataclasses.dataclass
class Span:
    """A span; ids are hexadecimal digits, and that of no parent is empty."""

    trace: str
    id: str
    parent: str
    state: str
    name: str
    kind: str
    seconds: float
    failed: bool
    said: dict
    service: str

    @classmethod
    def read(cls, data, service):
        one = dict(fields(data))
        failed = dict(fields(one.get(15, b""))).get(3) == 2
        return cls(one[1].hex(), one[2].hex(), one.get(4, b"").hex(), one.get(3, b"").decode(), one[5].decode(),
                   KINDS[one[6]], (one[8] - one[7]) / 1e9, failed, attributes(data, 9), service)


def spans(body):
    """The spans of a request."""
    for group in every(body, 1):
        (resource,) = every(group, 1)
        service = attributes(resource, 1)["service.name"]
        for scope in every(group, 2):
            yield from (Span.read(one, service) for one in every(scope, 2))


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes what a collector is sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        collector = self.server
        collector.may_answer.wait()
        if collector.status == 200:
            assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            collector.bodies.append(body)
            collector.headers.append(self.headers)
        self.send_response(collector.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Collector(sources.Source):
    """Keeps the bodies and headers of the requests that it has answered by 200. `status` is what it answers, and it
    does not while `may_answer` is not set."""

    def __init__(self, port=0):
        self.bodies, self.headers, self.status = [], [], 200
        self.may_answer = threading.Event()
        self.may_answer.set()
        super().__init__(Taker, port=port)

    def spans(self, trace=None):
        """The spans that came, of one trace or of all."""
        found = [span for body in list(self.bodies) for span in spans(body)]
        return [span for span in found if trace in (None, span.trace)]

    def wait_for(self, trace, *names):
        """The spans of a trace by their ids, once each of these names is among them."""
        def came():
            found = self.spans(trace)
            return found if set(names) <= {span.name for span in found} else None
        return {span.id: span for span in process.wait_for(f"spans of {trace}: {names}", came)}
