"""The models of the family, one file each; importing this package registers them all."""

from cat_engine.models import compensatory, fourpl, gpcm, grm, nrm, threepl, twopl

__all__ = ["compensatory", "fourpl", "gpcm", "grm", "nrm", "threepl", "twopl"]
