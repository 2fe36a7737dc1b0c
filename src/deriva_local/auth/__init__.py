"""Users, groups and sessions: who may say to be whom."""
