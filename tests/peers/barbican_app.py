"""Barbican's application for serve_wsgi.py: its own entry point wants a file below /etc."""

import os

from paste import deploy

application = deploy.loadapp(f"config:{os.environ['BARBICAN_PASTE']}")
