"""`openstack image bundle`: all disks of a server as one image."""

import argparse

from . import base
from .extensions import at

PATH = "bundles"
COLUMNS = [("ID", "id"), ("Name", "name"), ("Status", "status"), ("Visibility", "visibility"), ("Disks", "disks")]


def disk(text):
    """Reads IMAGE[:GIB]."""
    image, colon, size = text.partition(":")
    if not colon:
        return {"image_id": image}
    if not size.isdigit():
        raise argparse.ArgumentTypeError(f"{size!r} is no number of GiB")
    return {"image_id": image, "volume_size": int(size)}


def named(disks):
    """The disks in one line."""
    return ", ".join(f"{one['image_id']}:{one['volume_size']}" for one in disks)


class ListBundles(base.Lister):
    """List bundles"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--name", metavar="<name>", help="Only bundles of this name")
        base.add_paging(parser, "the id")
        return parser

    def take_action(self, parsed_args):
        query = {"name": parsed_args.name} if parsed_args.name else {}
        rows = self.extensions.rows([PATH], "bundles", parsed_args, **query)
        return base.table(COLUMNS, [row | {"disks": named(row["disks"])} for row in rows])


class ShowBundle(base.ShowOne):
    """Show a bundle with its disks"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("bundle", metavar="<bundle>", help="The id of a bundle")
        return parser

    def take_action(self, parsed_args):
        return base.fields(self.extensions.get(at(PATH, parsed_args.bundle))["bundle"])


class CreateBundle(base.ShowOne):
    """Make a bundle of images"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="Its name")
        parser.add_argument("--boot", metavar="<image>[:<GiB>]", type=disk, required=True,
                            help="The id of the image that boots, and the size of its volume")
        parser.add_argument("--disk", metavar="<image>[:<GiB>]", type=disk, action="append", default=[],
                            help="The id of a further image (repeat option for more)")
        parser.add_argument("--visibility", choices=["public", "community", "shared", "private"],
                            help="Who sees it (default: shared)")
        return parser

    def take_action(self, parsed_args):
        body = {"name": parsed_args.name, "disks": [parsed_args.boot | {"boot_index": 0}, *parsed_args.disk]}
        if parsed_args.visibility:
            body["visibility"] = parsed_args.visibility
        return base.fields(self.extensions.call("POST", at(PATH), json=body)["bundle"])


class DeleteBundles(base.ForEach):
    """Delete bundles and their disks"""

    noun, verb = "bundle", "delete"

    def add_before(self, parser):
        parser.add_argument("--keep-disks", action="store_true", help="Leave the disks as images of their own")

    def named(self):
        return "The id of a bundle"

    def take_action(self, parsed_args):
        self.params = {"disks": "keep"} if parsed_args.keep_disks else {}
        super().take_action(parsed_args)

    def do(self, thing):
        self.extensions.call("DELETE", at(PATH, thing, **self.params))
