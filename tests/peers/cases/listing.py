"""GET /v2/images: filters, sorting, paging, over one data set that both sides hold."""

import uuid

from cases import Case, request

# Fields of each image; the place in the list is the order of creation.
DATASET = [
    {"name": "alder", "disk_format": "raw", "container_format": "bare", "min_ram": 1},
    {"name": "beech", "disk_format": "qcow2", "container_format": "bare", "min_ram": 2,
     "colour": "red"},
    {"name": "cedar", "visibility": "private", "colour": "red", "shape": "round"},
    {"name": "cedar", "visibility": "community", "colour": "blue", "tags": ["one"]},
    {"name": "elm, tall", "visibility": "public", "tags": ["one", "two"]},
    {"name": "a:b", "protected": True},
    {"name": None, "os_hidden": True},
    {"name": "Fir", "disk_format": "iso", "container_format": "ovf", "min_disk": 9},
    {"name": "gorse", "owner": "{beta}", "visibility": "shared"},
    {"name": "hazel", "owner": "{beta}", "visibility": "community"},
    {"name": "ivy", "owner": "{beta}", "visibility": "private"},
    {"name": "juniper", "owner": "{beta}", "visibility": "shared"},
    {"name": "bïrke 圖", "description": "x"},
]
SIZES = {0: 5, 1: 5, 7: 70}
# Shared with project alpha: image, status.
SHARES = {8: "accepted", 11: "pending"}

LABEL = "dataset"


def dataset(both, words):
    """Makes the data set on every side; returns the words ds0, ds1 … and `run`."""
    run = uuid.uuid4().hex[:8]
    ids = {f"ds{n}": f"{run}-0000-4000-8000-{n:012d}" for n in range(len(DATASET))}

    def fill(side):
        for number, fields in enumerate(DATASET):
            image_id = ids[f"ds{number}"]
            body = {"owner": "{alpha}", "visibility": "shared"} | fields | {
                "id": image_id, "tags": [*fields.get("tags", []), f"{LABEL}{run}"]}
            side.prepare("POST", "/v2/images", side.fill(body, words))
            path = f"/v2/images/{image_id}"
            if number in SIZES:
                octets = "application/octet-stream"
                patch = "application/openstack-images-v2.1-json-patch"
                wanted = fields["disk_format"]
                for key, value in (("disk_format", "raw"),):
                    side.prepare("PATCH", path, [{"op": "replace", "path": f"/{key}",
                                                  "value": value if wanted != "iso" else wanted}],
                                 patch)
                side.prepare("PUT", f"{path}/file", b"x" * SIZES[number], octets)
            if number in SHARES:
                side.prepare("POST", f"{path}/members", {"member": words["alpha"]})
                side.prepare("PUT", f"{path}/members/{words['alpha']}",
                             {"status": SHARES[number]})

    both(fill)
    return ids | {"run": run}


FILTERS = [
    "", "name=alder", "name=cedar", "name=nobody", "name=", "name=eq:alder", "name=eq:a:b",
    "name=a:b", "name=neq:alder", "name=in:alder,beech", "name=in:", "name=in:alder,,beech",
    'name=in:"elm, tall",alder', 'name=in:"elm, tall', 'name=in:x"elm, tall"', 'name=in:"a"b',
    "name=in:alder,nobody", "name=like:a", "name=ALDER", "name=b%C3%AFrke%20%E5%9C%96",
    "id={ds0}", "id=in:{ds0},{ds1}", "id=x", "id=neq:{ds0}", "status=active", "status=queued",
    "status=in:active,queued", "status=nothing", "status=neq:active", "status=killed",
    "status=deleted", "container_format=bare", "container_format=in:bare,ovf",
    "container_format=box", "disk_format=raw", "disk_format=in:raw,qcow2", "disk_format=eq:iso",
    "disk_format=gt:raw", "visibility=public", "visibility=community", "visibility=shared",
    "visibility=private", "visibility=all", "visibility=secret", "visibility=",
    "visibility=PUBLIC", "os_hidden=true", "os_hidden=false", "os_hidden=True", "os_hidden=TRUE",
    "os_hidden=1", "os_hidden=", "protected=true", "protected=false", "protected=True",
    "protected=1", "protected=", "member_status=accepted", "member_status=pending",
    "member_status=rejected", "member_status=all", "member_status=killed", "member_status=",
    "member_status=all&visibility=shared", "member_status=pending&visibility=shared",
    "owner={alpha}", "owner={beta}", "owner=nobody", "owner=", "tag=one", "tag=one&tag=two",
    "tag=two", "tag=", "tag=%20one%20", "tag=nothing", "colour=red", "colour=blue", "colour=",
    "colour=red&shape=round", "colour=eq:red", "shape=round", "absent=x", "description=x",
    "size=5", "size=eq:5", "size=x", "size_min=5", "size_max=5", "size_min=6&size_max=70",
    "size_min=x", "size_max=", "size_min=-1", "size_min=1.5", "min_ram=1", "min_ram_min=2",
    "min_ram_max=1", "min_disk_min=9", "min_disk=9", "virtual_size_min=1", "virtual_size_max=100",
    "foo_min=1", "foo_max=x", "locations=x", "members=x", "properties=x", "tags=x",
    "checksum=x", "os_hash_algo=sha512", "os_hash_value=x", "created_at=gt:2020-01-01",
    "created_at=lt:2020-01-01T00:00:00Z", "created_at=gte:2020", "created_at=lte:20200101",
    "created_at=2020-01-01T00:00:00Z", "created_at=eq:2020-01-01T00:00:00Z",
    "created_at=neq:2020-01-01T00:00:00Z", "created_at=gt:2020-01-01T00:00:00%2B02:00",
    "created_at=gt:yesterday", "created_at=like:2020", "created_at=", "created_at=gt:",
    "created_at=gt:2020-W01", "created_at=gt:2020-13-01", "created_at=gt:2020-01-01%2010:00",
    "created_at=gt:2020-01-01T1:00", "updated_at=gt:2020-01-01", "updated_at=lt:2020-01-01",
    "updated_at=x", "changes-since=2020-01-01", "changes-since=", "deleted=true",
    "is_public=True", "name=alder&name=beech", "colour=red&colour=blue", "status=active&status=queued",
    "visibility=public&visibility=community", "%FF=x", "name=%FF", "=x", "name", "&&", "deleted_at=x",
]

