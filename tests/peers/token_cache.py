"""Reads and writes tokens in a memcached with keystonemiddleware's own code: token_cache.py get|set PORT STRATEGY KEY

The token comes first from standard input, on a line of its own; then, for `set`, Keystone's answer. `get` prints that.
It runs in the environment `glance`, whose middleware is given its memcached as a cache in the request's environment:
python-memcached, which it would load itself, is not there.
"""

import json
import logging
import socket
import sys

from keystonemiddleware.auth_token import _cache


class Memcached:
    """As much of python-memcached as the middleware uses, for bytes."""

    def __init__(self, port):
        self.address = ("127.0.0.1", port)

    def _ask(self, command, value=b"", end=b"\r\n"):
        with socket.create_connection(self.address, timeout=10) as link:
            link.sendall(command.encode() + b"\r\n" + value)
            answer = b""
            while not answer.endswith(end):
                piece = link.recv(65536)
                assert piece, answer
                answer += piece
        return answer

    def get(self, key):
        head, _, rest = self._ask(f"get {key}", end=b"END\r\n").partition(b"\r\n")
        return rest[:int(head.split()[3])] if head != b"END" else None

    def set(self, key, value, time):
        assert self._ask(f"set {key} 0 {time} {len(value)}", value + b"\r\n") == b"STORED\r\n"


def main(verb, port, strategy, secret):
    settings = {"cache_time": 300, "env_cache_name": "cache"}
    log = logging.getLogger(__name__)
    if strategy == "None":
        cache = _cache.TokenCache(log, **settings)
    else:
        cache = _cache.SecureTokenCache(log, strategy, secret, **settings)
    cache.initialize({"cache": Memcached(int(port))})
    token = sys.stdin.readline().strip()
    if verb == "set":
        cache.set(token, json.load(sys.stdin))
    else:
        # As auth_token.AuthProtocol.fetch_token does with what the cache has.
        found = cache.get(token)
        print(json.dumps(found[0] if found and len(found) == 2 else found))


if __name__ == "__main__":
    main(*sys.argv[1:])
