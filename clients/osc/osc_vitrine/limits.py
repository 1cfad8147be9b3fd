"""`openstack image limit`: what a project may have."""

from . import base
from .extensions import at


class _OfLimits(base.OfProject):
    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_owner(parser)
        return parser

    def path(self, parsed_args):
        return at("projects", self.owner(parsed_args), "limits")


class ShowLimits(_OfLimits, base.ShowOne):
    """Show what a project may have, and what it has"""

    def take_action(self, parsed_args):
        shown = self.extensions.get(self.path(parsed_args))
        return base.fields(shown["limits"] | {f"{name}_used": count for name, count in shown["usage"].items()})


class SetLimits(_OfLimits, base.Command):
    """Say what a project may have, in the place of what was said before (for administrators)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        enabled = parser.add_mutually_exclusive_group()
        enabled.add_argument("--enable", action="store_true", dest="enabled", default=None,
                             help="The project may make images")
        enabled.add_argument("--disable", action="store_false", dest="enabled", default=None,
                             help="The project may not make images")
        parser.add_argument("--sentence", metavar="<text>", help="What it is told if it may not")
        parser.add_argument("--images", metavar="<count>", type=int, dest="image_count_total", help="Images at most")
        parser.add_argument("--private-images", metavar="<count>", type=int,
                            help="Images that nobody else sees, at most")
        return parser

    def take_action(self, parsed_args):
        names = ("enabled", "sentence", "image_count_total", "private_images")
        given = ((name, getattr(parsed_args, name)) for name in names)
        self.extensions.call("PUT", self.path(parsed_args),
                             json={name: value for name, value in given if value is not None})


class UnsetLimits(_OfLimits, base.Command):
    """Let a project have what all others may (for administrators)"""

    def take_action(self, parsed_args):
        self.extensions.call("DELETE", self.path(parsed_args))
