"""`openstack image upload parts`: the data of an image, which goes on where an earlier attempt was cut."""

import os
import time

from keystoneauth1 import exceptions as keystone
from osc_lib import exceptions

from . import base
from .extensions import at
from .jobs import wait_for
from .progress import Bar

# Bytes that are read at once.
CHUNK_BYTES = 1 << 20
# How long to wait before the next attempt, at first and at most; and attempts in a row that bring nothing new.
PAUSE_S, PAUSE_MAX_S = 0.5, 30
FRUITLESS_MAX = 8
# Answers after which the same call may do.
PASSING = (408, 429, 502, 503, 504)


class Rest:
    """What of a file is to be sent, from an offset on, shown in a bar."""

    def __init__(self, file, offset, size, bar):
        self.file, self.sent, self.size, self.bar = file, offset, size, bar
        file.seek(offset)

    def __len__(self):
        return self.size - self.sent

    def __iter__(self):
        while chunk := self.file.read(min(CHUNK_BYTES, self.size - self.sent)):
            yield chunk
            self.sent += len(chunk)
            percent = self.sent * 100 // self.size
            self.bar.show({"state": "running", "message": "", "progress": {
                "bytes": self.sent, "total": self.size, "percent": percent, "rate": None, "eta": None}})


class UploadParts(base.ShowOne):
    """Upload the data of an image; go on where an earlier attempt was cut, also that of another command"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser)
        parser.add_argument("--file", metavar="<file>", required=True, help="The file with the data")
        parser.add_argument("--part-size", metavar="<MiB>", type=int, help="MiB of a part, 8 to 512 (default: 64)")
        parser.add_argument("--stage", action="store_true", help="Stage the data for an import")
        return parser

    def take_action(self, parsed_args):
        image = self.extensions.image_id(parsed_args.image)
        try:
            with open(parsed_args.file, "rb") as file, Bar() as bar:
                size = os.fstat(file.fileno()).st_size
                upload = self.upload_of(image, size, parsed_args)
                self.send(upload["upload_id"], file, size, bar)
        except OSError as error:
            raise exceptions.CommandError(f"{parsed_args.file} cannot be read: {error}") from None
        done = self.extensions.call("POST", at("uploads", upload["upload_id"], "complete"))
        if done:
            wait_for(self.extensions, done["job"]["id"])
        shown = self.app.client_manager.image.get_image(image)
        return base.fields({name: getattr(shown, name) for name in ("id", "name", "status", "size", "hash_value")})

    def upload_of(self, image, size, asked):
        """The open upload of the image, or a new one."""
        found = self.extensions.get(at("images", image, "uploads"))["uploads"]
        if found and (found[0]["size"], found[0]["stage"]) != (size, asked.stage):
            raise exceptions.CommandError("The image has an open upload of other data.")
        if found:
            return found[0]
        body = {"size": size, "stage": asked.stage}
        if asked.part_size:
            body["part_size"] = asked.part_size << 20
        return self.extensions.call("POST", at("images", image, "uploads"), json=body)

    def send(self, upload, file, size, bar):
        """Sends what is missing at the end, until all of it is there."""
        offset, fruitless, pause, why = self.offset(upload), 0, PAUSE_S, None
        while offset < size:
            headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
            try:
                self.extensions.request("PATCH", at("uploads", upload), headers=headers,
                                        data=Rest(file, offset, size, bar))
            except keystone.ConnectionError as error:
                why = error
            except exceptions.ClientException as error:
                # Somebody else has sent some of it meanwhile, or it passes.
                if error.code != 409 and error.code not in PASSING:
                    raise
                why = error
            before, offset = offset, self.offset(upload)
            if offset > before:
                fruitless, pause = 0, PAUSE_S
                continue
            fruitless += 1
            if fruitless >= FRUITLESS_MAX:
                raise exceptions.CommandError(f"The upload does not get on: {why}. The same command goes on with it.")
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_MAX_S)

    def offset(self, upload):
        return self.extensions.patient_get(at("uploads", upload))["offset"]
