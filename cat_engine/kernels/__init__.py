"""Compiled loops that more than one part of the engine runs: tables in, tables out, no models by name."""
