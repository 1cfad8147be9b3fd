"""One HTTP request at a time, on a connection of its own."""

import http.client
import json
import sys
import urllib.error
import urllib.request


class Answer:
    """A whole HTTP answer. Reading one that was cut short raises an OSError."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        try:
            self.body = response.read()
        except http.client.IncompleteRead as cut:
            raise ConnectionError("the answer was cut short") from cut

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, *statuses):
        assert self.status in statuses, f"{self.status} instead of {statuses}: {self.body[:500]!r}"
        return self


def request(port, method, path, body=None, headers=None, timeout_s=60):
    """Asks a server on loopback. A body is bytes, a file that is open, or something to send as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes) and not hasattr(body, "read"):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s, blocksize=1 << 20)
    try:
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Kept:
    """One connection, which stays open for as long as the server lets it, and the token that is sent over it."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.headers = {"X-Auth-Token": token}

    def ask(self, method, path, body=None, kind="application/json"):
        """The answer, which must be a good one. A body is bytes, or something to send as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = self.headers if body is None else self.headers | {"Content-Type": kind}
        self.connection.request(method, path, body, headers)
        answer = Answer(self.connection.getresponse())
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.body[:500]!r}"
        return answer


class OpenUpload:
    """An upload whose pieces are sent one by one, chunked as clients do that know no size."""

    def __init__(self, server, image, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.connection.putrequest("PUT", f"/v2/images/{image}/file")
        usual = {"X-Auth-Token": server.token(), "Transfer-Encoding": "chunked",
                 "Content-Type": "application/octet-stream"}
        for name, value in (usual | (headers or {})).items():
            self.connection.putheader(name, value)
        self.connection.endheaders()

    def send(self, piece):
        self.connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish(self):
        self.connection.send(b"0\r\n\r\n")
        return Answer(self.connection.getresponse())

    def is_lost(self):
        """Whether it comes to nothing. A balancer whose node dies answers 502, or hangs up when it learns of it only as
        it sends to the node."""
        try:
            return self.finish().status == 502
        except ConnectionError:
            return True

    def abort(self):
        self.connection.close()


def call(method, url, body=None, headers=None):
    """One JSON request to wherever; returns (status, headers, parsed body or None)."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data:
        asked.add_header("Content-Type", "application/json")
    try:
        answer = urllib.request.urlopen(asked, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
    try:
        return answer.status, answer.headers, json.loads(text) if text else None
    except ValueError:
        return answer.status, answer.headers, None


def must(method, url, body=None, headers=None):
    """As `call`, but anything other than success ends the script."""
    status, answer_headers, parsed = call(method, url, body, headers)
    if status >= 300:
        sys.exit(f"{method} {url} answered {status}: {parsed}")
    return answer_headers, parsed
