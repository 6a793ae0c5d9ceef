"""The service that keeps modules: published once, found, signed, told of; in PostgreSQL and on disk or S3."""
