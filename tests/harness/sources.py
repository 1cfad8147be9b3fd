"""Web servers of this process, for images to come from."""

import functools
import http.server
import threading


class Source(http.server.ThreadingHTTPServer):
    """A web server with a handler of its own, on some address of this machine, until it is closed."""

    daemon_threads = True

    def __init__(self, handler, address="127.0.0.1", port=0):
        super().__init__((address, port), handler)
        self.url = f"http://{address}:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Files(http.server.SimpleHTTPRequestHandler):
    """The files of a folder, without a line on the terminal for each request."""

    def do_GET(self):
        self.server.asked += 1
        super().do_GET()

    def log_message(self, *_):
        pass


class Folder(Source):
    """Serves the files of a folder; `asked` says how many GETs came."""

    def __init__(self, folder):
        self.asked = 0
        super().__init__(functools.partial(Files, directory=str(folder)))
