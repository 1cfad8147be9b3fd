"""How PostgreSQL goes about Vitrine's lists: what `auto_explain` logs of each statement of a request."""

import re
import time

from works import lists

SETTINGS = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
            "auto_explain.log_analyze": "on", "auto_explain.log_buffers": "on", "auto_explain.log_timing": "off"}
# Bytes of each table and of its indexes.
SIZES = """SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND starts_with(relname, 'image') ORDER BY relname"""
# What stands before each entry: the time, the process, the level.
PREFIX = re.compile(r"^[\d-]+ [\d:.]+ \w+ \[\d+\] LOG:  ", re.MULTILINE)


def of(scene):
    """The plans of each list that is wanted, as text. Statements are prepared by then, what they read is in memory."""
    vitrine, parts = scene.services[1], []
    with vitrine.place.reader() as rows:
        for table, *sizes in rows(SIZES):
            parts.append(f"{table}: {', '.join(f'{size / scene.images:.0f}' for size in sizes)} bytes an image")
    asked, log = vitrine.ask(), f"{vitrine.place.database.server.folder}.log"
    for name, query in lists(scene).items():
        if scene.wanted(name):
            path = f"/v2/images?{query}"
            for _ in range(10):
                asked.ask("GET", path)
            with open(log, errors="replace") as text:
                text.seek(0, 2)
                asked.ask("GET", path)
                # The log is written before the answer, by another process.
                time.sleep(0.2)
                entries = PREFIX.split(text.read())
            plans = [entry for entry in entries if "plan:" in entry and "image" in entry]
            parts.append(f"== {scene.images:,} images, {name}: {path}\n\n" + "\n".join(plans))
    return "\n".join(parts)
