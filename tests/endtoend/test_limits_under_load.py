"""The limits of projects (`use_keystone_limits`) under many requests at once, and after deaths in the middle of them:
not a byte over, and not a refusal too many.

`make test` has a few projects and deaths, `make chaos` twenty projects with twenty requests at a time, and a hundred
deaths.
"""

import collections
import concurrent.futures
import http.client
import select
import threading
import time

import pytest

from harness import OpenUpload, Server, chaos, tokens, wait_for

PROJECTS, AT_ONCE, DEATHS = chaos.either((3, 8, 2), (20, 20, 100))
# What each limit is set to, as a number of images and as one of MiB.
LIMIT = AT_ONCE // 2
MIB = bytes(1 << 20)
LIMITS = ("image_size_total", "image_stage_total", "image_count_total", "image_count_uploading")
PLENTY = 10_000
CONFIG = f"""
[DEFAULT]
use_keystone_limits = true
[vitrine]
limits_cache_seconds = 0
max_connections_per_address = {4 * PROJECTS * AT_ONCE}
max_transfers = {4 * PROJECTS * AT_ONCE}
max_transfers_per_project = {2 * AT_ONCE}
"""
DATA = {"Content-Type": "application/octet-stream"}
RAW = {"name": "image", "disk_format": "raw", "container_format": "bare"}
# The errors of a server that dies in the middle of an answer.
DEATH = (OSError, http.client.HTTPException)


class Project:
    """A project with one user, who asks for things."""

    def __init__(self, server, token):
        self.server, self.token = server, token

    def ask(self, method, path, body=None, headers=None):
        return self.server.request(method, path, body, headers, self.token)

    def create(self):
        return self.ask("POST", "/v2/images", RAW).expect(201).json["id"]

    def images(self):
        return self.ask("GET", "/v2/images?limit=1000").expect(200).json["images"]

    def put(self, image, place="file"):
        return self.ask("PUT", f"/v2/images/{image}/{place}", MIB, DATA).status

    def usage(self):
        told = self.ask("GET", "/v2/info/usage").expect(200).json["usage"]
        return {name: told[name]["usage"] for name in LIMITS}

    def sums(self):
        """What the usage has to be, by what the images are."""
        images = self.images()
        in_status = collections.Counter(image["status"] for image in images)
        size = sum(image["size"] or 0 for image in images if image["status"] == "active")
        # The size of what is staged is not shown; each is a MiB here.
        return {"image_size_total": size >> 20, "image_stage_total": in_status["uploading"],
                "image_count_total": len(images),
                "image_count_uploading": sum(in_status[name] for name in ("saving", "uploading", "importing"))}

    def clear(self):
        for image in self.images():
            self.ask("DELETE", f"/v2/images/{image['id']}").expect(204)


class Cloud:
    """A server with projects, and the limits that are registered for all of them."""

    def __init__(self, server):
        self.server = server
        self.admin = server.login("vitrine-admin")[0]
        role = self.identity("GET", "roles?name=member")["roles"][0]["id"]
        service = self.identity("GET", "services?type=image")["services"][0]["id"]
        self.projects = [self.project(f"project-{number}", role) for number in range(PROJECTS)]
        new = [{"service_id": service, "region_id": "RegionOne", "resource_name": name, "default_limit": PLENTY}
               for name in LIMITS]
        made = self.identity("POST", "registered_limits", {"registered_limits": new}, 201)["registered_limits"]
        self.registered = {limit["resource_name"]: limit["id"] for limit in made}

    def identity(self, method, path, body=None, status=200):
        answer = self.server.request(method, f"/identity/v3/{path}", body, token=self.admin).expect(status)
        return answer.json if answer.body else None

    def project(self, name, role):
        project = self.identity("POST", "projects", {"project": {"name": name}}, 201)["project"]["id"]
        new = {"name": name, "password": "secret"}
        user = self.identity("POST", "users", {"user": new}, 201)["user"]["id"]
        self.identity("PUT", f"projects/{project}/users/{user}/roles/{role}", status=204)
        password = {"user": new | {"domain": tokens.DOMAIN}}
        scope = {"project": {"id": project}}
        auth = {"identity": {"methods": ["password"], "password": password}, "scope": scope}
        answer = self.server.request("POST", "/identity/v3/auth/tokens", {"auth": auth}, token="").expect(201)
        return Project(self.server, answer.headers["X-Subject-Token"])

    def limit(self, name, value):
        self.identity("PATCH", f"registered_limits/{self.registered[name]}", {"registered_limit": {
            "default_limit": value}})

    def at_once(self, act, things):
        """Counts what `act` answers for each thing of each project, all of them asked at one moment."""
        work = [(project, thing) for project in self.projects for thing in things(project)]
        start = threading.Barrier(len(work))

        def one(project, thing):
            start.wait(60)
            return project, act(project, thing)

        with concurrent.futures.ThreadPoolExecutor(len(work)) as pool:
            answers = list(pool.map(lambda pair: one(*pair), work))
        return {project: collections.Counter(answer for other, answer in answers if other is project)
                for project in self.projects}

    def each(self, expected):
        return {project: collections.Counter(expected) for project in self.projects}


