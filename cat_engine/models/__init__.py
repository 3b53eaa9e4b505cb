"""The models of the family, one file each; importing this package registers them all."""

from cat_engine.models import fourpl, gpcm, grm, nrm, threepl, twopl

# isort: split
from cat_engine.models import compensatory  # last: messages list the models in the order of registration

__all__ = ["compensatory", "fourpl", "gpcm", "grm", "nrm", "threepl", "twopl"]
