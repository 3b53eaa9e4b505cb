"""The E-step where each item measures one of several correlated dimensions: persons in windows of nodes.

The likelihood of the answers is then a product of one function a dimension, and with a normal population the
posterior is a product of functions of one dimension and of pairs of them,

    p(theta | x) ~ prod_d U_d(theta_d) prod_{d<e} exp(-K_de theta_d theta_e),      K = inverse covariance,

which is summed over M nodes a dimension, around where the person is: a rectangle rule, whose error falls
faster than any power of the spacing. No item is evaluated there: nodes lie on one lattice, over which the
items are tabulated once, and what is wanted of the posterior are its margins and the margins of pairs.
"""

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit

__all__ = ["expect_windows", "spread_windows"]

LOG_2PI = 1.8378770664093453


@jit(nogil=True, forceinline=True)
def _pair(d, e, dims):
    """Return the position of the pair d < e."""
    return d * dims - d * (d + 1) // 2 + e - d - 1


@jit(nogil=True)
def _posterior(
    i, indptr, item, category, place, dim, flat, nodes, centre, stride, mean, precision,
    index, delta, unary, pairs, margin, joint, block, factor, gathered, running,
):  # fmt: skip
    """Write the posterior margins of one person and of every pair of dimensions; return the log-likelihood.

    `margin` has shape ``(D, M)``, `joint` ``(pairs, M, M)``; the normal density's constant is the caller's.
    """
    dims, width = margin.shape
    constant = 0.0
    for d in range(dims):
        for m in range(width):
            index[d, m] = centre[i, d] - (stride[i, d] * (width - 1)) // 2 + stride[i, d] * m
            delta[d, m] = nodes[index[d, m]] - nodes[centre[i, d]]
            unary[d, m] = 0.0
    for a in range(indptr[i], indptr[i + 1]):
        d = dim[item[a]]
        row = place[item[a]] + category[a]
        for m in range(width):
            unary[d, m] += flat[row, index[d, m]]
    for d in range(dims):
        pull = 0.0
        for e in range(dims):
            pull += precision[d, e] * (nodes[centre[i, e]] - mean[e])
        constant -= 0.5 * pull * (nodes[centre[i, d]] - mean[d])
        top = -np.inf
        for m in range(width):
            unary[d, m] -= delta[d, m] * (pull + 0.5 * precision[d, d] * delta[d, m])
            top = max(top, unary[d, m])
        for m in range(width):
            unary[d, m] = exp(unary[d, m] - top)
        constant += top + np.log(stride[i, d] * (nodes[1] - nodes[0]))
    for d in range(dims):
        for e in range(d + 1, dims):
            p = _pair(d, e, dims)
            for m in range(width):
                for n in range(width):
                    pairs[p, m, n] = exp(-precision[d, e] * delta[d, m] * delta[e, n])
    total = _margins(unary, pairs, margin, joint, block, factor, gathered, running)
    return constant + np.log(total)


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _sweep(factor, x, y, one, other):
    """Add ``factor x y`` to two sums and return its total."""
    total = 0.0
    for q in range(x.size):
        value = factor * x[q] * y[q]
        one[q] += value
        other[q] += value
        total += value
    return total


