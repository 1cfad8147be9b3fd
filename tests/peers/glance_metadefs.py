"""Loads and exports metadata definitions with Glance's own code; run by the Python of the environment `glance`.

  glance_metadefs.py CONF STEP[=FOLDER] ...

CONF is a glance-api.conf that names the database. The steps, in order: `load`, `merge`, `prefer_new`, `overwrite`
(the modes of `glance-manage db load_metadefs`), `unload` and `export`.

`glance-manage db export_metadefs` of Glance 33 fails: it asks for a table without a connection to read it by, and
reads columns of a row by name, which SQLAlchemy 2 gives up. Both are made up for here, from outside; what is
written, how and where is Glance's.
"""

import os
import sys
from unittest import mock

from glance.common import config
from glance.db.sqlalchemy import api, metadata
from oslo_config import cfg
from oslo_log import log
from sqlalchemy.schema import MetaData

MODES = {"load": {}, "merge": {"merge": True}, "prefer_new": {"merge": True, "prefer_new": True},
         "overwrite": {"merge": True, "overwrite": True}}


class RowsByName:
    """A connection whose rows have their columns by name."""

    def __init__(self, connection):
        self.connection = connection

    def begin(self):
        return self.connection.begin()

    def execute(self, statement):
        return self.connection.execute(statement).mappings()


def export(engine, folder):
    tables = MetaData()
    with engine.connect() as connection:
        with connection.begin():
            tables.reflect(connection)
        with mock.patch.object(metadata, "get_metadef_namespaces_table",
                               lambda meta: meta.tables["metadef_namespaces"]):
            # The folder is put in front of the names of the files as it stands.
            metadata._export_data_to_file(tables, RowsByName(connection), os.path.join(folder, ""))


def main():
    log.register_options(cfg.CONF)
    config.parse_args(["--config-file", sys.argv[1]])
    log.setup(cfg.CONF, "glance")
    engine = api.get_engine()
    for step in sys.argv[2:]:
        verb, _, folder = step.partition("=")
        if verb == "unload":
            metadata.db_unload_metadefs(engine)
        elif verb == "export":
            export(engine, folder)
        else:
            metadata.db_load_metadefs(engine, folder, **MODES[verb])


if __name__ == "__main__":
    main()
