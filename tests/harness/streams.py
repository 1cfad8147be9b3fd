"""Large bodies, sent and received by processes of their own: their cost is not mixed up with that of a server."""

import http.client
import os
import sys
from multiprocessing import Process

CHUNK = 1 << 20


def source(path, mib):
    """Writes a file of so many MiB that nothing compresses."""
    block = os.urandom(min(mib, 64) << 20)
    with open(path, "wb") as out:
        left = mib << 20
        while left:
            out.write(block[:left])
            left -= min(left, len(block))
    return path


def send(port, token, path, file):
    """PUTs a file; ends the process, well when the server took it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600, blocksize=CHUNK)
    with open(file, "rb") as data:
        connection.request("PUT", path, data,
                           {"X-Auth-Token": token, "Content-Type": "application/octet-stream",
                            "Content-Length": str(os.path.getsize(file))})
    sys.exit(connection.getresponse().status != 204)


def receive(port, token, path, size):
    """GETs so many bytes and drops them; ends the process, well when they came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", path, headers={"X-Auth-Token": token})
    answer, got, buffer = connection.getresponse(), 0, bytearray(CHUNK)
    while count := answer.readinto(buffer):
        got += count
    sys.exit(got != size)


def at_once(target, argument_lists):
    """Runs `target` in a process for each list of arguments, all at once; whether all ended well."""
    clients = [Process(target=target, args=arguments) for arguments in argument_lists]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return not any(client.exitcode for client in clients)
