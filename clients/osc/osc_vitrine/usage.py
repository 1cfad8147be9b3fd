"""`openstack image usage`: what projects have stored, for how long, and what it costs."""

import re
import time

from osc_lib import exceptions
from osc_lib.cli import format_columns, parseractions

from . import base, download
from .columns import Quantity
from .extensions import at

GROUPS = ("image", "project", "store", "sku", "media_group", "tag")
FILTERS = ("store", "sku", "tag")


def month_of(text):
    """The first instants of a month and of the one after it, as `from` and `to`."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise exceptions.CommandError(f"A month is written as 2026-11, not {text!r}.")
    year, month = map(int, text.split("-"))
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return tuple("{:04}-{:02}-01T00:00Z".format(*begin) for begin in ((year, month), after))


def add_period(parser):
    parser.add_argument("--month", metavar="<yyyy-mm>", help="A month in UTC (default: this one)")
    parser.add_argument("--from", metavar="<time>", dest="begin",
                        help="Where the period begins, such as 2026-11-01T00:00Z")
    parser.add_argument("--to", metavar="<time>", dest="end",
                        help="Where it ends; what is still to come is not counted")
    parser.add_argument("--group", choices=GROUPS, help="What has a line of its own (default: each image)")
    parser.add_argument("--project", metavar="<project>", help="Only this project (name or ID)")
    parser.add_argument("--media-group", metavar="<name>", help="Only images of this media group")
    parser.add_argument("--image", metavar="<image>", help="Only this image (name or ID)")
    for name in FILTERS:
        parser.add_argument(f"--{name}", metavar=f"<{name}>", help=f"Only what has this {name}")


def parameters(command, parsed_args):
    """The parameters of a report."""
    begin, end = parsed_args.begin, parsed_args.end
    if parsed_args.month and (begin or end):
        raise exceptions.CommandError("--month and --from with --to exclude each other.")
    if not begin and not end:
        begin, end = month_of(parsed_args.month or time.strftime("%Y-%m", time.gmtime()))
    given = {name: getattr(parsed_args, name) for name in (*FILTERS, "group", "media_group")}
    project = parsed_args.project and command.project_id(parsed_args.project)
    image = parsed_args.image and command.extensions.image_id(parsed_args.image)
    return {"from": begin, "to": end, "project": project, "image": image} | given


class ReportUsage(base.Lister):
    """Report what was stored in a period, and what it costs where there are rates"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_period(parser)
        parser.add_argument("--totals", action="store_true", help="List the sums in the place of the lines")
        parser.add_argument("--long", action="store_true", help="List additional fields")
        return parser

    def take_action(self, parsed_args):
        report = self.extensions.get(at("usage", "report", **parameters(self, parsed_args)))
        # A cloud counts in GB or in GiB.
        quantities = [(report["unit"], "gb", Quantity), (f"{report['unit']}-Months", "gb_month", Quantity)]
        if parsed_args.totals:
            columns = [("Section", "section"), ("Hours", "hours"), quantities[1], ("Byte Seconds", "byte_seconds"),
                       ("Amount", "amount"), ("Currency", "currency")]
            rows = [{"section": name, "currency": report["currency"]} | section["total"]
                    for name, section in report["sections"].items()]
            return base.table(columns, rows)
        columns = [("Section", "section"), ("Project ID", "project_id"), ("Image ID", "image_id"),
                   ("Image Name", "image_name"), ("SKU", "sku"), ("Hours", "hours"), *quantities, ("Rate", "rate"),
                   ("Amount", "amount")]
        if parsed_args.long:
            columns += [("Store", "store"), ("Media Group", "media_group"),
                        ("Tags", "tags", format_columns.ListColumn), ("Bytes", "bytes"),
                        ("Byte Seconds", "byte_seconds"), ("First Hour", "first_hour"), ("Last Hour", "last_hour"),
                        ("From", "from"), ("To", "to")]
        rows = [{"section": name} | line for name, section in report["sections"].items() for line in section["lines"]]
        return base.table(columns, rows)


