"""Items that are held at the values of another calibration: what of their file goes with these responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from calibration.data import Chosen
from cat_engine.errors import InputError
from cat_engine.family import ItemModel
from item_bank.parameters import ParameterSet

__all__ = ["fixed_items"]


def fixed_items(
    data: Chosen, models: Sequence[ItemModel], fixed: ParameterSet
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the position among `data`'s items and the working parameters of each item that is held.

    Raises
    ------
    InputError
        When an item's model or number of categories differs, or no item of the responses is there.
    """
    position = {item: j for j, item in enumerate(data.items)}
    some = False
    for row in fixed.items:
        item = str(row.get("id"))
        if item not in position or row.get("status") == "left-out":
            continue
        j = position[item]
        model, size = models[j], int(data.n_cat[j])
        if row.get("model") != model.code:
            raise InputError(
                f"expected item '{item}' to follow the model '{row.get('model')}' of the fixed parameters, "
                f"got '{model.code}'; add --model {item}={row.get('model')}"
            )
        table = model.from_fields([row])
        if int(table.n_cat[0]) != size:
            raise InputError(
                f"expected {int(table.n_cat[0])} categories for item '{item}', as in the fixed parameters, "
                f"got {size}; correct the responses"
            )
        some = True
        yield j, model.pack(table, 0)
    if not some:
        raise InputError(
            "expected fixed parameters of some item of the responses, got none of them; check the item ids"
        )