SORTS = [
    f"sort_key={key}&sort_dir={way}"
    for key in ("name", "status", "container_format", "disk_format", "size", "id", "created_at",
                "updated_at") for way in ("asc", "desc")
] + [
    "sort_key=name", "sort_key=min_ram", "sort_key=owner", "sort_key=colour", "sort_key=",
    "sort_key=Name", "sort_dir=asc", "sort_dir=desc", "sort_dir=up", "sort_dir=ASC", "sort_dir=",
    "sort_key=name&sort_key=id&sort_dir=asc", "sort_key=name&sort_key=id&sort_dir=asc&sort_dir=desc",
    "sort_key=name&sort_dir=asc&sort_dir=desc", "sort_dir=asc&sort_dir=desc",
    "sort_key=name&sort_key=id&sort_key=size&sort_dir=asc&sort_dir=desc", "sort_key=%20name%20",
    "sort=name", "sort=name:asc", "sort=name:desc,id:asc", "sort=name:asc,size", "sort=name:up",
    "sort=nothing", "sort=", "sort=name:asc:desc", "sort=name,", "sort=%20name%20:%20asc%20",
    "sort=name:", "sort=name:asc&sort_key=id", "sort=name:asc&sort_dir=asc",
    "sort=name:asc&sort=id:asc", "sort=size:asc,name:desc", "sort=status,name:asc",
    "sort_key=name&sort_key=name&sort_dir=asc",
]

PAGES = [
    "limit=0", "limit=1", "limit=2", "limit=100", "limit=1000", "limit=1001", "limit=99999",
    "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=%2B2", "limit=2&limit=3",
    "limit=99999999999999999999", "marker={ds3}", "marker={ds3}&limit=2", "marker={new}",
    "marker=", "marker=x", "marker={ds10}", "marker={ds3}&marker={ds4}",
    "marker={ds3}&limit=2&sort_key=name&sort_dir=asc", "marker={ds6}&limit=2&sort=name:asc",
    "marker={ds2}&limit=2&sort=size:asc", "marker={ds2}&limit=3&sort=disk_format:asc,name:desc",
    "marker={ds0}&limit=1&tag=one", "limit=2&name=cedar&sort=id:desc", "limit=2&b=1&a=2&b=3",
]


def cases():
    for query in FILTERS:
        yield ask(query)
        yield ask(query, "admin")
    for query in SORTS:
        yield ask(query)
    for query in PAGES:
        for caller in ("member", "omember"):
            yield ask(query, caller)
    for caller in ("reader", "omember", "oreader", "imember", "service", "norole", "sysadmin"):
        for query in ("", "visibility=all", "visibility=private", "visibility=shared",
                      "visibility=community", "visibility=public", "owner={alpha}",
                      "member_status=all", "os_hidden=true"):
            yield ask(query, caller)
    yield Case("list/body", (request("member", "GET /v2/images?limit=0", b"x"),), listing=True)
    yield Case("list/marker deleted", (
        request("member", "POST /v2/images", {"id": "{new}"}),
        request("member", "DELETE /v2/images/{new}"),
        request("member", "GET /v2/images?marker={new}&tag=dataset{run}"),
        request("admin", "GET /v2/images?marker={new}&tag=dataset{run}")), listing=True)


def ask(query, caller="member"):
    # Other cases make images as well: the tag of the data set keeps them out.
    whole = f"{query}&tag={LABEL}{{run}}" if query else f"tag={LABEL}{{run}}"
    whole = whole.replace('"', "%22").replace(" ", "%20")
    return Case(f"list/{caller} {query[:80]}",
                (request(caller, f"GET /v2/images?{whole}"),), listing=True)
