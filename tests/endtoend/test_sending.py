"""Downloads that nginx sends by itself, as docs/performance.md sets it up."""

import hashlib
import os

from harness import Server, balancers, client, databases

CONFIG = """\
[vitrine]
send_file = x-accel-redirect
trusted_proxies = 127.0.0.1
"""
OCTETS = {"Content-Type": "application/octet-stream"}


def test_nginx_sends_the_files(tmp_path):
    """The data is the image's, whole and in part, with the headers that clients of Glance read; nobody gets a file by
    its path, or that of an image which is not his to see; and it is nginx that sends."""
    config = tmp_path / "glance-api.conf"
    config.write_text(CONFIG)
    data = os.urandom(3_000_000)
    arguments = ["--config-file", config]
    with Server(tmp_path / "data", arguments=arguments, database=databases.Embedded()) as server:
        image = server.create()
        path = f"/v2/images/{image}/file"
        assert server.request("PUT", path, data, OCTETS).status == 204
        file = server.images_dir.resolve() / image
        assert server.request("GET", path).headers["X-Accel-Redirect"] == f"/vitrine-files{file}"
        with balancers.SendingNginx([server]) as nginx:
            for headers, status, wanted in [({}, 200, data), ({"Range": "bytes=10-19"}, 206, data[10:20])]:
                answer = nginx.request("GET", path, headers=headers)
                assert (answer.status, answer.body) == (status, wanted)
                assert answer.headers["Content-MD5"] == hashlib.md5(data).hexdigest()
                assert answer.headers["Content-Type"] == "application/octet-stream"
                assert answer.headers["X-OpenStack-Request-ID"].startswith("req-")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "X-Accel-Redirect" not in answer.headers
            assert client.request(nginx.port, "GET", f"/vitrine-files{file}").status == 404
            assert nginx.request("GET", path, token="none").status == 401
