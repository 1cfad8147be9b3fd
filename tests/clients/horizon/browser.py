"""What a browser does with Horizon: it logs in by the form, fills in others, and sends what Horizon's scripts send.

An answer has `status`, `headers` and `body`, as tests/peers/differences.py wants them. The body of a page is the lines
between Horizon's menus and its footer, with the messages above.
"""

import html.parser
import json
import re
import urllib.parse

import requests

import side

# Where pages have what is about images.
PARTS = (('<div class="messages">', '<nav id="sidebar">'), ('<div id="content_body">', '<div id="footer">'))
# What each page has another one of.
TOKEN = re.compile(r'(?<=name="csrfmiddlewaretoken" value=")\w+')
TIME = re.compile(r"[A-Z][a-z]{2,4}\.? \d{1,2}, \d{4}, (?:[\d:]+ [ap]\.m\.|noon|midnight)")
COMMENT = re.compile(r"<!-- \w+ -->\s*$")
# The types that a form offers, in the order in which they came into the database.
TYPES = re.compile(r"(?<=var resource_types = )\[.*\](?=;)")
# What a service says after the status, and the schema that a client tells of a value which is against it.
WORDING = re.compile(r"(HTTP \d{3} [A-Z][A-Za-z ]*: ).*", re.DOTALL)
SCHEMA = re.compile(r"\n\nFailed validating .*", re.DOTALL)
PATIENCE_S = 60
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
        "Access-Control-Max-Age", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary")


NEXT = ("Location", "X-Horizon-Location", "X-File-Upload-URL", "X-Auth-Token")


class Browser:
    """One person's, who logs in at a Horizon."""

    def __init__(self, horizon, name, password):
        self.horizon, self.name = horizon, name
        self.session = requests.Session()
        self.first = self.submit("/auth/login/", {"username": name, "password": password})

    def request(self, method, path, headers=None, **what):
        url = urllib.parse.urljoin(self.horizon, path)
        return self.session.request(method, url, headers={"Referer": self.horizon, **(headers or {})},
                                    allow_redirects=False, timeout=PATIENCE_S, **what)

    def call(self, method, path, body=None, file=None):
        """What a script of Horizon's does. With the bytes of a file it is an upload through Horizon."""
        headers = {"X-Requested-With": "XMLHttpRequest", "X-CSRFToken": self.session.cookies["csrftoken"]}
        what = {"json": body}
        if file is not None:
            # The page's own library keeps the types of the fields beside them.
            fields = {key: str(value) for key, value in body.items()} | {"$$originalJSON": json.dumps(body)}
            what = {"data": fields, "files": {"data": ("disk.img", file, "application/octet-stream")}}
        answer = self.request(method, path, headers, **what)
        if answer.text and answer.headers["Content-Type"].startswith("application/json"):
            seen = json.loads(answer.text)
        else:
            seen = lines(answer.text)
        if answer.status_code >= 400 and isinstance(seen, str):
            seen = worded(seen)
        return answered(answer, seen, ("Location",))

    def page(self, path):
        """A page, or where Horizon sends the browser instead."""
        answer = self.request("GET", path)
        return answered(answer, lines(answer.text), ("Location",))

    def submit(self, path, fields, file=None, on=None, by_script=False):
        """Fills in a form of the page that it leads to, or of another one, sends it, and goes to the page after it.

        A script stays, and is told where the browser has to send the file.
        """
        shown = self.request("GET", on or path)
        form = Form.of(shown.text, path)
        filled = {**form.fields, **fields}
        filled = {name: value for name, value in filled.items() if value is not None}
        files = {name: ("a file", data, "application/octet-stream") for name, data in (file or {}).items()}
        headers = {"X-Requested-With": "XMLHttpRequest"} if by_script else {}
        sent = self.request("POST", path, headers, data=filled, files=files or None)
        found = answered(sent, lines(sent.text), NEXT)
        if "Location" in found["headers"]:
            found["body"] = self.page(found["headers"]["Location"])["body"]
        return found


def cross(method, url, origin, headers, body=b""):
    """What a browser asks another host on behalf of a page."""
    answer = requests.request(method, url, headers={"Origin": origin, **headers}, data=body, timeout=PATIENCE_S)
    return answered(answer, side.without_wording(answer.status_code, answer.text), CORS)


def answered(answer, body, names):
    headers = {name: answer.headers[name] for name in names if name in answer.headers}
    return {"status": answer.status_code, "headers": headers, "body": body}


def lines(text):
    """What a page says: the messages, and everything between its menus and its footer; of a bare one, everything."""
    found = [text.split(begin, 1)[1].split(end, 1)[0] for begin, end in PARTS if begin in text]
    said = "\n".join(found) or text
    for pattern, put in ((TOKEN, "<token>"), (TIME, "<time>"), (COMMENT, "")):
        said = pattern.sub(put, said)
    said = TYPES.sub(lambda types: json.dumps(sorted(json.loads(types[0]), key=lambda entry: entry["name"])), said)
    return [worded(line.strip()) for line in said.splitlines() if line.strip()]


def worded(said):
    """What an error says, without what each image service words for itself."""
    return SCHEMA.sub("", WORDING.sub(r"\1<text>", said))


class Form(html.parser.HTMLParser):
    """A form of a page: where it goes, and what its fields have in them."""

    def __init__(self):
        super().__init__()
        self.action, self.fields, self.select, self.area = "", {}, None, None

    @classmethod
    def of(cls, text, path):
        """The one that leads to a path."""
        for found in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
            form = cls()
            form.feed(found)
            # Horizon forgets to say where the form of a namespace's resource types leads.
            if path_of(form.action) in (path_of(path), "None"):
                return form
        raise LookupError(f"no form on the page leads to {path}")

    def handle_starttag(self, tag, attrs):
        has = dict(attrs)
        name, value = has.get("name"), has.get("value") or ""
        if tag == "form":
            self.action = has.get("action", "")
        elif tag == "select":
            self.select = name
        elif tag == "textarea":
            self.area = name
            self.fields[name] = ""
        elif tag == "option" and self.select and ("selected" in has or self.select not in self.fields):
            self.fields[self.select] = value
        elif tag == "input" and name and is_sent(has):
            self.fields[name] = value

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            self.area = None

    def handle_data(self, data):
        if self.area:
            self.fields[self.area] += data


def path_of(url):
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path)


def is_sent(has):
    """Whether a form gives this field away as it stands."""
    kind = has.get("type", "text")
    if kind in ("checkbox", "radio"):
        return "checked" in has and "disabled" not in has
    return kind not in ("file", "submit", "button") and "disabled" not in has
