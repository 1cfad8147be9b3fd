"""The plug-in of openstackclient in clients/osc, offered to `openstack` without being installed."""

import os
import pathlib
import tomllib

from .places import ROOT
from .tools import Tool

SOURCE = ROOT / "clients/osc"


def offer(folder):
    """Writes into a folder what an installation says of the package; returns the search path that finds both."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    written = pathlib.Path(folder) / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    written.mkdir()
    (written / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = (f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in names.items())
              for group, names in project["entry-points"].items())
    (written / "entry_points.txt").write_text("\n".join(groups))
    return os.pathsep.join((str(folder), str(SOURCE)))


def variables(search_path):
    """What the environment of a program has to say for it to find what lies there."""
    # What plug-ins there are is remembered for each search path; that of a test is needed no more after it.
    return {"PYTHONPATH": search_path, "XDG_CACHE_HOME": search_path.split(os.pathsep)[0],
            "PYTHONDONTWRITEBYTECODE": "1"}


class Extended(Tool):
    """`openstack` with what lies in a search path; by a `Warm` that has the same one, if it is given."""

    def __init__(self, server, search_path, warm=None, cloud="vitrine", clouds_yaml=None):
        super().__init__("openstack", server, cloud, clouds_yaml)
        self.env |= variables(search_path)
        self.warm = warm

    def run(self, *arguments, stdin=os.devnull):
        if self.warm is None:
            return super().run(*arguments)
        return self.warm.run([*self.argv[1:], *map(str, arguments)], self.env, str(stdin))
