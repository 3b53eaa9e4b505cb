"""The models of the family, one file each; importing this package registers them all."""

from cat_engine.models import twopl

__all__ = ["twopl"]
