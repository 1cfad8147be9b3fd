"""`openstack image fitting list` and `openstack image lint`: images that fit, are for rescue or need attention."""

from . import base
from .extensions import at
from .table import VISIBILITIES


class ListFitting(base.Lister):
    """List images that fit a flavor, are for rescue, or need attention"""

    COLUMNS = [("ID", "id"), ("Name", "name"), ("Status", "status"), ("Min RAM", "min_ram"), ("Min Disk", "min_disk"),
               ("Virtual Size", "virtual_size"), ("Architecture", "architecture"), ("Firmware", "hw_firmware_type")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--ram", metavar="<mib>", type=int, help="MiB of memory of the flavor")
        parser.add_argument("--disk", metavar="<gib>", type=int,
                            help="GiB of its root disk; to be left out where that is 0 and takes the size of the image")
        parser.add_argument("--arch", metavar="<processor>", help="Its processor, such as x86_64")
        parser.add_argument("--firmware", metavar="<firmware>", help="Its firmware, bios or uefi")
        parser.add_argument("--rescue", action="store_true", help="Only images for rescue")
        parser.add_argument("--needs-attention", action="store_true",
                            help="Only images that a reconciliation has marked, since their data is lost or damaged")
        base.add_visibility(parser, "List {} images", VISIBILITIES)
        parser.add_argument("--name", metavar="<name>", help="Only images of this name")
        parser.add_argument("--status", metavar="<status>", help="Only images in this status")
        parser.add_argument("--sort", metavar="<key>[:<direction>]", default="name:asc",
                            help="The order, by keys with asc or desc and commas between them (default: name:asc)")
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        named = ((key, getattr(parsed_args, key)) for key in ("ram", "disk", "arch", "firmware"))
        flavor = ",".join(f"{key}:{value}" for key, value in named if value is not None)
        rows = self.extensions.rows(["images"], "images", parsed_args, fits=flavor or None,
                                    rescue="true" if parsed_args.rescue else None,
                                    needs_attention="true" if parsed_args.needs_attention else None,
                                    visibility=parsed_args.visibility, name=parsed_args.name,
                                    status=parsed_args.status, sort=parsed_args.sort)
        return base.table(self.COLUMNS, rows)


class LintImage(base.Lister):
    """Say what is odd about an image, as far as its record tells"""

    COLUMNS = [("Property", "property"), ("Value", "value"), ("Reason", "reason"), ("Message", "message")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_image(parser)
        return parser

    def take_action(self, parsed_args):
        path = at("images", self.extensions.image_id(parsed_args.image), "lint")
        return base.table(self.COLUMNS, self.extensions.get(path)["lint"])
