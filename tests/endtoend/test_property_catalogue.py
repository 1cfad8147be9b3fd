"""The properties that the service knows beyond Glance's: each is described for dashboards, and none is needed."""

import re

import pytest

TRUTH = {"true", "false"}
# Each row has properties that are written by the same people: what they may be, and a value of each that may be set.
# None stands for any text.
ROWS = {
    "kind": {"image_kind": ({"system", "data", "full", "iso"}, "data"), "usage": ({"temporary"}, "temporary")},
    "family": {"image_version": (None, "2.4.1"), "image_family": (None, "debian-12"), "image_slug": (None, "debian"),
               "family_candidate": (TRUTH, "false")},
    "group": {"media_group": (None, "Linux")},
    "boot": {name: (TRUTH, "true") for name in ("cloud_init", "resizable", "deploy_shutdown", "bootable")},
    "hashes": {"expected_hash": (None, f"sha256:{'0' * 64}"), "expected_stored_hash": (None, f"md5:{'0' * 32}")},
    "lifecycle": {"deprecate_at": (None, "2090-01-01"), "obsolete_at": (None, "2091-01-01"),
                  "delete_at": (None, "2092-01-01"), "replaced_by": (None, "00000000-0000-4000-8000-000000000000"),
                  "lifecycle_state": ({"retired"}, None)},
    "deletion": {"delete_policy": ({"allow", "refuse", "retire"}, "refuse")},
    "licence": {name: (None, "x") for name in ("homepage", "eula_url", "publisher", "license_sku", "license_included",
                                               "license_required")},
    "marketplace": {"marketplace": ({"listed", "draft"}, "draft")},
    "memory": {"max_ram": (None, "4096")},
    "software": {"preinstalled": (None, "docker,nginx")},
    "publication": {"imgapi_publish": (TRUTH, "true"), "streams_publish": (TRUTH, "true"), "channel": (None, "dev")},
}
# Those that the service writes.
WRITTEN = {
    "content": {"content_format": {"disk", "zfs-stream", "tar", "squashfs"}},
    "damage": {"needs_attention": None},
    "bundles": {"image_set": None, "image_set_index": None},
    "regions": {"copied_from_region": None, "copied_from_id": None, "replica_key": None},
    "manifests": {f"imgapi_{name}": None for name in ("uuid", "owner", "published_at", "brand", "cpu_type", "origin",
                                                      "sha1", "file_size")},
}


@pytest.fixture(scope="module")
def described(server):
    """What the namespace says of each property; none is there twice."""
    objects = server.request("GET", "/v2/metadefs/namespaces/Images::Extensions/objects").expect(200).json["objects"]
    pairs = [pair for each in objects for pair in each["properties"].items()]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


@pytest.mark.parametrize("row", ROWS)
def test_q_what_people_write(server, described, row):
    """Dashboards offer the values that there are; what they set is taken, and goes without a trace."""
    image = server.create()
    plain = server.show(image)
    for name, (values, sample) in ROWS[row].items():
        told = described[name]
        assert told["title"] and told["description"] and "readonly" not in told
        assert set(told.get("enum", ())) == (values or set())
        if sample is not None:
            assert re.search(told.get("pattern", ""), sample)
            server.patch(image, {"op": "add", "path": f"/{name}", "value": sample}).expect(200)
            assert server.show(image)[name] == sample
    server.patch(image, *({"op": "remove", "path": f"/{name}"} for name, (_, sample) in ROWS[row].items()
                          if sample is not None)).expect(200)
    assert server.show(image) | {"updated_at": ""} == plain | {"updated_at": ""}
    server.request("DELETE", f"/v2/images/{image}").expect(204)


@pytest.mark.parametrize("row", WRITTEN)
def test_q_what_the_service_writes(described, row):
    """Dashboards show it and do not offer to change it."""
    for name, values in WRITTEN[row].items():
        told = described[name]
        assert told["title"] and told["description"] and told["readonly"] is True
        assert set(told.get("enum", ())) == (values or set())
