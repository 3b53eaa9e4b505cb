"""The models of the family, one file each; importing this package registers them all."""

from cat_engine.models import fourpl, gpcm, grm, nrm, threepl, twopl

__all__ = ["fourpl", "gpcm", "grm", "nrm", "threepl", "twopl"]
