"""The models of the family, one file each; importing this package registers them all."""

from cat_engine.models import fourpl, threepl, twopl

__all__ = ["fourpl", "threepl", "twopl"]
