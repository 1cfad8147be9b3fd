"""Metadata definitions as files: `vitrine metadefs load | unload | export`, and the same files in a real Glance."""

import json
import sqlite3
import subprocess

import pytest

from harness import ROOT, Server, binary, databases, environments

MODES = {"load": [], "merge": ["--merge"], "prefer_new": ["--prefer-new"], "overwrite": ["--replace"]}
TEXT = {"title": "T", "type": "string"}
# What a file cannot say more of: each member of each part, and letters that need care.
WHOLE = {
    "namespace": "Exchange::Ünïcode", "display_name": "A _title of Ünïcode, 日本", "description": "x" * 500,
    "visibility": "public", "protected": True,
    "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_", "properties_target": "image"},
                                   {"name": "Exchange::Type"}],
    "properties": {
        "all": {"title": "T", "type": "array", "description": "d", "operators": ["<or>", "<in>"], "default": 8,
                "readonly": True, "minimum": -5, "maximum": 5, "enum": ["a", "é"], "pattern": "^[a-z]\\\\*$",
                "minLength": 1, "maxLength": 9, "items": {"type": "string", "enum": ["b"]}, "uniqueItems": True,
                "minItems": 1, "maxItems": 3, "additionalItems": False},
        "no": TEXT | {"type": "boolean", "default": False}, "half": TEXT | {"type": "number", "default": 0.5}},
    "objects": [{"name": "one two", "description": "d", "required": ["p"], "properties": {"p": TEXT}},
                {"name": "empty", "properties": {}}],
    "tags": [{"name": "b"}, {"name": "a é"}]}


