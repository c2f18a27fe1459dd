"""A PostgreSQL that comes with the project, its databases and its roles."""
