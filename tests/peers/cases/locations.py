"""Both location APIs, with an http store that reads from the run's own web server."""

from cases import Case, Image, add, patch, remove, replace, request, show

QUEUED = Image(status="queued")
URL = "{files}/image.raw"
GOOD = {"url": URL, "metadata": {}}

OLD_BAD = {
    "file": {"url": "file:///etc/passwd", "metadata": {}},
    "filesystem": {"url": "filesystem:///etc/passwd", "metadata": {}},
    "swift+config": {"url": "swift+config://ref/c/o", "metadata": {}},
    "unknown scheme": {"url": "gopher://x/y", "metadata": {}},
    "no scheme": {"url": "x", "metadata": {}}, "url empty": {"url": "", "metadata": {}},
    "absent file": {"url": "{files}/absent", "metadata": {}},
    "nobody listens": {"url": "http://127.0.0.1:1/x", "metadata": {}},
    "bad port": {"url": "http://127.0.0.1:x/x", "metadata": {}},
    "url absent": {"metadata": {}}, "metadata absent": {"url": URL},
    "metadata text": {"url": URL, "metadata": "x"}, "url number": {"url": 5, "metadata": {}},
    "url 256": {"url": "http://x/" + "y" * 250, "metadata": {}}, "text": URL, "null": None,
    "number in metadata": {"url": URL, "metadata": {"a": 5}},
    "validation wrong algo": GOOD | {"validation_data": {
        "os_hash_algo": "sha256", "os_hash_value": "a" * 64}},
    "validation short": GOOD | {"validation_data": {
        "os_hash_algo": "sha512", "os_hash_value": "a"}},
    "validation no hex": GOOD | {"validation_data": {
        "os_hash_algo": "sha512", "os_hash_value": "z" * 128}},
    "validation half": GOOD | {"validation_data": {"os_hash_algo": "sha512"}},
    "validation more": GOOD | {"validation_data": {
        "os_hash_algo": "sha512", "os_hash_value": "a" * 128, "x": 1}},
    "validation checksum 31": GOOD | {"validation_data": {
        "checksum": "a" * 31, "os_hash_algo": "sha512", "os_hash_value": "a" * 128}},
}
OLD_GOOD = {
    "plain": GOOD, "metadata": {"url": URL, "metadata": {"a": "b", "c": ["d"], "e": {"f": "g"}}},
    "fragment": {"url": URL + "#two", "metadata": {}}, "more keys": GOOD | {"extra": 1},
    "own store": {"url": URL, "metadata": {"store": "cheap"}},
    "validation": GOOD | {"validation_data": {
        "checksum": "a" * 32, "os_hash_algo": "sha512", "os_hash_value": "b" * 128}},
}

NEW_BAD = {
    "absent": b"", "malformed": b"{", "array": [], "text": "x", "empty": {}, "url null": {"url": None},
    "url number": {"url": 5}, "url empty": {"url": ""}, "validation null": {
        "url": URL, "validation_data": None},
    "validation half": {"url": URL, "validation_data": {"os_hash_algo": "sha512"}},
    "validation checksum": {"url": URL, "validation_data": {"checksum": "a" * 32}},
    "validation algo": {"url": URL, "validation_data": {
        "os_hash_algo": "crc32", "os_hash_value": "a" * 8}},
    "validation no hex": {"url": URL, "validation_data": {
        "os_hash_algo": "sha512", "os_hash_value": "z" * 128}},
    "validation short": {"url": URL, "validation_data": {
        "os_hash_algo": "sha512", "os_hash_value": "a" * 64}},
    "file": {"url": "file:///etc/passwd"},
    "swift": {"url": "swift+config://ref/c/o"},
}
NEW_GOOD = {
    "plain": {"url": URL}, "validation empty": {"url": URL, "validation_data": {}},
    "more keys": {"url": URL, "x": 1},
    "wrong hash": {"url": URL, "validation_data": {
        "os_hash_algo": "sha512", "os_hash_value": "a" * 128}},
    "wrong md5": {"url": URL, "validation_data": {
        "os_hash_algo": "md5", "os_hash_value": "a" * 32}},
}
NEW_FAILING = {"absent file": {"url": "{files}/absent"},
               "nobody listens": {"url": "http://127.0.0.1:1/x"}}


