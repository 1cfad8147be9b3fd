"""The bar of a job that is waited for, where there is a terminal.

It goes to the standard error, so that what the command prints stays as it is.
"""

import shutil
import sys

from .columns import pace_text, size_text

BAR_CHARS = 30
CLEAR_LINE = "\r\x1b[K"


def line(job, width):
    """What is said of a job in one line of a terminal of so many characters."""
    progress = job["progress"]
    done, total, percent = (progress[name] for name in ("bytes", "total", "percent"))
    if percent is not None:
        bar = "=" * (percent * (BAR_CHARS - 1) // 100) + ">"
        text = f"[{bar:<{BAR_CHARS}}] {percent}% of {size_text(total)}{pace_text(progress)}"
    else:
        text = f"{job['state']} {size_text(done)}{pace_text(progress)}" if done else job["state"]
    if job["state"] == "waiting":
        # What others have written does not steer the terminal.
        text = "".join(c if c.isprintable() else "?" for c in f"waiting: {job['message']}")
    # A character short of the edge, where some terminals begin another line.
    return text[:width - 1]


class Bar:
    """Shows how far a job is, in a line that is gone at the end."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.shows = self.stream.isatty()

    def show(self, job):
        self._write(line(job, shutil.get_terminal_size().columns))

    def _write(self, text):
        if self.shows:
            self.stream.write(CLEAR_LINE + text)
            self.stream.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._write("")