class ExportUsage(base.Command):
    """Write a report as CSV, as the service writes it, to the standard output or a file"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_period(parser)
        download.add_file(parser)
        return parser

    def take_action(self, parsed_args):
        path = at("usage", "report", format="csv", **parameters(self, parsed_args))
        download.deliver(self.extensions, path, parsed_args.file)


class ListPresentUsage(base.Lister):
    """List what is charged for now, by project"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--project", metavar="<project>", help="Only this project (name or ID)")
        base.add_paging(parser, "what the page before named")
        return parser

    def take_action(self, parsed_args):
        project = parsed_args.project and self.project_id(parsed_args.project)
        rows = self.extensions.rows(["usage", "now"], "projects", parsed_args, project=project)
        return base.table([("Project ID", "project_id"), ("Images", "images"), ("Bytes", "bytes")], rows)


class ListHours(base.Lister):
    """List the hours of each image, five minutes after they are over and for good (for billing systems)"""

    COLUMNS = [("Hour", "hour"), ("Project ID", "project_id"), ("Image ID", "image_id"), ("Image Name", "image_name"),
               ("Store", "store"), ("SKU", "sku"), ("Bytes", "bytes"), ("Hours", "hours"),
               ("Byte Seconds", "byte_seconds")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--from", metavar="<time>", dest="begin", required=True,
                            help="The first hour, such as 2026-11-01T00:00Z")
        parser.add_argument("--to", metavar="<time>", dest="end", help="Where they end (default: with the last one)")
        parser.add_argument("--project", metavar="<project>", help="Only this project (name or ID)")
        parser.add_argument("--limit", metavar="<limit>", type=int, action=parseractions.NonNegativeAction,
                            help="List no more than this many (default: all)")
        parser.set_defaults(marker=None)
        return parser

    def take_action(self, parsed_args):
        project = parsed_args.project and self.project_id(parsed_args.project)
        period = {"from": parsed_args.begin, "to": parsed_args.end}
        rows = self.extensions.rows(["usage", "image-hours"], "image_hours", parsed_args, project=project, **period)
        return base.table(self.COLUMNS, rows)


class ListUsageEvents(base.Lister):
    """List when images began and ceased to be charged for, by numbers without gaps (for billing systems)"""

    COLUMNS = [("Number", "seq"), ("Type", "type"), ("Section", "section"), ("Project ID", "project_id"),
               ("Image ID", "image_id"), ("Image Name", "image_name"), ("Bytes", "bytes"), ("From", "from"),
               ("To", "to")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        base.add_paging(parser, "the number")
        return parser

    def take_action(self, parsed_args):
        rows = self.extensions.rows(["usage", "events"], "events", parsed_args)
        return base.table(self.COLUMNS, (row["interval"] | {"seq": row["seq"], "type": row["type"]} for row in rows))


RATES = {"projects": format_columns.DictColumn, "skus": format_columns.DictColumn,
         "licenses": format_columns.DictColumn}


class ListRates(base.Lister):
    """List what a gigabyte-month costs, by the time from which it does"""

    COLUMNS = [("Valid From", "valid_from"), ("Currency", "currency"), ("Default", "default"),
               *((name.capitalize().replace("Skus", "SKUs"), name, kind) for name, kind in RATES.items()),
               ("User ID", "user_id"), ("Created At", "created_at")]

    def take_action(self, parsed_args):
        return base.table(self.COLUMNS, self.extensions.get(at("usage", "rates"))["rates"])


class SetRates(base.ShowOne):
    """Set all rates from a time on, in the place of those before"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("currency", metavar="<currency>", help="In what rates and amounts are, such as EUR")
        parser.add_argument("--default", metavar="<rate>", help="For a gigabyte-month where nothing else says more")
        for name, what in (("project", "a gigabyte-month of a project (ID)"),
                           ("sku", "a gigabyte-month of images with a license_sku"),
                           ("license", "an hour of a consumer of images with a license_sku")):
            parser.add_argument(f"--{name}", metavar=f"<{name}=rate>", action=parseractions.KeyValueAction,
                                dest=f"{name}s", default={}, help=f"For {what} (repeat option for each)")
        parser.add_argument("--valid-from", metavar="<time>", help="From when on (default: from now on)")
        return parser

    def take_action(self, parsed_args):
        body = {name: getattr(parsed_args, name) for name in ("currency", "default", *RATES, "valid_from")}
        return base.fields(self.extensions.call("PUT", at("usage", "rates"), json=body)["rates"], **RATES)
