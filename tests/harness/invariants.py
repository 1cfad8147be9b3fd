"""What holds whenever a server is at rest, whatever has happened to it: database, stores, hashes and cache tell one
story.

They speak of a server whose file stores, staging folder and cache lie where a `Layout` says.
"""

import collections
import contextlib
import hashlib
import pathlib
from typing import NamedTuple

from .process import wait_for

UNFINISHED = "SELECT count(*) FROM jobs WHERE status IN ('pending', 'processing')"
UNSETTLED = ("SELECT count(*) FROM blobs WHERE state <> 'live'",
             "SELECT count(*) FROM images WHERE status IN ('saving', 'importing') AND NOT deleted", UNFINISHED)


class Folder:
    """A file store, beside the server. Other kinds of stores have the same methods (`remote`)."""

    def __init__(self, path):
        self.path = path

    def blobs(self):
        """{name: bytes} of what is stored."""
        return files(self.path)

    def unfinished(self):
        """What an upload has left that came to no end."""
        return list((self.path / ".parts").iterdir())

    def digest(self, name):
        """The SHA-512 of what is stored."""
        return digest(self.path / name)


class Layout(NamedTuple):
    """Where the data of a server lies."""

    # {id of a store: what is in it}
    stores: dict
    # One of each node that has its own.
    staging: tuple[pathlib.Path, ...]
    cache: pathlib.Path | None = None


def digest(path):
    with open(path, "rb") as data:
        return hashlib.file_digest(data, "sha512").hexdigest()


def files(folder):
    """{name: bytes} of the files that lie directly in a folder, less those that are nobody's data."""
    found = {}
    for entry in folder.iterdir():
        # One that is being renamed or removed may be gone.
        with contextlib.suppress(FileNotFoundError):
            if entry.is_file() and not entry.name.startswith("."):
                found[entry.name] = entry.stat().st_size
    return found


def settled(server, timeout_s):
    """Waits until nothing is under way."""
    def nothing():
        return all(server.rows(sql) == [(0,)] for sql in UNSETTLED)
    try:
        wait_for("nothing is under way", nothing, timeout_s)
    except AssertionError as fault:
        blobs = server.rows("SELECT id, store, state, holder, attempts, last_error FROM blobs WHERE state <> 'live'")
        jobs = server.rows("SELECT id, kind, status, attempts, message, lease_node FROM jobs "
                           "WHERE status IN ('pending', 'processing')")
        images = server.rows("SELECT id, status FROM images WHERE status IN ('saving', 'importing') AND NOT deleted")
        raise AssertionError(f"{fault}: blobs {blobs}, jobs {jobs}, images {images}\n{server.log_tail(30)}") from fault


def check(server, layout):
    """Looks at a server that is at rest. Returns how many images are active."""
    check_stores(server, layout)
    check_staging(server, layout)
    if layout.cache:
        check_cache(server, layout)
    for table in ("image_properties", "image_tags", "image_members", "image_locations"):
        lost = server.rows(f"SELECT count(*) FROM {table} WHERE image_id NOT IN (SELECT id FROM images)")
        assert lost == [(0,)], f"{table} knows images that are none"
    locks = server.rows("SELECT p.image_id FROM image_properties p JOIN images i ON i.id = p.image_id "
                        "WHERE p.name = 'os_glance_import_task' AND NOT i.deleted")
    assert locks == [], "an image is locked by a task that is over"
    # It ends with another code when store and ledger differ.
    server.command("store", "reconcile")
    check_usage(server)
    return server.rows("SELECT count(*) FROM images WHERE status = 'active' AND NOT deleted")[0][0]


