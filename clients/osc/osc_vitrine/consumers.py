"""`openstack image consumer`: who uses an image, as services tell."""

import json
import sys

from osc_lib import exceptions
from osc_lib.cli import format_columns, parseractions

from . import base
from .extensions import at

TYPES = ("server", "volume", "snapshot", "image", "template", "other")
COLUMNS = [("Type", "type"), ("ID", "id"), ("Project ID", "project_id"), ("Region", "region"), ("Scope", "scope"),
           ("Since", "since"), ("Last Seen", "last_seen")]


def add_consumer(parser):
    base.add_image(parser)
    parser.add_argument("type", metavar="<type>", choices=TYPES, help=f"What uses it: {', '.join(TYPES)}")
    parser.add_argument("consumer", metavar="<consumer>", help="Its ID, where it comes from")


class ListConsumers(base.Lister):
    """List who uses an image: all for services and administrators, else those of the project"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser)
        base.add_paging(parser, "<type>:<id>")
        return parser

    def take_action(self, parsed_args):
        words = ["images", self.extensions.image_id(parsed_args.image), "consumers"]
        return base.table(COLUMNS, self.extensions.rows(words, "consumers", parsed_args))


class SetConsumer(base.ShowOne):
    """Tell that something uses an image (for services)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_consumer(parser)
        parser.add_argument("--project", metavar="<project>", help="Its project (name or ID)")
        parser.add_argument("--region", metavar="<region>", help="Its region")
        parser.add_argument("--scope", metavar="<scope>",
                            help="With what it is replaced, such as host:h1 (see image consumer replace)")
        parser.add_argument("--allow-retired", action="store_true", help="Also if the image is retired")
        return parser

    def take_action(self, parsed_args):
        image = self.extensions.image_id(parsed_args.image)
        project = parsed_args.project and self.project_id(parsed_args.project)
        body = {"project_id": project, "region": parsed_args.region, "scope": parsed_args.scope,
                "allow_retired": parsed_args.allow_retired}
        path = at("images", image, "consumers", parsed_args.type, parsed_args.consumer)
        return base.fields(self.extensions.call("PUT", path, json=body)["consumer"])


class UnsetConsumer(base.Command):
    """Tell that something uses an image no more (for services)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_consumer(parser)
        return parser

    def take_action(self, parsed_args):
        image = self.extensions.image_id(parsed_args.image)
        self.extensions.call("DELETE", at("images", image, "consumers", parsed_args.type, parsed_args.consumer))


class ReplaceConsumers(base.ShowOne):
    """Name all consumers of a host or a project at once, in the place of those before (for services)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("scope", metavar="<scope>", help="A word for what is replaced, such as host:h1")
        # Without one of them everything that the scope had would go by mistake.
        given = parser.add_mutually_exclusive_group(required=True)
        given.add_argument("--consumer", metavar="image=<image-id>,type=<type>,id=<id>[,project=<id>][,region=<name>]",
                           action=parseractions.MultiKeyValueAction, dest="consumers",
                           required_keys=["image", "type", "id"], optional_keys=["project", "region"],
                           help="A consumer (repeat option for each)")
        given.add_argument("--file", metavar="<file>",
                           help="A JSON array of objects with image_id, type, id, project_id and region, - for the "
                                "standard input")
        given.add_argument("--none", action="store_true", help="The scope has no consumers any more")
        return parser

    def take_action(self, parsed_args):
        names = {"image": "image_id", "project": "project_id"}
        consumers = [{names.get(key, key): value for key, value in consumer.items()}
                     for consumer in parsed_args.consumers or []]
        if parsed_args.file:
            consumers = read(parsed_args.file)
        path = at("consumers", scope=parsed_args.scope)
        replaced = self.extensions.call("PUT", path, json={"consumers": consumers})
        return base.fields(replaced, unknown_images=format_columns.ListColumn)


def read(name):
    """The JSON in a file."""
    try:
        if name == "-":
            return json.load(sys.stdin)
        with open(name, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise exceptions.CommandError(f"{name} cannot be read as JSON: {error}") from None