def vitrine(*arguments, code=0):
    """Runs a command; returns what it printed, or what it complained about where it has to fail."""
    done = subprocess.run([binary(), "metadefs", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stderr if code else done.stdout


class Glance:
    """Glance's own tools on a database of its own."""

    def __init__(self, folder):
        self.venv = environments.venv("glance")
        self.conf = folder / "glance.conf"
        self.conf.write_text(f"[database]\nconnection = sqlite:///{folder}/glance.db\n")
        self.manage("db", "sync")

    @property
    def shipped(self):
        return f"{self.venv}/etc/glance/metadefs"

    def run(self, *argv):
        done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=60)
        # It exits with 0 also when it could not load a file, and says so in its log.
        is_clean = not any(word in done.stderr for word in (" ERROR ", " WARNING ", "Traceback"))
        assert done.returncode == 0 and is_clean, f"{argv}: {done.stdout}{done.stderr}"

    def manage(self, *arguments):
        self.run(f"{self.venv}/bin/glance-manage", "--config-file", self.conf, *arguments)

    def metadefs(self, *steps):
        self.run(f"{self.venv}/bin/python", ROOT / "tests/peers/glance_metadefs.py", self.conf, *steps)


@pytest.fixture(scope="module")
def glance(tmp_path_factory):
    return Glance(tmp_path_factory.mktemp("glance"))


@pytest.fixture
def place(tmp_path):
    """An empty data folder, as the option that names it."""
    folder = tmp_path / "data"
    folder.mkdir()
    return "--data-dir", folder


def write(folder, *namespaces):
    folder.mkdir(exist_ok=True)
    for number, namespace in enumerate(namespaces):
        (folder / f"{number}.json").write_text(json.dumps(namespace))
    return folder


def filled(file):
    """A file with what it leaves to defaults, lists by name, and without what is not set."""
    def part(entry):
        return {key: value for key, value in entry.items() if value is not None}

    def by_name(key):
        return sorted((part(entry) for entry in file.get(key) or []), key=lambda entry: entry["name"])

    objects = [{"properties": {}} | entry for entry in by_name("objects")]
    return {"visibility": "private", "protected": False, "owner": "admin"} | part(file) | {
        "properties": file.get("properties") or {}, "objects": objects, "tags": by_name("tags"),
        "resource_type_associations": by_name("resource_type_associations")}


def read(folder):
    """The files of a folder, by namespace."""
    files = [filled(json.loads(path.read_text())) for path in folder.glob("*.json")]
    found = {file["namespace"]: file for file in files}
    assert found and len(found) == len(files)
    return found


def exported(place, folder):
    vitrine("export", folder, *place)
    return read(folder)


def as_glance_keeps_it(file):
    """Without what the formats of Glance lose, as docs/differences.md says: the owner, and what objects require."""
    objects = [{key: value for key, value in entry.items() if key != "required"} for entry in file["objects"]]
    return file | {"owner": "admin", "objects": objects}


def test_to_glance_and_back(glance, tmp_path):
    """The catalogue, and a namespace with everything: by our files into Glance, by its files into another server."""
    # The embedded database alone has the catalogue from the start.
    embedded = databases.Embedded()
    with Server(tmp_path / "first", database=embedded) as first, \
            Server(tmp_path / "second", database=embedded) as second:
        image = first.connect("vitrine-admin").image
        answer = image.post("/metadefs/namespaces", json=WHOLE)
        assert answer.status_code == 201, answer.text
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        before = exported(("--data-dir", first.data_dir), ours)
        glance.manage("db", "load_metadefs", "--path", ours)
        theirs.mkdir()
        glance.metadefs(f"export={theirs}")
        glance.metadefs("unload")
        assert {path.name for path in theirs.iterdir()} == {path.name for path in ours.iterdir()}

        place = "--data-dir", second.data_dir
        assert vitrine("unload", *place) == f"removed {len(before) - 1} namespaces\n"
        assert vitrine("load", theirs, *place) == f"{len(before)} namespaces: {len(before)} added\n"
        after = exported(place, tmp_path / "again")
        assert after == {name: as_glance_keeps_it(file) for name, file in before.items()}
        assert shown_by(second) == shown_by(first)


def shown_by(server):
    """Every namespace as the API shows it, without times and what Glance's files do not keep, the order of tags for
    one."""
    image = server.connect("vitrine-admin").image
    shown = {}
    for row in image.metadef_namespaces(sort_key="namespace", sort_dir="asc", limit=10):
        whole = image.get(f"/metadefs/namespaces/{row.namespace}").json()
        assert "properties" in whole or "objects" in whole, row.namespace
        for part in (whole, *whole.get("objects", ()), *whole.get("resource_type_associations", ())):
            for key in ("created_at", "updated_at", "owner", "required"):
                part.pop(key, None)
        whole["tags"] = sorted(tag["name"] for tag in whole.get("tags", ()))
        shown[row.namespace] = whole
    assert WHOLE["namespace"] in shown and len(shown) > 30
    return shown


def test_what_glance_ships_loads_unchanged(glance, place, tmp_path):
    """In each mode, one after the other; and a single file, in the folder where it lies or by its name."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for path in (ROOT / glance.shipped).glob("*.json"):
        (folder / path.name).write_bytes(path.read_bytes())
    wanted = read(folder)
    number = len(wanted)
    for options, sentence in (([], "added"), ([], "left as they were"), (["--merge"], "merged"),
                              (["--prefer-new"], "merged and brought up to date"), (["--replace"], "replaced")):
        said = vitrine("load", glance.shipped, *options, *place)
        assert said == f"{number} namespaces: {number} {sentence}\n"
        assert exported(place, tmp_path / "out") == wanted, sentence
    said = vitrine("load", f"{glance.shipped}/compute-quota.json", "--replace", *place)
    assert said == "1 namespace: 1 replaced\n"
    assert exported(place, tmp_path / "out") == wanted


def test_the_catalogue_has_what_glance_ships(glance):
    """Every namespace, association, property, object, type, choice and operator; only the texts are our own."""
    def facts(properties):
        return {name: {key: value for key, value in schema.items() if key not in ("title", "description")}
                for name, schema in properties.items()}

    def texts(file):
        schemas = [file["properties"], *(entry["properties"] for entry in file["objects"])]
        said = [file.get("description"), *(entry.get("description") for entry in file["objects"])]
        said += [schema.get("description") for properties in schemas for schema in properties.values()]
        return {" ".join(text.lower().split()) for text in said if text}

    ours, theirs = read(ROOT / "schema/metadefs"), read(ROOT / glance.shipped)
    assert set(theirs) <= set(ours)
    for name, their in theirs.items():
        our = ours[name]
        for key in ("visibility", "protected", "resource_type_associations", "tags"):
            assert our[key] == their[key], (name, key)
        assert facts(their["properties"]).items() <= facts(our["properties"]).items(), name
        objects = {entry["name"]: facts(entry["properties"]) for entry in our["objects"]}
        assert objects == {entry["name"]: facts(entry["properties"]) for entry in their["objects"]}, name
        assert not texts(our) & texts(their), name


def test_each_mode_does_what_glances_does(glance, place, tmp_path):
    """Old files, then new ones in each mode, in both; then what both export is the same."""
    old = [{"namespace": "N", "display_name": "old", "description": "d", "visibility": "public", "protected": True,
            "resource_type_associations": [{"name": "A", "prefix": "old"}, {"name": "mine"}],
            "properties": {"p": TEXT, "mine": TEXT}, "tags": [{"name": "mine"}, {"name": "t"}],
            "objects": [{"name": "o", "description": "old", "properties": {"x": TEXT}}, {"name": "mine"}]}]
    new = [{"namespace": "N", "display_name": "new", "visibility": "private",
            "resource_type_associations": [{"name": "A", "properties_target": "image"}, {"name": "B"}],
            "properties": {"p": TEXT | {"title": "new"}, "q": TEXT}, "tags": [{"name": "t"}, {"name": "u"}],
            "objects": [{"name": "o", "properties": {"y": TEXT}}, {"name": "o2", "properties": {}}]},
           {"namespace": "M", "display_name": "only new"}]
    old, new = write(tmp_path / "old", *old), write(tmp_path / "new", *new)
    steps = []
    for mode in MODES:
        folder = tmp_path / f"glance-{mode}"
        folder.mkdir()
        steps += ["unload", f"load={old}", f"{mode}={new}", f"export={folder}"]
    glance.metadefs(*steps, "unload")
    results = []
    for mode, options in MODES.items():
        vitrine("unload", *place)
        vitrine("load", old, *place)
        vitrine("load", new, *options, *place)
        found = exported(place, tmp_path / f"vitrine-{mode}")
        assert found == read(tmp_path / f"glance-{mode}"), mode
        results.append(found)
    assert all(one != other for one in results for other in results if one is not other)


@pytest.mark.parametrize("files, complaints", [
    ({"a.json": "{"}, ["a.json: it is not JSON", "nothing was loaded"]),
    ({"a.json": "[]"}, ["a.json: it must be a JSON object"]),
    ({"a.json": "{}"}, ['a.json: it has no "namespace"']),
    ({"a.json": '{"namespace": "N", "visibility": "blue"}'}, ["a.json", '"blue"', "public or private"]),
    ({"a.json": '{"namespace": "N", "objects": [{}]}'}, ["a.json", '"name"']),
    ({"a.json": "\udcff"}, ["a.json", "UTF-8"]),
    ({"a.txt": '{"namespace": "N"}'}, ["no *.json in this folder"]),
    ({"a.json": "{", "b.json": '{"namespace": "N"}', "c.json": "{"},
     ["a.json", "c.json", "2 files were left out; the others were loaded"]),
    ({"a.json": '{"namespace": "N"}', "b.json": '{"namespace": "N", "display_name": "second"}'},
     ["b.json: ", "a.json defines N, too", "1 file was left out"]),
])
def test_bad_files(place, tmp_path, files, complaints):
    """Each is named with its fault, the exit code is 1, and what can be loaded is."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, errors="surrogateescape")
    said = vitrine("load", folder, *place, code=1)
    assert all(complaint in said for complaint in complaints), said
    left = vitrine("unload", *place)
    assert left == f"removed {1 if 'left out' in said else 0} namespaces\n"


def test_bad_arguments(place, tmp_path):
    for arguments, code, complaint in (
            (("load", tmp_path / "none", *place), 1, "No such file"),
            (("load", "--data-dir", tmp_path / "none"), 1, "there is no data folder"),
            (("load", "--merge", "--replace", *place), 2, "cannot be used with"),
            (("load", "--prefer-new", "--replace", *place), 2, "cannot be used with"),
            (("export", ROOT / "README.md", *place), 1, "this is a file")):
        assert complaint in vitrine(*arguments, code=code), arguments


def test_a_load_is_one_transaction(place, tmp_path):
    """When the database refuses the last of the catalogue's properties, the rest is as before."""
    vitrine("unload", *place)
    database = sqlite3.connect(place[1] / "vitrine.sqlite", isolation_level=None)
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON metadef_properties WHEN NEW.name = 'img_volume_type' BEGIN " \
             "SELECT RAISE(ABORT, 'not this one'); END"
    try:
        database.execute(refuse)
        vitrine("load", *place, code=1)
        for table in ("metadef_namespaces", "metadef_objects", "metadef_properties", "metadef_resource_types"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        database.execute("DROP TRIGGER refuse")
        vitrine("load", *place)
        before = exported(place, tmp_path / "before")
        database.execute(refuse)
        vitrine("load", "--replace", *place, code=1)
        assert exported(place, tmp_path / "after") == before
    finally:
        database.close()
