"""`openstack image retention`: which images of a project stay, and what becomes of the others."""

from osc_lib.cli import format_columns

from . import base
from .extensions import at


class _Rule(base.OfProject):
    """A command on a rule of a project."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--family", metavar="<family>",
                            help="The rule of this family (default: that of all others)")
        base.add_owner(parser)
        return parser

    def path(self, parsed_args, *words, **more):
        return at("retention", self.owner(parsed_args), *words, family=parsed_args.family, **more)


def flat(kept):
    """A rule beside the family that it is of."""
    named = {"project_id": kept["project_id"], "family": kept["family"]}
    return named | kept["rule"] | {"next_run_at": kept["next_run_at"]}


class ListRules(base.OfProject, base.Lister):
    """List the rules by which images of a project stay"""

    COLUMNS = [("Family", "family"), ("Keep Last", "keep_last"), ("Keep Days", "keep_days"),
               ("Keep If", "keep_if", format_columns.DictColumn), ("Action", "action"), ("Before EOL", "before_eol"),
               ("Next Run At", "next_run_at")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_owner(parser)
        base.add_paging(parser, "the family, or - where there is none,")
        return parser

    def take_action(self, parsed_args):
        rules = self.extensions.rows(["retention", self.owner(parsed_args)], "rules", parsed_args)
        return base.table(self.COLUMNS, map(flat, rules))


class SetRule(_Rule, base.ShowOne):
    """Say which images of a project or family stay, in the place of what was said before"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--keep-last", metavar="<count>", type=int, required=True,
                            help="So many of the newest images of each family stay")
        parser.add_argument("--keep-days", metavar="<days>", type=int, default=0,
                            help="Images that are not older than so many days stay (default: 0)")
        parser.add_argument("--keep-tag", metavar="<tag>", help="Images with this tag stay")
        parser.add_argument("--action", choices=("retire", "delete"), default="retire",
                            help="What becomes of the others (default: retire)")
        parser.add_argument("--before-eol", choices=("never", "allow"), default="never",
                            help="Whether that happens before the end of their life (default: never)")
        return parser

    def take_action(self, parsed_args):
        rule = {name: getattr(parsed_args, name) for name in ("keep_last", "keep_days", "action", "before_eol")}
        if parsed_args.keep_tag:
            rule["keep_if"] = {"tag": parsed_args.keep_tag}
        kept = self.extensions.call("PUT", self.path(parsed_args), json=rule)["rule"]
        return base.fields(flat(kept), keep_if=format_columns.DictColumn)


class UnsetRule(_Rule, base.Command):
    """Let all images of a project or family stay"""

    def take_action(self, parsed_args):
        self.extensions.call("DELETE", self.path(parsed_args))


class RunRule(_Rule, base.Lister):
    """Apply a rule now, and list what became of each image and why it stays"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_dry_run(parser)
        return parser

    def take_action(self, parsed_args):
        path = self.path(parsed_args, "run", **base.dry(parsed_args))
        report = self.extensions.call("POST", path)["report"]
        return base.table([("ID", "id"), ("Action", "action"), ("Reason", "reason")], report["images"])
