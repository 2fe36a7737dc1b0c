"""HTTP: requests to the services below and their answers back; the only user of Starlette."""
