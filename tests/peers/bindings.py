"""Debian's bindings of librados and librbd for programs of virtual environments, which its Python has made."""

import importlib.util
import pathlib
import sys


def load():
    """Makes `rados` and `rbd` known where Debian's packages are installed; nothing else of Debian's is."""
    for name in ("rados", "rbd"):
        for found in pathlib.Path("/usr/lib/python3/dist-packages").glob(f"{name}.cpython-*.so"):
            spec = importlib.util.spec_from_file_location(name, found)
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
