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
    # Deletion has images of its own, or the others would soon be gone.
    deletes = case.method.upper() == "DELETE" and case.operation.path == "/v2/images/{id}"
    for name, choices in (("id", FACTS["doomed" if deletes else "images"]), ("member", FACTS["projects"]), ("tag", FACTS["tags"])):
        # One of eight stays as it is.
        number = zlib.crc32(name.encode(), number)
        if name in parameters and number % 8:
            parameters[name] = choices[(number >> 3) % len(choices)]
