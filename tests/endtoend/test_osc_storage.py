"""`openstack image storage`, the plug-in's commands for the stores and what lies in them."""

import os
import time
import uuid

import pytest

from harness import Server, plugin

STORE = "file"
DAY_S = 24 * 3600
ORPHAN = str(uuid.UUID(int=7, version=4))


@pytest.fixture
def cloud(tmp_path):
    with Server(tmp_path / "data") as running:
        yield running


@pytest.fixture
def admin(cloud, plugin_path, warm):
    return plugin.Extended(cloud, plugin_path, warm, "vitrine-admin")


def left_behind(server, name, data):
    """A file that has lain in the store for two days."""
    place = server.images_dir / name
    place.write_bytes(data)
    then = time.time() - 2 * DAY_S
    os.utime(place, (then, then))
    return place


def active(server, data):
    image = server.create(name="kept")
    server.put(image, data).expect(204)
    return image


def states(admin, *arguments):
    """{key: state} of what a list shows."""
    return {row["Key"]: row["State"] for row in admin.json("image", "storage", *arguments)}


def test_what_nothing_refers_to_is_taken_away_and_brought_back(admin):
    """A plan changes nothing; what is applied is undone by a restore, and for good by a purge."""
    image = active(admin.server, b"kept")
    orphan, stray = left_behind(admin.server, ORPHAN, b"orphan"), left_behind(admin.server, "stray", b"stray")
    there = {image: "ok", ORPHAN: "orphan", "stray": "foreign"}
    assert states(admin, "browse", STORE) == there
    assert states(admin, "browse", STORE, "--state", "foreign") == {"stray": "foreign"}
    assert states(admin, "browse", STORE, "--key-prefix", ORPHAN[:4]) == {ORPHAN: "orphan"}
    assert states(admin, "browse", STORE, "--limit", "1", "--marker", f"n:{min(there)}") == {
        sorted(there)[1]: there[sorted(there)[1]]}
    wanted = ["image", "storage", "reconcile", STORE, "--action", "orphan=quarantine", "--older-than", "24h", "--wait"]
    plan = admin.json(*wanted)
    assert plan["state"] == "done" and plan["result"]["changed"] == 0 and orphan.exists()
    assert states(admin, "finding", "list", plan["id"]) == {ORPHAN: "orphan", "stray": "foreign"}

    applied = admin.json(*wanted, "--apply")
    assert applied["result"]["changed"] == 1 and not orphan.exists() and stray.exists()
    (finding,) = admin.json("image", "storage", "finding", "list", applied["id"], "--state", "orphan")
    (aside,) = admin.json("image", "storage", "quarantine", "list", STORE)
    assert finding["Outcome"].endswith(aside["ID"]) and (aside["Key"], aside["Bytes"]) == (ORPHAN, 6)
    admin("image", "storage", "quarantine", "restore", STORE, aside["ID"])
    assert orphan.read_bytes() == b"orphan"
    left_behind(admin.server, ORPHAN, b"orphan")
    admin(*wanted, "--apply")
    (aside,) = admin.json("image", "storage", "quarantine", "list", STORE)
    told = admin.refused("image", "storage", "quarantine", "purge", STORE, aside["ID"], "nothing")
    assert "Failed to purge object 'nothing': " in told and "1 of 2 objects failed to purge." in told
    assert states(admin, "browse", STORE) == {image: "ok", "stray": "foreign"}
    assert admin.json("image", "storage", "quarantine", "list", STORE) == []


def test_a_store_is_held_against_what_its_images_are(admin, cloud, plugin_path, warm):
    """Damage is found by reading; the store is shown with what came of it; customers are told nothing."""
    image = active(admin.server, b"data")
    row = {row["ID"]: row for row in admin.json("image", "storage", "list", "--long")}[STORE]
    assert (row["Type"], row["State"], row["Default"], row["Images"], row["Bytes"]) == ("file", "ok", True, 1, 4)
    place = admin.server.images_dir / image
    place.write_bytes(b"dada")
    left_behind(admin.server, "stray", b"stray")
    sizes = admin.json("image", "storage", "verify", STORE, "--wait")
    assert states(admin, "finding", "list", sizes["id"]) == {"stray": "foreign"}
    job = admin.json("image", "storage", "verify", STORE, "--hash", "--image", "kept", "--wait")
    assert states(admin, "finding", "list", job["id"]) == {image: "hash-mismatch"}
    whole = admin.json("image", "storage", "reconcile", STORE, "--check", "hash", "--wait")
    shown = admin.json("image", "storage", "show", STORE)
    assert (shown["id"], shown["last_reconcile"]["job_id"]) == (STORE, whole["id"])
    member = plugin.Extended(cloud, plugin_path, warm)
    assert "(HTTP 403)" in member.refused("image", "storage", "list")
    assert "(HTTP 404)" in admin.refused("image", "storage", "show", "nowhere")


def test_a_file_becomes_an_image(admin):
    """What somebody put there by hand is an image where it lies, as it was asked for."""
    stray = left_behind(admin.server, "debian.raw", b"by hand")
    made = admin.json("image", "storage", "adopt", STORE, "debian.raw", "--name", "debian", "--private", "--tag", "t",
                      "--property", "os_distro=debian", "--wait")
    assert (made["name"], made["status"], made["size"]) == ("debian", "active", 7)
    shown = admin.json("image", "show", made["id"])
    assert (shown["visibility"], shown["tags"], shown["properties"]["os_distro"]) == ("private", ["t"], "debian")
    assert states(admin, "browse", STORE) == {"debian.raw": "ok"} and stray.read_bytes() == b"by hand"
    token, _ = admin.server.login("vitrine-admin")
    assert admin.server.request("GET", f"/v2/images/{made['id']}/file", token=token).expect(200).body == b"by hand"
    assert "(HTTP 404)" in admin.refused("image", "storage", "adopt", STORE, "nothing")
