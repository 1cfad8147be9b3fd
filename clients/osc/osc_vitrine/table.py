"""`openstack image csv`: the list of images as a table for spreadsheets, as the service writes it."""

import urllib.parse

from osc_lib.cli import parseractions

from . import base, download

VISIBILITIES = ("public", "private", "community", "shared", "all")


class ExportTable(base.Command):
    """Write the list of images as CSV, to the standard output or a file"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        download.add_file(parser)
        parser.add_argument("--column", metavar="<column>", action="append", dest="columns",
                            help="An attribute, a property or status_text (repeat option for each; default: about "
                                 "thirty of them)")
        parser.add_argument("--bom", action="store_true",
                            help="Begin with a byte order mark, by which spreadsheets know the encoding")
        base.add_visibility(parser, "List {} images", VISIBILITIES)
        parser.add_argument("--name", metavar="<name>", help="Only images of this name")
        parser.add_argument("--status", metavar="<status>", help="Only images in this status")
        parser.add_argument("--tag", metavar="<tag>", action="append", dest="tags", default=[],
                            help="Only images with this tag (repeat option for each)")
        parser.add_argument("--property", metavar="<key=value>", action=parseractions.KeyValueAction, default={},
                            help="Only images with this property (repeat option for each)")
        parser.add_argument("--hidden", action="store_true", help="Hidden images instead of the others")
        parser.add_argument("--sort", metavar="<key>[:<direction>]", default="name:asc",
                            help="The order, by keys with asc or desc and commas between them (default: name:asc)")
        return parser

    def take_action(self, parsed_args):
        path = "/ext/v1/images.csv?" + urllib.parse.urlencode(parameters(parsed_args))
        download.deliver(self.extensions, path, parsed_args.file)


def parameters(parsed_args):
    """The parameters of the call, a list of pairs because tags may come more than once."""
    pairs = list(parsed_args.property.items()) + [("tag", tag) for tag in parsed_args.tags]
    pairs += [("visibility", parsed_args.visibility), ("name", parsed_args.name), ("status", parsed_args.status),
              ("os_hidden", "true" if parsed_args.hidden else None), ("sort", parsed_args.sort),
              ("bom", "true" if parsed_args.bom else None),
              ("columns", ",".join(parsed_args.columns) if parsed_args.columns else None)]
    return [(name, value) for name, value in pairs if value is not None]

