"""`openstack image trash`: deleted images that can come back."""

from . import base
from .extensions import at


class ListTrash(base.Lister):
    """List deleted images that can come back"""

    COLUMNS = [("ID", "id"), ("Name", "name"), ("Size", "size"), ("Deleted At", "deleted_at"),
               ("Expires At", "expires_at"), ("Project ID", "project_id")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_paging(parser, "what the page before named")
        return parser

    def take_action(self, parsed_args):
        return base.table(self.COLUMNS, self.extensions.rows(["trash"], "images", parsed_args))


class _Deleted(base.ForEach):
    # By their ids alone: several deleted images may have had one name.
    noun = "image"


class RestoreImages(_Deleted):
    """Bring deleted images back (by ID)"""

    verb = "restore"

    def do(self, thing):
        self.extensions.call("POST", at("trash", thing, "restore"))


class PurgeImages(_Deleted):
    """Delete images in the trash for good (by ID)"""

    verb = "purge"

    def do(self, thing):
        self.extensions.call("DELETE", at("trash", thing))
