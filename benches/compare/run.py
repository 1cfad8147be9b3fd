"""Brings both services up on databases with so many images, and has them do each work in turn."""

import contextlib
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

import data
import floors
import plans
import works
from harness import ROOT, databases, disks, process, streams
from harness.many import Place
from moving import Cloud
from services import Glance, Spent, Vitrine, busy, own
from table import Row
from works import Figure

# Requests before anything is measured, so that each process of a service has answered some.
WARM = 20
# Settings of a database server that has memory for most of its rows.
LARGE = {databases.POSTGRESQL: {"shared_buffers": "1GB"}, databases.MARIADB: {"innodb-buffer-pool-size": "1G"}}


class Scene:
    """Both services, and what their work is about."""

    def __init__(self, args, folder, cloud):
        self.args, self.folder, self.cloud = args, folder, cloud
        self.seconds, self.tokens = args.seconds, min(works.TOKENS, 2 if args.smoke else works.TOKENS)
        self.size, self.gib = args.size_mib << 20, args.size_mib / 1024
        self.source = streams.source(folder / "source", args.size_mib)
        self.has_server = args.database != databases.SQLITE
        self.services, self.stored = [], {}

    @property
    def qcow2(self):
        path = self.folder / "source.qcow2"
        return path if path.exists() else disks.convert(self.source, path, "qcow2")

    def wanted(self, name):
        return re.search(self.args.only, name) is not None

    def fresh_token(self):
        """A token that nobody has seen yet; the one that is used otherwise stays."""
        known = self.cloud.tokens.pop("member", None)
        fresh = self.cloud.token("member")
        self.cloud.tokens["member"] = known or fresh
        return fresh

    def keystone_cpu(self):
        return process.cpu_seconds_of_tree(int((self.cloud.folder / "keystone/keystone.pid").read_text()))


def compare(args, folder, table):
    """Fills the table; what is in it stands when this ends early."""
    cloud = Cloud(folder)
    try:
        scene = Scene(args, folder, cloud)
        for images in args.images:
            is_first = images == args.images[0]
            print(f"{images:,} images", file=sys.stderr, flush=True)
            with populated(scene, images):
                if args.plans:
                    table.plans.append(plans.of(scene))
                    continue
                if is_first:
                    floors.measure(table, scene, args.rounds)
                measure(table, scene, with_data=is_first)
        if args.build:
            build(table, folder)
    finally:
        subprocess.run([str(word) for word in cloud.down], check=False)


def about(args):
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"machine": f"{os.cpu_count()} × {model.group(1) if model else platform.machine()}",
            "kernel": platform.release(), "database": args.database, "data": f"{args.size_mib} MiB a stream",
            "rounds": args.rounds, "uwsgi": f"{args.processes} processes", "date": time.strftime("%Y-%m-%d %H:%M UTC",
                                                                                                 time.gmtime())}


@contextlib.contextmanager
def populated(scene, images):
    """Runs both services on a database server of their own with so many images."""
    args, folder = scene.args, scene.folder / str(images)
    folder.mkdir()
    server = None
    if scene.has_server:
        kind = databases.Postgresql if args.database == databases.POSTGRESQL else databases.Mariadb
        more = LARGE[args.database] | (plans.SETTINGS if args.plans else {})
        server = kind(is_mortal=True, more=more)
    theirs, ours = (Place(args.database, folder / f"{name}.db", server) for name in ("glance", "vitrine"))
    services = []

    def around(measured):
        return scene.keystone_cpu() + sum(service.cpu() for service in services if service is not measured)
    try:
        services += [Glance(folder / "Glance", scene.cloud, theirs, around, processes=args.processes),
                     Vitrine(folder / "Vitrine", scene.cloud, ours, around, binary=args.binary)]
        fill(scene, images, *services)
        for service in services:
            service.start()
        scene.images, scene.services = images, services
        learn(scene, services)
        yield
    finally:
        for service in services:
            service.stop()
        if server:
            databases.RUNNING.remove(server)
            server.stop()