def check_usage(server):
    """What is charged is what there is, nothing twice, and each deletion ends it at that moment."""
    server.command("usage", "check")
    twice = server.rows(
        "SELECT a.image_id FROM usage_intervals a JOIN usage_intervals b ON a.image_id = b.image_id "
        "AND a.consumer = b.consumer AND a.id < b.id WHERE a.to_ts IS NULL OR a.to_ts > b.from_ts")
    assert twice == [], f"intervals of one image overlap: {twice}"
    ends = dict(server.rows(
        "SELECT image_id, to_ts FROM usage_intervals WHERE consumer = '' AND closed_by = 'deleted'"))
    deletions = dict(server.rows("SELECT image_id, created_at FROM events WHERE kind = 'image.delete'"))
    late = [image for image in ends.keys() & deletions.keys() if ends[image] != deletions[image]]
    assert late == [], f"these are charged until another moment than their deletion: {late}"


def check_stores(server, layout):
    """Each file is one blob's, each blob one location's, each location an active image's; and the bytes are those that
    were hashed when they came."""
    hashes = {}
    for store, place in layout.stores.items():
        blobs = dict(server.rows("SELECT name, size FROM blobs WHERE store = ?", store))
        different = sorted(place.blobs().items() ^ blobs.items())
        assert not different, f"ledger and contents of store {store} differ: {different}"
        unfinished = place.unfinished()
        assert not unfinished, f"something unfinished is left in store {store}: {unfinished}"
        hashes |= {(store, name): place.digest(name) for name in blobs}
    located = server.rows(
        "SELECT b.id, b.store, b.name, i.status, i.deleted, i.size, b.size, i.os_hash_value FROM image_locations l "
        "JOIN images i ON i.id = l.image_id JOIN blobs b ON b.id = l.blob_id")
    for _, store, name, status, deleted, size, stored, wanted in located:
        assert status == "active" and not deleted, f"{name} is located by an image that is {status}"
        assert size == stored and hashes[store, name] == wanted, f"the bytes of {name} in {store} are not its image's"
    assert len({row[0] for row in located}) == len(located) == len(hashes), "a blob has no location, or several"
    lost = server.rows("SELECT l.image_id, l.blob_id FROM image_locations l JOIN images i ON i.id = l.image_id "
                       "WHERE l.blob_id IS NOT NULL AND l.blob_id NOT IN (SELECT id FROM blobs) AND NOT i.deleted")
    assert lost == [], f"locations point to blobs that are gone: {lost}"
    without = server.rows("SELECT id FROM images WHERE status = 'active' AND NOT deleted "
                          "AND id NOT IN (SELECT image_id FROM image_locations)")
    assert without == [], "an active image has no data"


def check_staging(server, layout):
    """What is staged waits for an image that knows of it."""
    marks = ", ".join("?" for _ in layout.stores)
    staged = server.rows("SELECT b.id, b.size, i.status FROM blobs b JOIN images i ON i.id = b.image_id "
                         f"WHERE b.store NOT IN ({marks})", *layout.stores)
    found = collections.ChainMap(*(files(folder) for folder in layout.staging))
    assert found == {blob: size for blob, size, _ in staged}, "files and ledger of staging differ"
    assert all(status == "uploading" for *_, status in staged), staged


def cache_at_rest(server, layout):
    """Waits until no copy is being made: that goes on after the answer which it is made of."""
    def agree():
        cached = dict(server.rows("SELECT image_id, size FROM cached_images"))
        return cached == files(layout.cache) and not files(layout.cache / "incomplete")
    try:
        wait_for("cache and records agree", agree)
    except AssertionError as fault:
        records = dict(server.rows("SELECT image_id, size FROM cached_images"))
        raise AssertionError(f"{fault}: records {records}, files {files(layout.cache)}, "
                             f"incomplete {files(layout.cache / 'incomplete')}") from fault


def check_cache(server, layout):
    """A copy is a file and a record, and its bytes are its image's."""
    cache_at_rest(server, layout)
    hashes = dict(server.rows("SELECT id, os_hash_value FROM images WHERE status = 'active' AND NOT deleted"))
    for name in files(layout.cache):
        # The copy of an image that has just been deleted goes a moment later.
        if name in hashes:
            assert digest(layout.cache / name) == hashes[name], f"the copy of {name} is not its data"
