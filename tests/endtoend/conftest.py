"""What the tests share: one server for those that leave it as they find it, and real disk images."""

import pytest

from harness import Server, databases, disks, plugin
from harness.warm import Warm


def pytest_unconfigure():
    databases.stop_all()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server started as a new user starts it, on an empty folder."""
    with Server(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


@pytest.fixture(scope="session", params=databases.KINDS)
def each_server(request, tmp_path_factory):
    """The same on each database in turn, for walks that must hold on all of them."""
    folder = tmp_path_factory.mktemp(request.param)
    with Server(folder / "data", database=databases.fresh(request.param)) as running:
        yield running


@pytest.fixture(scope="session", params=[databases.Postgresql, databases.Mariadb], ids=["postgresql", "mariadb"])
def mortal_server(request):
    """A server of databases that tests may kill, stop and start again."""
    return request.param(is_mortal=True)


@pytest.fixture
def mortal_database(mortal_server):
    """A database in such a server, which runs."""
    if mortal_server.process.poll() is not None:
        mortal_server.start()
    made = mortal_server.create()
    databases.prepare(made)
    return made


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory):
    """Where `openstack` finds our plug-in."""
    return plugin.offer(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="session")
def warm(plugin_path):
    """`openstack` with our plug-in, started once."""
    running = Warm(plugin.variables(plugin_path))
    yield running
    running.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A server of one file of tests, which may leave it in any state."""
    with Server(tmp_path_factory.mktemp("cloud") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def openstack(cloud, plugin_path, warm):
    """`openstack` with our plug-in, as a member of the project demo."""
    return plugin.Extended(cloud, plugin_path, warm)


@pytest.fixture(scope="module")
def admin(cloud, plugin_path, warm):
    """The same as an administrator."""
    return plugin.Extended(cloud, plugin_path, warm, "vitrine-admin")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder for disk images."""
    return tmp_path_factory.mktemp("disks")


@pytest.fixture(scope="session")
def disk(workshop):
    """A raw disk with a partition and an ext4 file system."""
    return disks.partitioned(workshop / "disk.raw")


@pytest.fixture(scope="session")
def qcow2(workshop, disk):
    """The same disk as most users have it."""
    return disks.convert(disk, workshop / "disk.qcow2", "qcow2")
