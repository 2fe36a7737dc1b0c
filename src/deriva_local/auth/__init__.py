"""Users, groups and sessions: who may say to be whom."""

from deriva_local.auth.accounts import Accounts, Session
from deriva_local.auth.client import Client

__all__ = ["Accounts", "Client", "Session"]
