"""Logging in to the built-in identity by the clouds.yaml that the first start writes, without the SDK."""

import re

from . import client

DOMAIN = {"id": "default"}


def cloud(text, name):
    """The fields of one cloud in the text of that clouds.yaml, which is simple YAML."""
    section = re.search(rf"^  {name}:\n((?:    .*\n)+)", text, re.MULTILINE).group(1)
    return dict(re.findall(r"^ +(\w+): \"?([^\"\n]+)\"?$", section, re.MULTILINE))


def login(port, clouds_yaml, name):
    """(token, id of the project) of a user."""
    field = cloud(clouds_yaml.read_text(), name)
    user = {"name": field["username"], "password": field["password"], "domain": DOMAIN}
    answer = client.request(port, "POST", "/identity/v3/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": field["project_name"], "domain": DOMAIN}}}}).expect(201)
    return answer.headers["X-Subject-Token"], answer.json["token"]["project"]["id"]
