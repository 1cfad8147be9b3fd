"""`openstack image slug show`: the image of a project that has a short name."""

from osc_lib.cli import format_columns

from . import base
from .extensions import at


class ShowSlug(base.ShowOne):
    """Show the image that has a short name (property image_slug)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("slug", metavar="<slug>", help="The short name")
        base.add_owner(parser)
        return parser

    def take_action(self, parsed_args):
        owner = parsed_args.project and self.project_id(parsed_args.project)
        image = self.extensions.get(at("images", "by-slug", parsed_args.slug, owner=owner))
        return base.fields(dict(sorted(image.items())), tags=format_columns.ListColumn)
