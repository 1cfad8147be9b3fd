"""Glance's application for uwsgi. SQLite is told to let others wait, as it is wherever the reference is tested."""

from serve_wsgi import ease_sqlite

ease_sqlite()

from glance.wsgi.api import application  # noqa: E402

__all__ = ["application"]
