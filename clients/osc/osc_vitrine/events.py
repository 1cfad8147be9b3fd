"""`openstack image event`: what happened to an image."""

from . import base
from .columns import Changes


class ListEvents(base.Lister):
    """List what happened to an image, oldest first"""

    COLUMNS = [("ID", "id"), ("Type", "type"), ("Changes", "changes", Changes), ("User ID", "user_id"),
               ("Request ID", "request_id"), ("Created At", "created_at")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser)
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        words = ["images", self.extensions.image_id(parsed_args.image), "events"]
        return base.table(self.COLUMNS, self.extensions.rows(words, "events", parsed_args))