@jit(nogil=True)
def _margins(unary, pairs, margin, joint, block, factor, gathered, running):
    """Sum the product of `unary` and `pairs` over all nodes: margins of dimensions and pairs, and the total.

    The last two dimensions are one vector of all pairs of their nodes, `block`, to which each of the others
    brings a `factor` for each of its nodes; these are counted through, the last of them fastest. What is
    summed over the dimensions after one is `gathered` by its node.
    """
    dims, width = margin.shape
    a, b, outer = dims - 2, dims - 1, dims - 2
    last = _pair(a, b, dims)
    joint[:] = 0.0
    margin[:] = 0.0
    running[:] = 0.0
    for m in range(width):
        for n in range(width):
            block[0, m * width + n] = unary[a, m] * unary[b, n] * pairs[last, m, n]
    if outer == 0:
        running[0] = block[0]
    else:
        gathered[:] = 0.0
        for level in range(outer):
            toward_a, toward_b = pairs[_pair(level, a, dims)], pairs[_pair(level, b, dims)]
            for m in range(width):
                for k in range(width):
                    for n in range(width):
                        factor[level, m, k * width + n] = toward_a[m, k] * toward_b[m, n]
        inner = outer - 1
        digit = np.zeros(outer, np.int64)
        weight = np.ones(outer)
        sums = np.zeros(outer)
        combinations = 1
        for _ in range(inner):
            combinations *= width
        changed = 0
        for _ in range(combinations):
            for level in range(changed, inner):
                m = digit[level]
                weight[level + 1] = weight[level] * unary[level, m]
                for e in range(level):
                    weight[level + 1] *= pairs[_pair(e, level, dims), digit[e], m]
                for q in range(width * width):
                    block[level + 1, q] = block[level, q] * factor[level, m, q]
            for m in range(width):
                w = weight[inner] * unary[inner, m]
                for e in range(inner):
                    w *= pairs[_pair(e, inner, dims), digit[e], m]
                t = _sweep(w, block[inner], factor[inner, m], gathered[inner, m], running[inner])
                sums[inner] += t
                for e in range(inner):
                    joint[_pair(e, inner, dims), digit[e], m] += t
            level = inner - 1
            while level >= 0:
                m = digit[level]
                for q in range(width * width):
                    gathered[level, m, q] += running[level + 1, q]
                    running[level, q] += running[level + 1, q]
                    running[level + 1, q] = 0.0
                for e in range(level):
                    joint[_pair(e, level, dims), digit[e], m] += sums[level + 1]
                sums[level] += sums[level + 1]
                sums[level + 1] = 0.0
                digit[level] += 1
                if digit[level] < width:
                    break
                digit[level] = 0
                level -= 1
            changed = max(level, 0)
        for level in range(outer):
            toward_a, toward_b = joint[_pair(level, a, dims)], joint[_pair(level, b, dims)]
            for m in range(width):
                for k in range(width):
                    for n in range(width):
                        value = gathered[level, m, k * width + n]
                        toward_a[m, k] += value
                        toward_b[m, n] += value
                        margin[level, m] += value
    total = 0.0
    for m in range(width):
        for n in range(width):
            value = running[0, m * width + n]
            joint[last, m, n] = value
            margin[a, m] += value
            margin[b, n] += value
            total += value
    for d in range(dims):
        for m in range(width):
            margin[d, m] /= total
    for p in range(joint.shape[0]):
        for m in range(width):
            for n in range(width):
                joint[p, m, n] /= total
    return total


@jit(nogil=True)
def expect_windows(
    low, high, bounds, indptr, item, category, weight, place, dim, flat, nodes, centre, stride, width,
    mean, precision, log_det, counts, moments, loglik, out_mean, out_sd, out_corr,
):  # fmt: skip
    """Do the E-step for the chunks ``low .. high`` of persons.

    Parameters
    ----------
    bounds
        Chunks of persons.
    indptr, item, category, weight
        Answers of each person, and the persons' weights.
    place, dim
        First category and dimension of each item.
    flat
        Log-probabilities, shape ``(categories, Q)``, over the lattice `nodes`.
    centre, stride, width
        Each person's window: where it is, how far its nodes are apart (lattice steps), how many there are.
    mean, precision, log_det
        The population: mean, inverse covariance, log determinant of the covariance.
    counts, moments, loglik
        Results a chunk: ``(chunks, categories, Q)``; sums of products of theta and (the last row)
        of theta, ``(chunks, D + 1, D)``; ``(chunks,)``.
    out_mean, out_sd, out_corr
        Each person's posterior mean and standard deviation, ``(N, D)``, and largest correlation.
    """
    dims = mean.size
    n_pairs = dims * (dims - 1) // 2
    index = np.empty((dims, width), np.int64)
    delta, unary, margin = np.empty((dims, width)), np.empty((dims, width)), np.empty((dims, width))
    pairs, joint = np.empty((n_pairs, width, width)), np.empty((n_pairs, width, width))
    block, running = np.empty((dims, width * width)), np.empty((dims, width * width))
    factor = np.empty((dims - 2, width, width * width))
    gathered = np.empty((dims - 2, width, width * width))
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            value = _posterior(
                i, indptr, item, category, place, dim, flat, nodes, centre, stride, mean, precision,
                index, delta, unary, pairs, margin, joint, block, factor, gathered, running,
            )  # fmt: skip
            loglik[c] += weight[i] * (value - 0.5 * log_det - 0.5 * dims * LOG_2PI)
            for d in range(dims):
                first = 0.0
                second = 0.0
                for m in range(width):
                    first += margin[d, m] * delta[d, m]
                    second += margin[d, m] * delta[d, m] * delta[d, m]
                middle = nodes[centre[i, d]]
                out_mean[i, d] = middle + first
                out_sd[i, d] = np.sqrt(max(second - first * first, 0.0))
                moments[c, dims, d] += weight[i] * (middle + first)
                moments[c, d, d] += weight[i] * (middle * middle + 2.0 * middle * first + second)
            most = 0.0
            for d in range(dims):
                for e in range(d + 1, dims):
                    p = _pair(d, e, dims)
                    product = 0.0
                    for m in range(width):
                        for n in range(width):
                            product += joint[p, m, n] * delta[d, m] * delta[e, n]
                    at_d, at_e = nodes[centre[i, d]], nodes[centre[i, e]]
                    shift_d, shift_e = out_mean[i, d] - at_d, out_mean[i, e] - at_e
                    spread = max(out_sd[i, d] * out_sd[i, e], 1e-300)
                    most = max(most, abs(product - shift_d * shift_e) / spread)
                    full = weight[i] * (product + at_d * shift_e + at_e * shift_d + at_d * at_e)
                    moments[c, d, e] += full
                    moments[c, e, d] += full
            out_corr[i] = most
            for a in range(indptr[i], indptr[i + 1]):
                d = dim[item[a]]
                row = place[item[a]] + category[a]
                for m in range(width):
                    counts[c, row, index[d, m]] += weight[i] * margin[d, m]


