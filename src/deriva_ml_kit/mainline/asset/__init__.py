"""Assets: files that the catalog describes and the host stores."""
