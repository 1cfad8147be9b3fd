"""`openstack image media group`: the groups in which images are offered."""

from . import base
from .extensions import at

PATH = "media-groups"
COLUMNS = [("Name", "name"), ("Label", "label"), ("Visible", "visible"), ("Order", "order"),
           ("Description", "description")]
NAMES = ("label", "description", "icon", "order", "visible")


def add_fields(parser):
    parser.add_argument("--label", metavar="<text>", help="What people see (default: the name)")
    parser.add_argument("--description", metavar="<text>", help="What it is for")
    parser.add_argument("--icon", metavar="<icon>", help="What portals show beside it")
    parser.add_argument("--order", metavar="<number>", type=int, help="Its place; the lowest comes first")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--visible", action="store_true", dest="visible", default=None,
                       help="Its images are in the lists of everybody who may see them")
    group.add_argument("--hidden", action="store_false", dest="visible", default=None,
                       help="Only administrators find its images in lists")


def given(parsed_args):
    pairs = ((name, getattr(parsed_args, name)) for name in NAMES)
    return {name: value for name, value in pairs if value is not None}


class ListMediaGroups(base.Lister):
    """List the groups in which images are offered"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--hidden", action="store_true", help="Only those that are not visible")
        base.add_paging(parser, "the name")
        return parser

    def take_action(self, parsed_args):
        query = {"visible": "false"} if parsed_args.hidden else {}
        return base.table(COLUMNS, self.extensions.rows([PATH], "media_groups", parsed_args, **query))


class ShowMediaGroup(base.ShowOne):
    """Show a media group"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<group>", help="The name of a group")
        return parser

    def take_action(self, parsed_args):
        return base.fields(self.extensions.get(at(PATH, parsed_args.name))["media_group"])


class CreateMediaGroup(base.ShowOne):
    """Make a media group (for administrators)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<group>", help="Its name, which images have in their property media_group")
        add_fields(parser)
        return parser

    def take_action(self, parsed_args):
        body = given(parsed_args) | {"name": parsed_args.name}
        return base.fields(self.extensions.call("POST", at(PATH), json=body)["media_group"])


class SetMediaGroup(base.ShowOne):
    """Change a media group; a new name is that of all images in it at once (for administrators)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("group", metavar="<group>", help="The name of a group")
        parser.add_argument("--name", metavar="<name>", help="Its new name")
        add_fields(parser)
        base.add_dry_run(parser)
        return parser

    def take_action(self, parsed_args):
        body = given(parsed_args) | ({"name": parsed_args.name} if parsed_args.name else {})
        path = at(PATH, parsed_args.group, **base.dry(parsed_args))
        return base.fields(self.extensions.call("PATCH", path, json=body)["media_group"])


class DeleteMediaGroups(base.ForEach):
    """Delete media groups (for administrators)"""

    noun, verb = "group", "delete"

    def add_before(self, parser):
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--reassign", metavar="<group>", help="Put their images into this group")
        group.add_argument("--clear", action="store_true", help="Take their images out of any group")

    def named(self):
        return "The name of a group"

    def take_action(self, parsed_args):
        self.params = {"reassign": parsed_args.reassign} if parsed_args.reassign else {}
        if parsed_args.clear:
            self.params = {"clear": "true"}
        super().take_action(parsed_args)

    def do(self, thing):
        self.extensions.call("DELETE", at(PATH, thing, **self.params))
