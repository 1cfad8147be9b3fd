"""Serves Horizon on loopback, by the server that Django comes with: `serve.py PORT`. Its settings are beside this."""

import sys

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from openstack_dashboard import wsgi


def main():
    with ThreadedWSGIServer(("127.0.0.1", int(sys.argv[1])), WSGIRequestHandler) as server:
        server.daemon_threads = True
        server.set_app(wsgi.application)
        server.serve_forever()


if __name__ == "__main__":
    main()
