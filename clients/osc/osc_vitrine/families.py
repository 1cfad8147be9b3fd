"""`openstack image family`: images that are versions of one thing, and which of them is the current one."""

from . import base
from .extensions import at

MEMBERS = [("ID", "id"), ("Name", "name"), ("Status", "status"), ("Visibility", "visibility"), ("Hidden", "os_hidden"),
           ("Build Date", "image_build_date"), ("Created At", "created_at")]


def add_family(parser):
    parser.add_argument("family", metavar="<family>", help="The name of the family, such as debian-12")


class ListFamilies(base.Lister):
    """List families of images"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_paging(parser, "<project-id>:<name>")
        return parser

    def take_action(self, parsed_args):
        return base.table([("Project ID", "owner"), ("Name", "name")],
                          self.extensions.rows(["families"], "families", parsed_args))


class ShowFamily(base.OfProject, base.ShowOne):
    """Show a family, and which of its images is the current one"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_family(parser)
        base.add_owner(parser)
        return parser

    def take_action(self, parsed_args):
        path = at("families", self.owner(parsed_args), parsed_args.family, limit=1)
        return base.fields(self.extensions.get(path)["family"])


class ListMembers(base.OfProject, base.Lister):
    """List the images of a family, the newest first"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_family(parser)
        base.add_owner(parser)
        parser.add_argument("--hidden", action="store_true", help="Hidden images instead of the others")
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        words = ["families", self.owner(parsed_args), parsed_args.family]
        members = self.extensions.rows(words, "members", parsed_args, hidden="true" if parsed_args.hidden else None)
        return base.table(MEMBERS, members)


class PublishImage(base.Lister):
    """Make an image the current one of a family, under the name that the one before had; list what changed"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_family(parser)
        base.add_image(parser)
        parser.add_argument("--name", metavar="<name>", required=True, help="What the current image is called")
        base.add_visibility(parser, "The image becomes {}")
        parser.add_argument("--rename", metavar="<template>",
                            help="What the one before is called then (default: {name} ({image_build_date}))")
        parser.add_argument("--keep-listed", action="store_true", help="The one before is not hidden")
        base.add_dry_run(parser)
        return parser

    def take_action(self, parsed_args):
        body = {"image_id": self.extensions.image_id(parsed_args.image), "plain_name": parsed_args.name,
                "hide_previous": not parsed_args.keep_listed, "visibility": parsed_args.visibility,
                "rename": parsed_args.rename}
        body = {name: value for name, value in body.items() if value is not None}
        path = at("families", parsed_args.family, "publish", **base.dry(parsed_args))
        return base.table(MEMBERS, self.extensions.call("POST", path, json=body)["changed"])


class RollBackFamily(base.OfProject, base.Lister):
    """Take back the last publication in a family; list what changed"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_family(parser)
        base.add_owner(parser)
        base.add_dry_run(parser)
        return parser

    def take_action(self, parsed_args):
        path = at("families", parsed_args.family, "rollback", **base.dry(parsed_args))
        changed = self.extensions.call("POST", path, json={"owner": self.owner(parsed_args)})["changed"]
        return base.table(MEMBERS, changed)
