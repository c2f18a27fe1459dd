"""One request, one transaction: engine, sealed columns, migrations at start."""