@jit(nogil=True)
def spread_windows(
    low, high, bounds, indptr, item, category, weight, place, dim, flat, nodes, centre, stride, width,
    mean, precision, first, wide, slopes, covariance,
):  # fmt: skip
    """Add the posterior covariance of the persons' scores (Louis, 1982) for the chunks ``low .. high``.

    Parameters
    ----------
    first, wide
        First column and number of columns of each item.
    slopes
        Derivatives of the log-probabilities of each category, shape ``(categories, Q, P)``.
    covariance
        Result a chunk, shape ``(chunks, columns, columns)``, lower triangle.
    """
    dims = mean.size
    n_pairs = dims * (dims - 1) // 2
    index = np.empty((dims, width), np.int64)
    delta, unary, margin = np.empty((dims, width)), np.empty((dims, width)), np.empty((dims, width))
    pairs, joint = np.empty((n_pairs, width, width)), np.empty((n_pairs, width, width))
    block, running = np.empty((dims, width * width)), np.empty((dims, width * width))
    factor = np.empty((dims - 2, width, width * width))
    gathered = np.empty((dims - 2, width, width * width))
    columns = covariance.shape[1]
    score = np.empty((columns, width))
    turned = np.empty(width)
    together = np.empty((width, width))
    column_of, dim_of = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            _posterior(
                i, indptr, item, category, place, dim, flat, nodes, centre, stride, mean, precision,
                index, delta, unary, pairs, margin, joint, block, factor, gathered, running,
            )  # fmt: skip
            n = 0
            for a in range(indptr[i], indptr[i + 1]):
                j = item[a]
                for p in range(wide[j]):
                    column_of[n], dim_of[n] = first[j] + p, dim[j]
                    for m in range(width):
                        score[n, m] = slopes[place[j] + category[a], index[dim[j], m], p]
                    n += 1
            for d in range(dims):
                for e in range(d + 1):
                    for m in range(width):
                        for k in range(width):
                            if d == e:
                                both = margin[d, m] if m == k else 0.0
                            else:
                                both = joint[_pair(e, d, dims), k, m]
                            together[m, k] = weight[i] * (both - margin[d, m] * margin[e, k])
                    for x in range(n):
                        if dim_of[x] != d:
                            continue
                        for k in range(width):
                            turned[k] = 0.0
                        for m in range(width):
                            for k in range(width):
                                turned[k] += score[x, m] * together[m, k]
                        for y in range(n):
                            if dim_of[y] != e or (d == e and column_of[y] > column_of[x]):
                                continue
                            value = 0.0
                            for k in range(width):
                                value += turned[k] * score[y, k]
                            high_column = max(column_of[x], column_of[y])
                            low_column = min(column_of[x], column_of[y])
                            covariance[c, high_column, low_column] += value
