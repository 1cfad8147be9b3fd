"""`openstack image storage`: the stores, what lies in them, and whether that is what there should be."""

from osc_lib.cli import format_columns, parseractions

from . import base, jobs
from .extensions import at

STATES = ("ok", "staging", "stale-staging", "orphan", "young", "missing", "size-mismatch", "hash-mismatch",
          "size-unknown", "stale-source", "pending-delete", "quarantined", "foreign",
          "duplicate")
COLUMNS = [("ID", "id"), ("Type", "type"), ("State", "state"), ("Default", "default"), ("Read Only", "read_only"),
           ("Images", "images"), ("Bytes", "bytes"), ("Free Bytes", "free_bytes"), ("Orphans", "orphans")]
MORE_COLUMNS = [("Place", "place"), ("Description", "description"), ("Weight", "weight"), ("Mark", "mark"),
                ("Managed", "managed"), ("Hosts", "hosts", format_columns.ListColumn),
                ("Zones", "zones", format_columns.ListColumn), ("Capacity Bytes", "capacity_bytes"),
                ("Quarantined", "quarantined"), ("Errors", "errors"),
                ("Last Error", "last_error"), ("Last Reconcile", "last_reconcile", format_columns.DictColumn)]


def add_storage(parser):
    parser.add_argument("storage", metavar="<storage>", help="The ID of a store")


class ListStorages(base.Lister):
    """List the stores, with their health, room and contents"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="List additional fields")
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        stores = self.extensions.rows(["stores"], "stores", parsed_args)
        return base.table(COLUMNS + MORE_COLUMNS if parsed_args.long else COLUMNS, stores)


class ShowStorage(base.ShowOne):
    """Show a store"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_storage(parser)
        return parser

    def take_action(self, parsed_args):
        store = self.extensions.get(at("stores", parsed_args.storage))["store"]
        lists = {name: format_columns.ListColumn for name in ("hosts", "zones", "roles")}
        return base.fields(store, last_reconcile=format_columns.DictColumn, **lists)


class BrowseStorage(base.Lister):
    """List what lies in a store, whether or not an image has it"""

    COLUMNS = [("Key", "key"), ("State", "state"), ("Bytes", "bytes"), ("Modified", "mtime"), ("Image ID", "image_id"),
               ("Image Name", "image_name"), ("Image Status", "image_status")]
    MORE_COLUMNS = [("Owner", "owner"), ("Format", "format"), ("Virtual Size", "virtual_size"),
                    ("Age Seconds", "age_seconds"), ("Unfinished", "unfinished"), ("Reason", "reason")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_storage(parser)
        parser.add_argument("--state", choices=STATES, help="Only objects in this state")
        parser.add_argument("--key-prefix", metavar="<prefix>", help="Only keys that begin so")
        parser.add_argument("--long", action="store_true", help="List additional fields")
        base.add_paging(parser, "n:<key>, or u:<key> where it is unfinished,")
        return parser

    def take_action(self, parsed_args):
        objects = self.extensions.rows(["stores", parsed_args.storage, "objects"], "objects", parsed_args,
                                       state=parsed_args.state, prefix=parsed_args.key_prefix)
        return base.table(self.COLUMNS + self.MORE_COLUMNS if parsed_args.long else self.COLUMNS, objects)


class _Reconciliation(base.ShowOne):
    """A job that compares a store with what is known of its images."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_storage(parser)
        parser.add_argument("--key-prefix", metavar="<prefix>", help="Only keys that begin so")
        parser.add_argument("--image", metavar="<image>", help="Only what this image has (name or ID)")
        parser.add_argument("--older-than", metavar="<age>", help="Only what has not changed for so long, such as 24h")
        parser.add_argument("--wait", action="store_true", help="Wait until the job is over")
        return parser

    def ask(self, parsed_args, **body):
        scope = {"prefix": parsed_args.key_prefix, "older_than": parsed_args.older_than,
                 "image_id": parsed_args.image and self.extensions.image_id(parsed_args.image)}
        body["scope"] = {name: value for name, value in scope.items() if value}
        job = self.extensions.call("POST", at("stores", parsed_args.storage, "reconcile"), json=body)["job"]
        if parsed_args.wait:
            job = jobs.wait_for(self.extensions, job["id"])
        return jobs.shown(job)


class VerifyStorage(_Reconciliation):
    """Look whether a store has the data of its images; changes nothing (see image storage finding list)"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--hash", action="store_true", help="Read all data and compare its hashes, not sizes alone")
        return parser

    def take_action(self, parsed_args):
        return self.ask(parsed_args, verify="hash" if parsed_args.hash else "size", dry_run=True)


