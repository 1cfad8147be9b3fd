"""`openstack image job`: work of the service that goes on after its answer, such as imports."""

import time

from osc_lib import exceptions
from osc_lib.cli import format_columns

from . import base
from .columns import Progress
from .extensions import at
from .progress import Bar

STATES = ("queued", "running", "waiting", "done", "failed", "cancelled")
COLUMNS = [("ID", "id"), ("Type", "type"), ("Image ID", "image_id"), ("State", "state"),
           ("Progress", "progress", Progress), ("Created At", "created_at")]
MORE_COLUMNS = [("Message", "message"), ("Project ID", "project_id"), ("User ID", "user_id"),
                ("Request ID", "request_id"), ("Attempt", "attempt"), ("Cancelling", "cancelling"),
                ("Updated At", "updated_at"), ("Expires At", "expires_at"), ("Node", "node")]


def shown(job):
    return base.fields(job, progress=Progress, error=format_columns.DictColumn, result=format_columns.DictColumn)


def wait_for(extensions, job_id, timeout_s=None, interval_s=1.0):
    """The job once it is done; one that fails or takes too long fails the command."""
    began = time.monotonic()
    with Bar() as bar:
        while True:
            job = extensions.patient_get(at("jobs", job_id))["job"]
            if job["state"] in ("done", "failed", "cancelled"):
                break
            if timeout_s is not None and time.monotonic() - began >= timeout_s:
                raise exceptions.CommandError(f"Job {job['id']} is still {job['state']}: {job['message']}")
            bar.show(job)
            time.sleep(max(interval_s, 0.1))
    if job["state"] != "done":
        raise exceptions.CommandError(f"Job {job['id']} {job['state']}: {job['error']['message']}")
    return job


def add_job(parser):
    parser.add_argument("job", metavar="<job>", help="The ID of a job")


class ListJobs(base.Lister):
    """List jobs of the project, the newest first; administrators see all"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--image", metavar="<image>", help="Only jobs of this image (name or ID)")
        parser.add_argument("--state", choices=STATES, help="Only jobs in this state")
        parser.add_argument("--sort", metavar="<key>[:<direction>]",
                            help="The order: id, type, status, owner, created_at, updated_at or expires_at, and asc or "
                                 "desc (default: created_at:desc)")
        parser.add_argument("--long", action="store_true", help="List additional fields")
        base.add_paging(parser, "the ID")
        return parser

    def take_action(self, parsed_args):
        image = parsed_args.image and self.extensions.image_id(parsed_args.image)
        jobs = self.extensions.rows(["jobs"], "jobs", parsed_args, image_id=image, state=parsed_args.state,
                                    sort=parsed_args.sort)
        return base.table(COLUMNS + MORE_COLUMNS if parsed_args.long else COLUMNS, jobs)


class ShowJob(base.ShowOne):
    """Show a job: how far it is, and why it failed"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_job(parser)
        return parser

    def take_action(self, parsed_args):
        return shown(self.extensions.get(at("jobs", parsed_args.job))["job"])


class WaitForJob(base.ShowOne):
    """Wait until a job is over; fail if it fails"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_job(parser)
        parser.add_argument("--timeout", metavar="<seconds>", type=float,
                            help="Give up after this long (default: never)")
        parser.add_argument("--interval", metavar="<seconds>", type=float, default=1.0,
                            help="How long to wait between two looks (default: 1)")
        return parser

    def take_action(self, parsed_args):
        return shown(wait_for(self.extensions, parsed_args.job, parsed_args.timeout, parsed_args.interval))


class CancelJobs(base.ForEach):
    """Ask jobs to stop; their images return to where the same call can be made again"""

    noun, verb = "job", "cancel"

    def do(self, thing):
        self.extensions.call("POST", at("jobs", thing, "cancel"))


class RetryJobs(base.ForEach):
    """Ask anew for what failed jobs were to do"""

    noun, verb = "job", "retry"

    def do(self, thing):
        job = self.extensions.call("POST", at("jobs", thing, "retry"))["job"]
        self.app.stdout.write(f"{job['id']}\n")
