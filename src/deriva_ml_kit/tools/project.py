"""The project that the agent works in: how far it is, its receipts, its version."""
