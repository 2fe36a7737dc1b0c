"""PostgreSQL under the service: our own cluster from the wheel's binaries, or a server that somebody else runs.

Both `Cluster` and `external.ExternalServer` give `dsn(database)`, a libpq connection string; nothing above this package
knows which of the two it talks to.
"""

from deriva_local.pg.cluster import Cluster

__all__ = ["Cluster"]
