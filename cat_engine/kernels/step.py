"""One step of a sitting, compiled: take in an answer; look ahead and choose."""

import numpy as np

from cat_engine.compile import jit
from cat_engine.kernels.belief import absorb, moments
from cat_engine.kernels.blueprint import allowed
from cat_engine.kernels.pick import first_best


@jit
def take_in(likelihood, row, weights, nodes):
    """Return the likelihood after one answer, with the posterior's mean and standard deviation."""
    after = likelihood.copy()
    absorb(row, after)
    mean, sd = moments(after, weights, nodes)
    return after, mean, sd


@jit
def choose(values, usable, group, parent, low, high, count, finishing):
    """Return the best item that leaves the test completable (-1: none) and how many more it needs."""
    free = np.zeros(parent.size, np.int64)
    for i in range(usable.size):
        free[group[i]] += usable[i]
    counted = count.copy()
    need = np.empty(parent.size, np.int64)
    cap = np.empty(parent.size, np.int64)
    fits = np.empty(parent.size, np.uint8)
    lacking = allowed(parent, low, high, counted, free, finishing, need, cap, fits)
    return first_best(values, usable, group, fits), lacking
