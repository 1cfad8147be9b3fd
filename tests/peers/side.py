"""One of the two services under comparison: sends requests, makes images, reads answers."""

import hashlib
import http.client
import json
import re
import time
import urllib.parse
import uuid

# Beside the headers, `reason` stands for words after the status that are not the usual ones.
READ_HEADERS = [
    "reason", "content-type", "location", "allow", "accept-patch", "content-md5", "content-length",
    "content-range", "content-encoding", "www-authenticate", "vary", "retry-after",
    "openstack-image-import-methods", "openstack-image-store-ids",
    "access-control-allow-origin", "access-control-allow-methods",
    "access-control-allow-headers",
]

TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIME_OF_DATABASE = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(?!Z)\b")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Glance promises bytes in some answers that it does not send; that must not cost a minute.
PATIENCE_S = 8
# How long work behind an answer may take.
WORK_S = 15
# No word, time, id or address is shorter.
SHORTEST_MASKED = 8
# Where a default store keeps data, of whichever kind it is.
STORE_URL = re.compile(r"(file|swift\+config)://\S*/")


class Side:
    """`words` are the replacements of braces that both sides share."""

    def __init__(self, name, url, tokens, words):
        self.name, self.url, self.tokens, self.words = name, url.rstrip("/"), tokens, words
        self.host = urllib.parse.urlsplit(url).netloc
        self.connection = None
        # What this service's own answers gave to the running case.
        self.kept = {}

    # Requests

    def send(self, method, path, headers, body=b"", chunked=False):
        """Returns (status, {lower-case header: value}, body). One retry on a closed connection."""
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
            try:
                return self.exchange(method, path, headers, body, chunked)
            except (http.client.HTTPException, OSError) as fault:
                self.connection.close()
                self.connection = None
                if attempt or isinstance(fault, TimeoutError):
                    return 0, {}, f"no answer: {type(fault).__name__}".encode()

    def exchange(self, method, path, headers, body, chunked):
        link = self.connection
        link.putrequest(method, path, skip_accept_encoding=True)
        for key, value in headers.items():
            link.putheader(key, value)
        names = {key.lower() for key in headers}
        if chunked:
            link.putheader("Transfer-Encoding", "chunked")
            # A server that answers early may leave the rest of the body in the pipe.
            link.putheader("Connection", "close")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in pieces(body))
            body += b"0\r\n\r\n"
        elif (body or method in ("POST", "PUT", "PATCH")) and "content-length" not in names:
            link.putheader("Content-Length", str(len(body)))
        link.endheaders()
        try:
            if body:
                link.send(body)
        except OSError:
            # The server answered before it read the body; its answer may still be there.
            pass
        answer = link.getresponse()
        try:
            content = answer.read()
            is_whole = True
        except (http.client.IncompleteRead, OSError):
            content, is_whole = b"less than promised", False
        found = {key.lower(): value for key, value in answer.getheaders()}
        if answer.reason != http.client.responses.get(answer.status):
            found["reason"] = answer.reason
        if answer.will_close or chunked or not is_whole:
            link.close()
            self.connection = None
        return answer.status, found, content

    def fill(self, value, words):
        """Replaces {words} in a text, and in all texts of a JSON value."""
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda m: str(words.get(m[1], m[0])), value)
        if isinstance(value, dict):
            return {self.fill(k, words): self.fill(v, words) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill(entry, words) for entry in value]
        return value

    def perform(self, step, words):
        """Sends one request of a case; returns the answer in comparable form."""
        # Longest first: the tag of a data set is part of its ids.
        words = dict(sorted((words | self.kept).items(), key=lambda pair: -len(pair[1])))
        headers = self.fill(dict(step.headers), words)
        if step.caller and "X-Auth-Token" not in headers:
            headers["X-Auth-Token"] = self.tokens[step.caller]
        body = step.data
        if body is None:
            body = b""
        elif not isinstance(body, bytes):
            body = json.dumps(self.fill(body, words)).encode()
            headers.setdefault("Content-Type", "application/json")
        if step.settle:
            self.settle(words["image"], step.settle)
        path = self.fill(step.path, words)
        status, found, content = self.send(step.method, path, headers, body, step.chunked)
        deadline = time.monotonic() + WORK_S
        while step.until and time.monotonic() < deadline and member(content, "/status") not in step.until:
            time.sleep(0.05)
            status, found, content = self.send(step.method, path, headers, body)
        for word, pointer in step.keep.items():
            value = member(content, pointer)
            self.kept[word] = value if isinstance(value, str) else f"no {word}"
        return self.comparable(step, words, status, found, content)

    def settle(self, image, states):
        deadline = time.monotonic() + WORK_S
        while time.monotonic() < deadline:
            status, _, body = self.admin("GET", f"/v2/images/{image}")
            if status != 200:
                return
            seen = json.loads(body)
            if seen["status"] in states and not seen.get("os_glance_import_task"):
                return
            time.sleep(0.05)

    # Answers

    def comparable(self, step, words, status, headers, content):
        kept = {name: headers[name] for name in READ_HEADERS if name in headers}
        if "x-openstack-request-id" in headers:
            kept["x-openstack-request-id"] = "<id>"
        content_type = headers.get("content-type", "")
        is_json = content_type.startswith("application/json")
        if is_json or status >= 300:
            # Its length depends on blanks, ids and wording.
            kept.pop("content-length", None)
        if kept.get("content-length") == str(len(content)):
            # Through its cache filter the reference sends data without saying how much.
            kept.pop("content-length")
        ids = kept.get("openstack-image-store-ids")
        if ids:
            # The reference lists its reserved stores too, which its own documentation denies.
            kept["openstack-image-store-ids"] = ",".join(
                name for name in ids.split(",") if not name.startswith("os_glance_"))
        if not content:
            # No client reads the type of nothing, and 204 has no length.
            kept.pop("content-type", None)
            kept.pop("content-length", None)
        if is_json and content:
            try:
                body = json.loads(content)
            except ValueError:
                body = {"not JSON": content.decode(errors="replace")}
            if status >= 400 and isinstance(body, dict):
                body = {key: body[key] if key in ("code", "title") else "<text>"
                        for key in body}
            if "/schemas/" in step.path:
                body = without_prose(body)
            if step.path in ("/v2/cache", "/v2/cached_images", "/v2/queued_images"):
                # What is in a cache depends on when its worker ran.
                body = {key: "<list>" for key in body}
        elif status >= 400:
            body = without_wording(status, content.decode(errors="backslashreplace"))
        elif len(content) > 200:
            body = f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}"
        else:
            body = content.decode(errors="backslashreplace")
        return {"status": status, "headers": self.mask(kept, words),
                "body": self.mask(body, words)}

    def mask(self, value, words):
        if isinstance(value, dict):
            masked = {key: self.mask(entry, words) for key, entry in value.items()}
            tags = masked.get("tags")
            if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
                # The tags of an image are a set to the reference.
                masked["tags"] = sorted(tags)
            if "data_dir" in masked:
                masked["data_dir"] = "<folder>"
            return masked
        if isinstance(value, list):
            return [self.mask(entry, words) for entry in value]
        if not isinstance(value, str) or len(value) < SHORTEST_MASKED:
            return value
        value = value.replace(self.host, "<host>")
        for word, text in words.items():
            if text in value:
                value = value.replace(text, f"<{word}>")
        value = STORE_URL.sub("file://<folder>/", value)
        value = TIME_OF_DATABASE.sub("<time without zone>", TIME.sub("<time>", value))
        return UUID.sub("<uuid>", value)

    # Images

    def admin(self, method, path, body=None, content_type="application/json"):
        headers = {"X-Auth-Token": self.tokens["admin"], "Content-Type": content_type}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.send(method, path, headers, body or b"")

    def prepare(self, method, path, body=None, content_type="application/json"):
        status, _, content = self.admin(method, path, body, content_type)
        if status >= 300:
            raise Unprepared(f"{method} {path} answered {status}: {content[:300]!r}")

    def make(self, image, image_id):
        """Creates an image as a case wants it, owned by project alpha, by the admin's hand."""
        body = {"id": image_id, "name": "an image", "visibility": image.visibility,
                "owner": self.words["alpha"], "disk_format": "raw", "container_format": "bare",
                "protected": image.protected}
        body |= self.fill(dict(image.fields), self.words)
        path = f"/v2/images/{image_id}"
        self.prepare("POST", "/v2/images", {k: v for k, v in body.items() if v is not ...})
        octets = "application/octet-stream"
        if image.status in ("active", "deactivated"):
            self.prepare("PUT", f"{path}/file", image.data, octets)
        if image.stores:
            self.prepare("POST", f"{path}/import", {
                "method": {"name": "copy-image"}, "stores": list(image.stores)})
            self.settle(image_id, ("active",))
        if image.status == "deactivated":
            self.prepare("POST", f"{path}/actions/deactivate")
        if image.status == "uploading":
            self.prepare("PUT", f"{path}/stage", image.data, octets)
        if image.member:
            gamma = self.words["gamma"]
            self.prepare("POST", f"{path}/members", {"member": gamma})
            if image.member != "pending":
                self.prepare("PUT", f"{path}/members/{gamma}", {"status": image.member})
        if image.status == "deleted":
            self.prepare("DELETE", path)