@pytest.fixture
def cloud(tmp_path):
    (tmp_path / "glance-api.conf").write_text(CONFIG)
    with Server(tmp_path / "data", arguments=["--config-file", tmp_path / "glance-api.conf"]) as running:
        yield Cloud(running)


def some(project):
    """As many images without data as there are requests at once."""
    return [project.create() for _ in range(AT_ONCE)]


def test_no_limit_is_exceeded_or_fallen_short_of(cloud):
    """Of twice as many requests at once as a limit lets pass, exactly those pass that it lets, in every project."""
    half = {204: LIMIT, 413: AT_ONCE - LIMIT}
    cloud.limit("image_count_total", LIMIT)
    created = cloud.at_once(lambda project, _: project.ask("POST", "/v2/images", RAW).status,
                            lambda _: range(AT_ONCE))
    assert created == cloud.each({201: LIMIT, 413: AT_ONCE - LIMIT})
    cloud.limit("image_count_total", PLENTY)
    for name, place in (("image_size_total", "file"), ("image_stage_total", "stage")):
        for project in cloud.projects:
            project.clear()
        cloud.limit(name, LIMIT)
        assert cloud.at_once(lambda project, image, to=place: project.put(image, to), some) == cloud.each(half), name
        for project in cloud.projects:
            assert project.usage()[name] == LIMIT, name
            assert project.usage() == project.sums(), name
        cloud.limit(name, PLENTY)


def begun(project):
    """Uploads to new images that have sent their only piece, and not that it is the only one."""
    uploads = []
    for image in some(project):
        upload = OpenUpload(project.server, image, {"X-Auth-Token": project.token})
        upload.send(MIB)
        uploads.append(upload)
    return uploads


def turned_away(uploads):
    """Those of them that have been answered."""
    answered, _, _ = select.select([upload.connection.sock for upload in uploads], [], [], 0)
    return [upload for upload in uploads if upload.connection.sock in answered]


def test_so_many_upload_at_once_and_no_more(cloud):
    """Of uploads that have begun, exactly as many go on as the limit lets; when they end others may begin."""
    cloud.limit("image_count_uploading", LIMIT)
    for project, uploads in [(project, begun(project)) for project in cloud.projects]:
        wait_for("the last upload to be let in or turned away", lambda project=project, uploads=uploads: (
            len(turned_away(uploads)) + project.usage()["image_count_uploading"] == AT_ONCE))
        assert project.usage()["image_count_uploading"] == LIMIT
        refused = turned_away(uploads)
        assert {upload.finish().status for upload in uploads if upload not in refused} == {204}
        for upload in refused:
            assert upload.connection.getresponse().status == 413
            upload.abort()
        assert project.usage() == project.sums()
        left = [image["id"] for image in project.images() if image["status"] == "queued"]
        assert [project.put(image) for image in left] == [204] * (AT_ONCE - LIMIT)


def test_the_sums_are_right_after_deaths(cloud):
    """After each death in the middle of uploads and stagings, the usage is what the images are, and exactly what is
    left of each limit can be had."""
    chance, server = chaos.seeded(), cloud.server
    places = {"file": "image_size_total", "stage": "image_stage_total"}
    for name in places.values():
        cloud.limit(name, LIMIT)
    for _ in range(DEATHS):
        work = [(project, image, chance.choice(list(places))) for project in cloud.projects for image in some(project)]

        def one(project, image, place):
            try:
                return project.put(image, place)
            except DEATH:
                return None

        with concurrent.futures.ThreadPoolExecutor(len(work)) as pool:
            answers = [pool.submit(one, *what) for what in work]
            time.sleep(chance.uniform(0.01, 0.4))
            server.kill()
            assert {answer.result() for answer in answers} <= {204, 413, None}
        server.start()
        for project in cloud.projects:
            wait_for("the sums", lambda project=project: project.usage() == project.sums())
            for place, name in places.items():
                left = LIMIT - project.usage()[name]
                assert left >= 0, name
                images = [image["id"] for image in project.images() if image["status"] == "queued"][:left + 1]
                images += [project.create() for _ in range(left + 1 - len(images))]
                with concurrent.futures.ThreadPoolExecutor(len(images)) as pool:
                    answers = collections.Counter(pool.map(lambda i, to=place, p=project: p.put(i, to), images))
                assert answers == collections.Counter({204: left, 413: 1}), name
                assert project.usage()[name] == LIMIT, name
            project.clear()
            assert set(project.usage().values()) == {0}
