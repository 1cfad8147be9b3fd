"""What the fuzzer does besides what the document says: who asks, and for which images.

Ids made up by the fuzzer name no image, so most of them are replaced by those of images that are there. Which
one follows from the request itself: every run sends the same.
"""

import json
import os
import zlib

import schemathesis
from schemathesis.core.parameters import ParameterLocation

FACTS = json.loads(os.environ["VITRINE_FACTS"])

schemathesis.serializer.alias(
    ["application/openstack-images-v2.0-json-patch", "application/openstack-images-v2.1-json-patch"],
    "application/json")
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


def is_sound(case, location):
    """Whether this part of the request is as the document wants it."""
    meta = case.meta
    if meta is None:
        return True
    part = meta.components.get(location)
    return part is None or part.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    text = f"{case.method} {case.formatted_path} {case.query} {case.body!r}"
    number = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    headers = case.headers
    user = "demo" if number % 4 == 0 else "admin"
    headers["X-Auth-Token"] = FACTS["tokens"][user]
    parameters = case.path_parameters
    if not parameters or not is_sound(case, ParameterLocation.PATH):
        return
    # Deletion has images and namespaces of its own, or the others would soon be gone.
    path, deletes = case.operation.path, case.method.upper() == "DELETE"
    choices = {
        "id": FACTS["doomed" if deletes and path == "/v2/images/{id}" else "images"],
        "member": FACTS["projects"],
        "tag": FACTS["tags"],
        "ns": FACTS["doomed_namespaces" if deletes and path.count("/") == 4 else "namespaces"],
        "rt": FACTS["parts"],
        "store": ["fast", "slow"],
    }
    if path == "/v2/tasks/{id}":
        choices["id"] = FACTS["tasks"]
    if "ns" in parameters:
        choices["name"] = FACTS["parts"]
    for name in sorted(choices.keys() & parameters.keys()):
        # One of eight stays as it is.
        number = zlib.crc32(name.encode(), number)
        if number % 8:
            parameters[name] = choices[name][(number >> 3) % len(choices[name])]
