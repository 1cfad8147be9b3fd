"""What the commands have in common."""

import functools
import re

from openstack import exceptions as sdk
from osc_lib import exceptions
from osc_lib.cli import parseractions
from osc_lib.command import command

from .extensions import Extensions

# What Keystone makes ids of.
IDENTITY = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Extended:
    """A command that calls the extensions."""

    @functools.cached_property
    def extensions(self):
        return Extensions(self.app.client_manager.image)

    def project_id(self, project):
        """The id of a project by its name or id; as it is where the caller may not look for projects."""
        own = self.app.client_manager.auth_ref
        if IDENTITY.fullmatch(project):
            return project
        if own and own.project_name == project:
            return own.project_id
        try:
            found = self.app.client_manager.sdk_connection.identity.find_project(project)
        except sdk.ForbiddenException:
            return project
        if found is None:
            raise exceptions.CommandError(f"No project with a name or ID of '{project}' exists.")
        return found.id


class Command(Extended, command.Command):
    """A command that prints nothing of its own."""


class Lister(Extended, command.Lister):
    """A command that prints rows."""


class ShowOne(Extended, command.ShowOne):
    """A command that prints the fields of one thing."""


class ForEach(Command):
    """A command that does the same to each thing named; what fails does not keep it from the others."""

    # What it is done to, and what it is that is done.
    noun = verb = None

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        self.add_before(parser)
        parser.add_argument("things", metavar=f"<{self.noun}>", nargs="+", help=self.named())
        return parser

    def add_before(self, parser):
        """Adds the arguments that stand before the things."""

    def named(self):
        return f"The ID of a {self.noun}"

    def do(self, thing):
        raise NotImplementedError

    def take_action(self, parsed_args):
        failed = 0
        for thing in parsed_args.things:
            try:
                self.do(thing)
            except Exception as error:  # noqa: BLE001 what osc, its SDK and keystoneauth raise has no common ancestor
                failed += 1
                self.log.error("Failed to %s %s '%s': %s", self.verb, self.noun, thing, error)
        if failed:
            total = len(parsed_args.things)
            raise exceptions.CommandError(f"{failed} of {total} {self.noun}s failed to {self.verb}.")


class OfProject:
    """A command on what some project has, or else the caller's."""

    def owner(self, parsed_args):
        if parsed_args.project:
            return self.project_id(parsed_args.project)
        own = self.app.client_manager.auth_ref
        if not own:
            raise exceptions.CommandError("Without a login, --project has to say whose it is.")
        return own.project_id


def add_owner(parser):
    parser.add_argument("--project", metavar="<project>", help="Whose it is (name or ID; default: the user's project)")


def add_image(parser, **more):
    parser.add_argument("image", metavar="<image>", help="Image (name or ID)", **more)


def add_visibility(parser, told, names=("public", "private", "community", "shared")):
    """`--public` and its like, of which one may be given; `told` says what it means, with the name in it."""
    group = parser.add_mutually_exclusive_group()
    for name in names:
        group.add_argument(f"--{name}", action="store_const", const=name, dest="visibility", help=told.format(name))


def add_dry_run(parser, told="Change nothing, and say what would happen"):
    parser.add_argument("--dry-run", action="store_true", help=told)


def dry(parsed_args):
    """The parameter that `--dry-run` is to the service."""
    return {"dry_run": "true"} if parsed_args.dry_run else {}


def add_paging(parser, marker):
    """`--limit` and `--marker`; `marker` says what of the last row is to be named."""
    parser.add_argument("--limit", metavar="<limit>", type=int, action=parseractions.NonNegativeAction,
                        help="List no more than this many (default: all)")
    parser.add_argument("--marker", metavar="<marker>",
                        help=f"Begin after this one: {marker} of the last row that was listed before")


def table(columns, rows):
    """The titles of columns, and the cells of rows below them.

    `columns` has pairs of a title and the name of a field, or triples with the class of the column.
    """
    titles = tuple(column[0] for column in columns)
    return titles, [tuple(cell(row.get(name), *kind) for _, name, *kind in columns) for row in rows]


def fields(thing, **kinds):
    """The names of the fields of one thing, and their values; `kinds` has the classes of columns."""
    return tuple(thing), tuple(cell(value, *filter(None, [kinds.get(name)])) for name, value in thing.items())


def cell(value, kind=None):
    return value if kind is None or value is None else kind(value)
