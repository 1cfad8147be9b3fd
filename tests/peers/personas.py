"""The callers of the role matrix: who they are in Keystone, and the files that let them log in.

Images of the tests belong to project `alpha`; `beta` is a stranger, and `gamma` is the project
that images are shared with. Roles are named as assigned: Keystone adds the implied ones.
"""

import json
import os

DOMAIN = "Default"
PASSWORD = "a-password-for-tests"

PROJECTS = ["admin", "service", "alpha", "beta", "gamma"]

# Persona: (project or None for system scope, roles).
PERSONAS = {
    "admin": ("admin", ["admin"]),
    "manager": ("alpha", ["manager"]),
    "member": ("alpha", ["member"]),
    "reader": ("alpha", ["reader"]),
    "service": ("service", ["service"]),
    "norole": ("alpha", ["unrelated"]),
    "omember": ("beta", ["member"]),
    "oreader": ("beta", ["reader"]),
    "imember": ("gamma", ["member"]),
    "ireader": ("gamma", ["reader"]),
    "sysadmin": (None, ["admin"]),
    "sysreader": (None, ["reader"]),
    # Not a caller of the matrix: the account that an image service validates tokens with.
    "glance": ("service", ["service"]),
}

CALLERS = [name for name in PERSONAS if name != "glance"]


def clouds(auth_url):
    """The content of a clouds.yaml with one cloud for each persona (JSON is YAML)."""
    entries = {}
    for name, (project, _) in PERSONAS.items():
        auth = {"auth_url": auth_url, "username": name, "password": PASSWORD,
                "user_domain_name": DOMAIN}
        if project:
            auth |= {"project_name": project, "project_domain_name": DOMAIN}
        else:
            auth["system_scope"] = "all"
        entries[name] = {"auth": auth, "region_name": "RegionOne", "identity_api_version": 3}
    return json.dumps({"clouds": entries}, indent=2) + "\n"


def write_private(path, text):
    """Writes a file that only its owner may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)


def token_request(name):
    """The body of the login request of a persona."""
    project, _ = PERSONAS[name]
    scope = {"system": {"all": True}}
    if project:
        scope = {"project": {"name": project, "domain": {"name": DOMAIN}}}
    user = {"name": name, "password": PASSWORD, "domain": {"name": DOMAIN}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
                     "scope": scope}}
