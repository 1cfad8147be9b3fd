"""`openstack image limit`: what a project may have."""

from . import base
from .extensions import at

_COUNTS = {
    "--images": ("image_count_total", "Images at most"),
    "--private-images": ("private_images", "Images that nobody else sees, at most"),
    "--create-rate": ("create_rate", "Images that it may create in a minute"),
    "--max-properties": ("max_properties", "Properties of an image at most"),
    "--max-tags": ("max_tags", "Tags of an image at most"),
    "--max-members": ("max_members", "Members of an image at most"),
    "--max-locations": ("max_locations", "Locations of an image at most"),
}
_SIZES = {
    "--image-size-cap": ("image_size_cap", "Bytes of the data of an image at most"),
    "--max-virtual-size": ("max_virtual_size", "Bytes of the disk that an image may claim to be at most"),
}


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
        for metavar, options in (("<count>", _COUNTS), ("<bytes>", _SIZES)):
            for option, (name, text) in options.items():
                parser.add_argument(option, metavar=metavar, type=int, dest=name, help=text)
        return parser

    def take_action(self, parsed_args):
        names = ["enabled", "sentence", *(name for name, _ in (_COUNTS | _SIZES).values())]
        given = ((name, getattr(parsed_args, name)) for name in names)
        self.extensions.call("PUT", self.path(parsed_args),
                             json={name: value for name, value in given if value is not None})


class UnsetLimits(_OfLimits, base.Command):
    """Let a project have what all others may (for administrators)"""

    def take_action(self, parsed_args):
        self.extensions.call("DELETE", self.path(parsed_args))