def post(caller, body):
    return request(caller, "POST /v2/images/{image}/locations", body)


def settled(caller="member"):
    return request(caller, "GET /v2/images/{image}", settle=("active", "queued"))


def cases():
    for name, location in (OLD_BAD | OLD_GOOD).items():
        for status in ("queued", "active"):
            yield Case(f"locations/add {name} {status}", (
                patch("member", add("/locations/-", location)), show()), Image(status=status))
        yield Case(f"locations/replace {name}", (
            patch("member", replace("/locations", [location])), show()), QUEUED)
    active = Image()
    for name, operations in {
        "add at 0": [add("/locations/0", GOOD)], "add at 99": [add("/locations/99", GOOD)],
        "add at x": [add("/locations/x", GOOD)], "add at -1": [add("/locations/-1", GOOD)],
        "add whole": [add("/locations", [GOOD])],
        "replace at 0": [replace("/locations/0", GOOD)],
        "replace empty": [replace("/locations", [])], "replace text": [replace("/locations", "x")],
        "replace other": [replace("/locations", [GOOD])],
        "remove 0": [remove("/locations/0")], "remove 5": [remove("/locations/5")],
        "remove -": [remove("/locations/-")], "remove -1": [remove("/locations/-1")],
        "remove all": [remove("/locations")],
        "twice": [add("/locations/-", GOOD), add("/locations/-", GOOD)],
        "eleven": [add("/locations/-", {"url": f"{URL}#{n}", "metadata": {}}) for n in range(11)],
    }.items():
        for caller in ("member", "admin"):
            yield Case(f"locations/{name} {caller}", (patch(caller, *operations), show()), active)
    for status in ("uploading", "deactivated"):
        yield Case(f"locations/old {status}", (
            patch("member", add("/locations/-", GOOD)),
            patch("admin", remove("/locations/0"))), Image(status=status))
    formless = Image(status="queued", fields=(("disk_format", ...), ("container_format", ...)))
    yield Case("locations/old without formats", (
        patch("member", add("/locations/-", GOOD)), show()), formless)
    yield Case("locations/remove second", (
        patch("member", add("/locations/-", GOOD)), patch("admin", remove("/locations/1")),
        show(), request("member", "GET /v2/images/{image}/file")), active)
    yield Case("locations/http download", (
        patch("member", add("/locations/-", GOOD)),
        request("member", "GET /v2/images/{image}/file"),
        request("member", "GET /v2/images/{image}/file", None, {"Range": "bytes=0-3"}),
        request("member", "DELETE /v2/images/{image}")), QUEUED)
    yield from new_api(formless)


def new_api(formless):
    for name, body in NEW_BAD.items():
        for caller in ("member", "service", "admin"):
            yield Case(f"locations/post {name} {caller}", (
                post(caller, body), settled("admin")), QUEUED)
    for name, body in (NEW_GOOD | NEW_FAILING).items():
        yield Case(f"locations/post {name}", (
            post("member", body), settled(),
            request("admin", "GET /v2/images/{image}/locations"),
            request("member", "GET /v2/images/{image}/file")), QUEUED)
    for status in ("active", "uploading", "deactivated", "deleted"):
        yield Case(f"locations/post to {status}", (
            post("member", {"url": URL}), post("reader", {"url": URL}),
            post("omember", {"url": URL})), Image(status=status))
    yield Case("locations/post without formats", (post("member", {"url": URL}), settled()),
               formless)
    for status in ("queued", "active", "deactivated", "deleted"):
        for caller in ("admin", "service", "member"):
            yield Case(f"locations/get {status} {caller}", (
                request(caller, "GET /v2/images/{image}/locations"),), Image(status=status))
