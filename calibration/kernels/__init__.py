"""Compiled loops of estimation: tables and counts in, tables and counts out, no models by name."""
