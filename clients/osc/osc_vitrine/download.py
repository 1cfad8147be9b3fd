"""What the service writes as a file, on its way to the standard output or to one here."""

import os
import sys

import requests
from osc_lib import exceptions

CHUNK_BYTES = 64 * 1024


def add_file(parser):
    parser.add_argument("--file", metavar="<file>", help="Write to this file, once all of it has come")


def deliver(extensions, path, file=None):
    """Writes what is at the path into the file, or to the standard output."""
    answer = extensions.request("GET", path, headers={"Accept": "text/csv"}, stream=True)
    try:
        if file:
            save(answer, file)
        else:
            copy(answer, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except requests.RequestException as error:
        raise exceptions.CommandError(f"The table broke off: {error}") from None
    except BrokenPipeError:
        # Whoever reads it has seen enough. Python would complain once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def copy(answer, output):
    for chunk in answer.iter_content(CHUNK_BYTES):
        output.write(chunk)


def save(answer, name):
    """Writes a file that is there in whole or not at all: nobody would notice the end of a table that is missing."""
    part = f"{name}.part"
    try:
        with open(part, "wb") as output:
            copy(answer, output)
        os.replace(part, name)
    except requests.RequestException:
        raise
    except OSError as error:
        raise exceptions.CommandError(f"{name} cannot be written: {error}") from None
    finally:
        if os.path.exists(part):
            os.unlink(part)