def fill(scene, images, glance, vitrine):
    projects = max(10, images // 200)
    glance.place.fill(images, vitrine.folder / "stores/fast", projects=projects, mine=project(scene))
    vitrine.command("import-glance", "--from", glance.place.alchemy)
    for service in (glance, vitrine):
        service.place.settle()


def project(scene):
    """The id of the project whose member asks."""
    return json.loads((scene.cloud.folder / "keystone/personas.json").read_text())["projects"]["alpha"]


def learn(scene, services):
    """What the caller sees, from the newest on, and the image that has members."""
    glance, vitrine = services
    with glance.place.reader() as rows:
        ((scene.first, scene.name_of_first),) = rows(
            "SELECT id, name FROM images WHERE size = 0 AND owner = ?", (project(scene),))
    scene.visible, path = [], "/v2/images?limit=1000"
    while path:
        page = vitrine.ask().ask("GET", path).json
        scene.visible += [image["id"] for image in page["images"]]
        path = page.get("next")
    scene.stored = {}


def switch(services, options):
    """Restarts both with these options; every process of theirs has answered something before anything is measured."""
    for service in services:
        service.stop()
        service.start(options)
        for _ in range(WARM):
            service.ask().ask("GET", "/v2/images?limit=1")
    return options


def wanted(scene, with_data):
    """The works whose rows are asked for; those that need options come last."""
    found = [*works.requests(scene), *(data.works(scene) if with_data else ()), works.start(scene)]
    found = [work for work in found if any(scene.wanted(figure.name) for figure in work.figures)]
    return sorted(found, key=lambda work: work.options)


def measure(table, scene, with_data):
    """Adds the rows of one number of images."""
    options = switch(scene.services, ())
    for work in wanted(scene, with_data):
        if work.options != options:
            options = switch(scene.services, work.options)
        began = time.monotonic()
        try:
            spent = taken_in_turn(table, scene, work)
        except (AssertionError, OSError) as fault:
            table.differing.append(f"{work.figures[0].name}: {fault}")
            continue
        table.rows += [Row(scene.images, figure, spent) for figure in work.figures if scene.wanted(figure.name)]
        print(f"  {work.figures[0].name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def taken_in_turn(table, scene, work):
    """{service: [what it spent in each round]}"""
    spent = {service.name: [] for service in scene.services}
    for number in range(scene.args.rounds):
        answers = {}
        for service in scene.services if number % 2 == 0 else reversed(scene.services):
            found, answers[service.name] = work.act(service)
            spent[service.name].append(found)
        if answers["Glance"] != answers["Vitrine"]:
            table.differing.append(f"{scene.images} images, {work.figures[0].name}: {answers}"[:2000])
    return spent


def build(table, folder):
    """What it takes to make either from nothing, once: compiling, and installing what is compiled already."""
    target, venv = folder / "target", folder / "venv"
    commands = {
        "Vitrine": [["cargo", "build", "--locked", "--release", "--manifest-path", ROOT / "Cargo.toml",
                     "--target-dir", target]],
        "Glance": [["/usr/bin/python3", "-m", "venv", venv],
                   [venv / "bin/pip", "install", "--quiet", "--no-cache-dir", "--no-deps", "--requirement",
                    ROOT / "tools/environments/glance.txt"]],
    }
    spent = {}
    for name, lines in commands.items():
        before, began, others = own(), time.monotonic(), busy()
        for line in lines:
            subprocess.run([str(word) for word in line], check=True, stdout=sys.stderr)
        used = own() - before
        spent[name] = [Spent(used, 0, time.monotonic() - began, busy() - others - used, 1)]
    for figure in (Figure("build from nothing", "CPU s", works.cpu),
                   Figure("build from nothing, time", "s", lambda spent: spent.wall)):
        table.rows.append(Row(0, figure, spent))
