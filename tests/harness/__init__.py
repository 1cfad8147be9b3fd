"""What the suites and benchmarks in Python share: servers, databases, clients, disks and sources.

Only the standard library is needed to import it, so that scripts can use it before any environment exists; what needs
a package of an environment (the SDK, a driver of a database) imports it where it is used.

  places        where things lie: the tree, its cache, the binary under test
  process       a program in the background: started until it answers, looked into, stopped
  daemon        the same for programs that outlive the script that started them
  databases     SQLite, and a private PostgreSQL or MariaDB
  certificates  authorities of a test's own, and what they vouch for
  rabbit        a private RabbitMQ, and listeners of oslo.messaging
  ceph          a small Ceph, for RBD, S3 and Swift
  server        `vitrine serve` and its HTTP
  client        one HTTP request at a time
  tokens        logging in by a clouds.yaml
  tools         the command line clients
  warm          `openstack`, started once for many commands
  keystone      a server that asks a real Keystone
  doctor        `vitrine doctor`, and what it has found
  gophercloud   programs in Go that use the service
  plugin        our plug-in of `openstack`
  chaos         how long the tests of deaths are, and their seed
  load          clients at work, and what must hold of what they were told
  machine       a machine with systemd, in namespaces, to install packages on
  faults        disks that fail at the n-th call, or lose what was not synced
  invariants    what holds of a server at rest, whatever has happened to it
  world         a node with all of that
  story         clients at work on something that fails
  remote        stores in a Ceph that fails when told to
  cluster       several nodes that share a database and stores
  balancers     HAProxy and nginx before them
  many          databases of Glance with many images
  streams       large bodies, sent and received by processes
  sources       web servers to import from
  collector     an OpenTelemetry collector, and the spans that came
  disks         disk images as users have them
  environments  virtual environments and other things that are made once
"""

from .client import Answer, OpenUpload
from .places import CACHE, ROOT, binary
from .process import PATIENCE_S, free_port, wait_for
from .server import DOUBTFUL, LEASE_S, Server
from .tools import Tool, digest, fields, glance_client, sha512, table

__all__ = ["CACHE", "DOUBTFUL", "LEASE_S", "PATIENCE_S", "ROOT", "Answer", "OpenUpload", "Server", "Tool", "binary",
           "digest", "fields", "free_port", "glance_client", "sha512", "table", "wait_for"]
