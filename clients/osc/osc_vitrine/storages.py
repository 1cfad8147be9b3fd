"""`openstack image storage create`, `set` and `delete`: stores that come and go while the service runs."""

import argparse
import json

from osc_lib.cli import format_columns

from . import base
from .extensions import at
from .storage import add_storage

FORGOTTEN = object()
LISTS = {name: format_columns.ListColumn for name in ("hosts", "zones", "roles")}


def option(text):
    """A pair of an option and its value, which is JSON where that is what it looks like."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected <name=value>, not '{text}'")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def add_fields(parser):
    parser.add_argument("--option", metavar="<name=value>", type=option, action="append", default=[], dest="options",
                        help="An option as in the configuration, by its name or the end of it, such as "
                             "datadir=/mnt/nfs1 (repeat option for each)")
    parser.add_argument("--description", metavar="<text>", help="What clients are told about it")
    parser.add_argument("--weight", metavar="<number>", type=int, help="Preference for reading; larger first")
    for name, what in (("host", "A host whose images it is for"), ("zone", "A zone whose images it is for")):
        parser.add_argument(f"--{name}", metavar=f"<{name}>", action="append", dest=f"{name}s",
                            help=f"{what} (repeat option for each)")
    parser.add_argument("--role", choices=("custom", "iso", "stock", "export"), action="append", dest="roles",
                        help="What it is meant for (repeat option for each)")
    parser.add_argument("--in-use-delete", choices=("allow", "retire", "refuse"),
                        help="What deleting an image does that has data there and is in use")
    base.add_dry_run(parser, "Only try it and say what it would be")


def given(parsed_args):
    names = ("description", "weight", "hosts", "zones", "roles", "read_only", "in_use_delete")
    pairs = ((name, getattr(parsed_args, name)) for name in names)
    # Nothing at all is said of what is not given, and null of what is to be forgotten.
    body = {name: None if value == FORGOTTEN else value for name, value in pairs if value is not None}
    return body | ({"options": dict(parsed_args.options)} if parsed_args.options else {})


def asked(parsed_args, *words):
    return at("stores", *words, **base.dry(parsed_args))


class CreateStorage(base.ShowOne):
    """Add a store, which every node uses from then on"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("storage", metavar="<storage>", help="Its ID")
        parser.add_argument("--type", required=True, choices=("file", "http", "rbd", "s3", "swift"),
                            help="What it is")
        parser.add_argument("--read-only", action="store_true", default=None, help="It takes no new images")
        add_fields(parser)
        return parser

    def take_action(self, parsed_args):
        body = given(parsed_args) | {"id": parsed_args.storage, "type": parsed_args.type}
        store = self.extensions.call("POST", asked(parsed_args), json=body)["store"]
        return base.fields(store, last_reconcile=format_columns.DictColumn, **LISTS)


class SetStorage(base.ShowOne):
    """Change a store that was added with image storage create"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_storage(parser)
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--disable", action="store_true", dest="read_only", default=None,
                           help="It takes no new images, and serves those that it has")
        group.add_argument("--enable", action="store_false", dest="read_only", default=None,
                           help="It takes new images again")
        add_fields(parser)
        for name in ("hosts", "zones", "roles"):
            parser.add_argument(f"--no-{name}", action="store_const", const=[], dest=name,
                                help=f"Forget its {name}")
        parser.add_argument("--no-in-use-delete", action="store_const", const=FORGOTTEN, dest="in_use_delete",
                            help="Deleting an image in use does there what it does in all stores")
        return parser

    def take_action(self, parsed_args):
        path = asked(parsed_args, parsed_args.storage)
        store = self.extensions.call("PATCH", path, json=given(parsed_args))["store"]
        return base.fields(store, last_reconcile=format_columns.DictColumn, **LISTS)


class DeleteStorages(base.ForEach):
    """Remove stores that were added with image storage create, and that nothing is in"""

    noun, verb = "storage", "delete"
    dry_run = False

    def add_before(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="Only say whether they can be removed")

    def take_action(self, parsed_args):
        self.dry_run = parsed_args.dry_run
        super().take_action(parsed_args)

    def do(self, thing):
        self.extensions.call("DELETE", at("stores", thing, **({"dry_run": "true"} if self.dry_run else {})))