class Unprepared(Exception):
    """The state that a case needs could not be reached."""


def member(content, pointer):
    """What stands at a JSON pointer of a body, None if nothing does."""
    try:
        value = json.loads(content)
        for key in pointer.split("/")[1:]:
            value = value[int(key) if isinstance(value, list) else key]
    except (ValueError, LookupError, TypeError):
        return None
    return value


def pieces(body, size=1000):
    return [body[at:at + size] for at in range(0, len(body), size)]


def without_wording(status, text):
    """A page that tells of an error, without what each service words for itself."""
    text = text.replace(f"{status} {http.client.responses.get(status)}", "<title>")
    if "</h1>" in text:
        return re.sub(r"</h1>.*</body>", "</h1><text></body>", text, flags=re.DOTALL)
    title, _, rest = text.partition("\n")
    return f"{title}\n<text>" if rest.strip() else title


def without_prose(schema):
    """A schema without what each service words for itself: descriptions and UUID patterns."""
    if isinstance(schema, dict):
        return {key: "<pattern>" if key == "pattern" else without_prose(value)
                for key, value in schema.items()
                if not (key == "description" and isinstance(value, str))}
    if isinstance(schema, list):
        return [without_prose(entry) for entry in schema]
    return schema


def fresh_id():
    return str(uuid.uuid4())
