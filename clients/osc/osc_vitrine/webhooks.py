"""`openstack image webhook`: addresses that are told of events."""

from osc_lib.cli import format_columns

from . import base
from .extensions import at

COLUMNS = [("ID", "id"), ("URL", "url"), ("Events", "events", format_columns.ListColumn), ("Delivered", "delivered"),
           ("Given Up", "given_up"), ("Failing Since", "failing_since"), ("Last Error", "last_error"),
           ("Project ID", "project_id")]


class ListWebhooks(base.Lister):
    """List the webhooks of the project, and how they are doing"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        return base.table(COLUMNS, self.extensions.rows(["webhooks"], "webhooks", parsed_args))


class ShowWebhook(base.ShowOne):
    """Show a webhook, and how it is doing"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("webhook", metavar="<webhook>", help="The ID of a webhook")
        return parser

    def take_action(self, parsed_args):
        shown = self.extensions.get(at("webhooks", parsed_args.webhook))["webhook"]
        return base.fields(shown, events=format_columns.ListColumn)


class CreateWebhook(base.ShowOne):
    """Have an address told of events; the secret by which it knows the service is shown this once"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("url", metavar="<url>", help="The address")
        parser.add_argument("--event", metavar="<type>", action="append", dest="events",
                            help="Only events of this type, such as image.activate (repeat option for each)")
        parser.add_argument("--secret", metavar="<secret>", help="The key of its signatures (default: a new one)")
        parser.add_argument("--all-projects", action="store_true", default=None,
                            help="Events of all projects (for administrators)")
        return parser

    def take_action(self, parsed_args):
        given = ((name, getattr(parsed_args, name)) for name in ("url", "events", "secret", "all_projects"))
        body = {name: value for name, value in given if value is not None}
        made = self.extensions.call("POST", at("webhooks"), json=body)["webhook"]
        return base.fields(made, events=format_columns.ListColumn)


class DeleteWebhooks(base.ForEach):
    """Have addresses told of events no more"""

    noun, verb = "webhook", "delete"

    def do(self, thing):
        self.extensions.call("DELETE", at("webhooks", thing))
