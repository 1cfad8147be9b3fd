"""`openstack image placement`: into which store an image goes whose client names none."""

from osc_lib.cli import format_columns

from . import base
from .extensions import at

PATH = "placement-rules"
CONDITIONS = {
    "image_type": "Images of this type, such as snapshot",
    "disk_format": "Images in this format",
    "visibility": "Images that are seen so",
    "project": "Images of this project (name or ID)",
    "source_host": "Images that come from this host",
    "source_zone": "Images that come from this zone",
}
COLUMNS = [("ID", "id"), ("Position", "position"), ("When", "when", format_columns.DictColumn), ("Store", "store"),
           ("Description", "description")]


def add_conditions(parser, several):
    for name, what in CONDITIONS.items():
        option = name.replace("_", "-")
        more = {"action": "append", "help": f"{what} (repeat option for any of several)"} if several else {"help": what}
        parser.add_argument(f"--{option}", metavar=f"<{option}>", **more)


def add_fields(parser):
    add_conditions(parser, several=True)
    parser.add_argument("--position", metavar="<number>", type=int, help="Its place; the lowest comes first")
    parser.add_argument("--description", metavar="<text>", help="What it is for")


class _Rule(base.ShowOne):
    """A command that makes or changes a rule."""

    def given(self, parsed_args):
        when = {name: getattr(parsed_args, name) for name in CONDITIONS if getattr(parsed_args, name)}
        if "project" in when:
            when["project"] = [self.project_id(project) for project in when["project"]]
        names = ("store", "position", "description")
        body = {name: getattr(parsed_args, name) for name in names if getattr(parsed_args, name) is not None}
        return body | ({"when": when} if when else {})

    def shown(self, answer):
        return base.fields(answer["placement_rule"], when=format_columns.DictColumn)


class ListPlacementRules(base.Lister):
    """List the rules, in their order"""

    def take_action(self, parsed_args):
        return base.table(COLUMNS, self.extensions.get(at(PATH))["placement_rules"])


class ShowPlacementRule(_Rule):
    """Show a rule"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("rule", metavar="<rule>", help="The ID of a rule")
        return parser

    def take_action(self, parsed_args):
        return self.shown(self.extensions.get(at(PATH, parsed_args.rule)))


class CreatePlacementRule(_Rule):
    """Make a rule; an image has to meet all its conditions"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("store", metavar="<storage>", help="The store of images that meet it")
        add_fields(parser)
        return parser

    def take_action(self, parsed_args):
        return self.shown(self.extensions.call("POST", at(PATH), json=self.given(parsed_args)))


class SetPlacementRule(_Rule):
    """Change a rule; conditions take the place of all that it had"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("rule", metavar="<rule>", help="The ID of a rule")
        parser.add_argument("--store", metavar="<storage>", help="The store of images that meet it")
        add_fields(parser)
        return parser

    def take_action(self, parsed_args):
        return self.shown(self.extensions.call("PATCH", at(PATH, parsed_args.rule), json=self.given(parsed_args)))


class DeletePlacementRules(base.ForEach):
    """Remove rules"""

    noun, verb = "rule", "delete"

    def do(self, thing):
        self.extensions.call("DELETE", at(PATH, thing))


class TryPlacement(base.ShowOne):
    """Show which store an image would go to, and why"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--image", metavar="<image>", help="An image that is there (name or ID), in the place of "
                                                               "what follows")
        add_conditions(parser, several=False)
        return parser

    def take_action(self, parsed_args):
        image = {name: getattr(parsed_args, name) for name in CONDITIONS if getattr(parsed_args, name)}
        if "project" in image:
            image["project"] = self.project_id(image["project"])
        body = {"image_id": self.extensions.image_id(parsed_args.image)} if parsed_args.image else {"image": image}
        answer = self.extensions.call("POST", at(PATH, "try"), json=body)
        answer["rules"] = [f"{rule['rule_id']} -> {rule['store']}: {rule['outcome']}" for rule in answer["rules"]]
        return base.fields(answer, image=format_columns.DictColumn, rules=format_columns.ListColumn)
