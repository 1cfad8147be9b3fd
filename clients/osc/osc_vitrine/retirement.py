"""`openstack image retire|unretire`, and what a deletion would do."""

from osc_lib.cli import format_columns

from . import base
from .columns import Counts
from .extensions import at


class _Images(base.ForEach):
    noun = "image"

    def named(self):
        return "Image (name or ID)"

    def do(self, thing):
        self.extensions.call("POST", at("images", self.extensions.image_id(thing), self.verb))


class RetireImages(_Images):
    """Take images from those who have nothing of them yet: hidden, and their data for those who use them"""

    verb = "retire"


class UnretireImages(_Images):
    """Put retired images back into use"""

    verb = "unretire"


class PreviewDeletion(base.Lister):
    """Say what the deletion of images would do"""

    COLUMNS = [("ID", "id"), ("Action", "action"), ("Reason", "reason"), ("Consumers", "consumers", Counts),
               ("Members", "members"), ("Stores", "stores", format_columns.ListColumn),
               ("Current In", "current_in", format_columns.ListColumn)]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser, nargs="+")
        return parser

    def take_action(self, parsed_args):
        ids = [self.extensions.image_id(image) for image in parsed_args.image]
        return base.table(self.COLUMNS, map(self.preview, ids))

    def preview(self, image):
        found = self.extensions.get(at("images", image, "delete-preview"))
        led = [family["name"] for family in found["families"] if family["current"]]
        return found | {"id": image, "current_in": led}
