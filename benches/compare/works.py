"""What both services are made to do: requests that carry no data. Each row of the table is a `Work`."""

import itertools
import json
import time
import urllib.parse
from collections.abc import Callable
from typing import NamedTuple

import aims
from harness.many import MEMBERS

FIELDS = {"name": "image", "disk_format": "raw", "container_format": "bare"}
# Of `GET /v2/images`, in Glance.
SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
# Images from which on more is wanted of lists.
MANY_IMAGES = 100_000
# New tokens in a round: each is a login, which is not measured.
TOKENS = 6


class Figure(NamedTuple):
    """A row of the table: what it is called, its unit, what it is of what was spent, and what is wanted."""

    name: str
    unit: str
    of: Callable
    aim: aims.Aim | None = None


class Work(NamedTuple):
    """Something that is done on each service in each round; `act` tells what was spent, and what was answered, which
    must be the same of both. `options` are those of the configuration that it needs."""

    figures: tuple
    act: Callable
    options: tuple = ()


def cpu(spent):
    return spent.cpu


def milliseconds(spent):
    return 1000 * spent.wall


def repeated(service, ask, seconds, persona="member"):
    """Asks on one connection for so many seconds, once at least; the first time on it does not count."""
    asked = service.ask(persona)
    answer, count = ask(asked), 0
    with service.measured() as meter:
        began = time.monotonic()
        while count == 0 or time.monotonic() - began < seconds:
            ask(asked)
            count += 1
    return meter.spent(count / 1000), answer


def ids(answer):
    return answer.status, [image["id"] for image in answer.json["images"]]


def request(name, seconds, ask, aim=None):
    """A row of requests that are repeated."""
    return Work((Figure(name, "CPU s per 1,000", cpu, aim),), lambda service: repeated(service, ask, seconds))


def lists(scene):
    """{row: what is asked for} of pages of images."""
    known = scene.visible
    few, deep, middle = known[:: max(1, len(known) // 10)][:10], known[len(known) * 9 // 10], known[len(known) // 2]
    return {
        "list: first page": "limit=25",
        "list: from a marker deep inside": f"limit=25&marker={deep}",
        "list: by a property of a quarter": "limit=25&property_0=value%201",
        "list: by a property of one in 1,000": "limit=25&property_1=value%2020",
        "list: by a tag of all": "limit=25&tag=first",
        "list: by a tag of one in 1,000": "limit=25&tag=tag%2020",
        "list: by ten ids (in:)": f"limit=25&id=in:{','.join(few)}",
        "list: by size": f"limit=25&size_min={scene.images // 4}&size_max={scene.images // 2}",
        "list: by name": f"limit=25&name={urllib.parse.quote(scene.name_of_first)}",
        "list: public ones": "limit=25&visibility=public",
        "list: shared with the caller": "limit=25&visibility=shared&member_status=accepted",
        **{f"list: by {key}, ascending": f"limit=25&sort_key={key}&sort_dir=asc" for key in SORT_KEYS},
        "list: page of 1,000": "limit=1000",
        "list: page of 1,000 from a marker": f"limit=1000&marker={middle}",
    }


def wanted_of_list(name, images):
    """The aim of a list among so many images."""
    if name == "list: first page":
        return aims.at_least(300 if images >= MANY_IMAGES else 100)
    if images < MANY_IMAGES or not ("marker deep" in name or "property" in name or "ascending" in name):
        return None
    return aims.at_least(500 if "property" in name else 300)


def requests(scene):
    """Lists, of which the ids of both must be the same in the same order, and requests for one image."""
    for name, query in lists(scene).items():
        yield request(name, scene.seconds, lambda asked, path=f"/v2/images?{query}": ids(asked.ask("GET", path)),
                      wanted_of_list(name, scene.images))
    yield from single(scene)


def single(scene):
    """Requests for one image."""
    shown = f"/v2/images/{scene.first}"
    yield request("show, token known", scene.seconds, lambda asked: shape(asked.ask("GET", shown)), aims.at_least(40))
    yield Work((Figure("show, a new token each", "CPU s per 1,000", cpu),), lambda service: cold(service, scene, shown))
    yield request("members of an image", scene.seconds, lambda asked: members(asked, shown))
    yield request("create and delete", scene.seconds, life, aims.at_least(40))


def shape(answer):
    """What must be the same of an image: all but links, and tags in no order."""
    fields = {name: value for name, value in answer.json.items() if name not in ("file", "self", "schema")}
    return answer.status, fields | {"tags": sorted(fields["tags"])}


def members(asked, path):
    answer = asked.ask("GET", f"{path}/members")
    found = sorted(member["member_id"] for member in answer.json["members"])
    assert len(found) == MEMBERS, f"{len(found)} members"
    return answer.status, found


def life(asked):
    made = asked.ask("POST", "/v2/images", FIELDS)
    gone = asked.ask("DELETE", f"/v2/images/{made.json['id']}")
    return made.status, gone.status


def cold(service, scene, path):
    """Each request comes with a token that the service has not seen."""
    tokens = [scene.fresh_token() for _ in range(scene.tokens)]
    with service.measured() as meter:
        answers = [shape(service.ask(token=token).ask("GET", path)) for token in tokens]
    assert all(one == other for one, other in itertools.pairwise(answers)), json.dumps(answers)
    return meter.spent(len(tokens) / 1000), answers[0]


def start(scene):
    """From the start of the process to the first answer. Restarts both, so it comes last."""
    def act(service):
        return service.started(), "answered"
    return Work((Figure("start to the first answer", "ms", milliseconds, aims.at_most(50)),
                 Figure("start, CPU", "CPU s", cpu)), act)
