"""`openstack image attach|detach`: an image is given to a project, which need not accept it, and taken back."""

from . import base
from .extensions import at


def add_both(parser):
    base.add_image(parser)
    parser.add_argument("project", metavar="<project>", help="The project (name or ID)")


class AttachImage(base.ShowOne):
    """Give an image to a project, which has it at once (for administrators)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_both(parser)
        return parser

    def take_action(self, parsed_args):
        body = {"project_id": self.project_id(parsed_args.project)}
        path = at("images", self.extensions.image_id(parsed_args.image), "attach")
        return base.fields(self.extensions.call("POST", path, json=body))


class DetachImage(base.Command):
    """Take an image back from a project (for administrators)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_both(parser)
        return parser

    def take_action(self, parsed_args):
        body = {"project_id": self.project_id(parsed_args.project)}
        self.extensions.call("POST", at("images", self.extensions.image_id(parsed_args.image), "detach"), json=body)