class ReconcileStorage(_Reconciliation):
    """Look for what a store has too much or too little of; say what would be done, or do it with --apply"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--check", choices=("exists", "size", "hash"), default="size",
                            help="How closely data is looked at (default: size)")
        parser.add_argument("--action", metavar="<state=action>", action=parseractions.KeyValueAction, default={},
                            dest="actions", help="What is done about a state, such as orphan=quarantine, "
                                                 "stale-staging=quarantine, missing=repair, hash-mismatch=mark or "
                                                 "size-unknown=fix (repeat option for each; default: it is reported)")
        parser.add_argument("--deactivate", action="store_true",
                            help="Take marked images out of use that have no other data")
        parser.add_argument("--apply", action="store_true", help="Do it, in the place of saying what would be done")
        return parser

    def take_action(self, parsed_args):
        more = {"deactivate": True} if parsed_args.deactivate else {}
        return self.ask(parsed_args, verify=parsed_args.check, actions=parsed_args.actions,
                        dry_run=not parsed_args.apply, **more)


class ListFindings(base.Lister):
    """List what a verification or reconciliation has found"""

    COLUMNS = [("State", "state"), ("Key", "key"), ("Bytes", "bytes"), ("Modified", "mtime"), ("Image ID", "image_id"),
               ("Reason", "reason"), ("Outcome", "outcome")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        jobs.add_job(parser)
        parser.add_argument("--state", choices=STATES, help="Only what is in this state")
        base.add_paging(parser, "what the page before named")
        return parser

    def take_action(self, parsed_args):
        findings = self.extensions.rows(["jobs", parsed_args.job, "findings"], "findings", parsed_args,
                                        state=parsed_args.state)
        return base.table(self.COLUMNS, findings)


class AdoptObject(base.ShowOne):
    """Make an image of what lies in a store, without copying it"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_storage(parser)
        parser.add_argument("key", metavar="<key>", help="The key of the object (see image storage browse)")
        parser.add_argument("--name", metavar="<name>", help="The name of the image")
        parser.add_argument("--id", metavar="<id>", help="The ID of the image")
        parser.add_argument("--disk-format", metavar="<disk-format>", default="raw", help="Its format (default: raw)")
        parser.add_argument("--container-format", metavar="<container-format>", default="bare",
                            help="Its container format (default: bare)")
        base.add_visibility(parser, "The image is {}")
        parser.add_argument("--property", metavar="<key=value>", action=parseractions.KeyValueAction, default={},
                            help="A property of the image (repeat option for each)")
        parser.add_argument("--tag", metavar="<tag>", action="append", dest="tags",
                            help="A tag of the image (repeat option for each)")
        parser.add_argument("--wait", action="store_true", help="Wait until the job is over")
        return parser

    def take_action(self, parsed_args):
        names = ("name", "id", "disk_format", "container_format", "visibility", "tags")
        given = ((name, getattr(parsed_args, name)) for name in names)
        image = dict(parsed_args.property) | {name: value for name, value in given if value is not None}
        path = at("stores", parsed_args.storage, "objects", "adopt")
        begun = self.extensions.call("POST", path, json={"key": parsed_args.key, "image": image})
        adopted = begun["image"]
        if parsed_args.wait:
            jobs.wait_for(self.extensions, begun["job"]["id"])
            adopted = self.extensions.images.get_image(adopted["id"]).to_dict()
        shown = {name: adopted[name] for name in ("id", "name", "status", "disk_format", "size")}
        return base.fields(shown | {"job_id": begun["job"]["id"]})


class ListQuarantine(base.Lister):
    """List what was taken out of the way in a store"""

    COLUMNS = [("ID", "id"), ("Key", "key"), ("Bytes", "bytes"), ("State", "state"), ("Reason", "reason"),
               ("Created At", "created_at"), ("User ID", "user_id"), ("Job ID", "job_id")]

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_storage(parser)
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        words = ["stores", parsed_args.storage, "quarantine"]
        return base.table(self.COLUMNS, self.extensions.rows(words, "quarantine", parsed_args))


class _Quarantined(base.ForEach):
    noun = "object"
    storage = None

    def add_before(self, parser):
        add_storage(parser)

    def take_action(self, parsed_args):
        self.storage = parsed_args.storage
        super().take_action(parsed_args)

    def do(self, thing):
        self.extensions.call("POST", at("stores", self.storage, "quarantine", thing, self.verb))


class RestoreQuarantined(_Quarantined):
    """Bring objects back from the quarantine of a store"""

    verb = "restore"


class PurgeQuarantined(_Quarantined):
    """Delete objects in the quarantine of a store for good"""

    verb = "purge"
