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
    i, indptr, item, category, place, dim, flat, nodes, centre, stride, middle, root, radius, mean, precision,
    index, delta, offset, unary, pairs, margin, joint, block, running,
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
    for d in range(dims):
        offset[d] = middle[i, d] - nodes[centre[i, d]]
    total = _margins(unary, pairs, delta, offset, root[i], radius, margin, joint, block, running)
    return constant + np.log(total)


@jit(nogil=True, forceinline=True)
def _range(delta, middle, half):
    """Return the first node and the one after the last of the evenly spaced `delta` on ``middle +- half``."""
    step = delta[1] - delta[0]
    first = int(np.ceil((middle - half - delta[0]) / step))
    last = int(np.floor((middle + half - delta[0]) / step)) + 1
    return max(first, 0), min(last, delta.size)


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


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _move(x, one, other):
    """Add `x` to two sums, leave 0 in its place and return its total."""
    total = 0.0
    for q in range(x.size):
        value = x[q]
        one[q] += value
        other[q] += value
        total += value
        x[q] = 0.0
    return total


@jit(nogil=True)
def _margins(unary, pairs, delta, middle, root, radius, margin, joint, block, running):
    """Sum the product of `unary` and `pairs` over nodes: margins of dimensions and pairs, and the total.

    All nodes of the last dimension are taken, of the others those within an ellipsoid: what lies within
    `radius` of `middle` in the metric of the covariance ``root root'``. With `root` lower triangular the
    nodes of one dimension that lie in it are a range, given those of the dimensions before (Fincke & Pohst,
    1985).

    Dimensions but the last two are counted through, the last of them fastest. `block` is what they bring to
    each pair of nodes of the last two, ``(D - 1, M, M)``, and `running` what has been summed there.
    """
    dims, width = margin.shape
    a, b, outer = dims - 2, dims - 1, dims - 2
    last = _pair(a, b, dims)
    joint[:] = 0.0
    margin[:] = 0.0
    running[:] = 0.0
    for m in range(width):
        for n in range(width):
            block[0, m, n] = unary[a, m] * unary[b, n] * pairs[last, m, n]
    digit = np.zeros(dims, np.int64)
    end = np.zeros(dims, np.int64)
    z = np.zeros(dims)
    left = np.full(dims, radius * radius)
    weight = np.ones(dims)
    sums = np.zeros(dims)
    digit[0], end[0] = _range(delta[0], middle[0], root[0, 0] * radius)
    if outer == 0:
        for m in range(digit[0], end[0]):  # a slice's copy compiles three seconds of error messages
            for n in range(width):
                running[0, m, n] = block[0, m, n]
    level = 0
    while outer > 0:
        m = digit[level]
        if m == end[level]:
            if level == 0:
                break
            level -= 1
            m = digit[level]
            to_a, to_b = joint[_pair(level, a, dims), m], joint[_pair(level, b, dims), m]
            for k in range(width):
                to_a[k] += _move(running[level + 1, k], to_b, running[level, k])
            total = sums[level + 1]
            sums[level + 1] = 0.0
        else:
            w = weight[level] * unary[level, m]
            for e in range(level):
                w *= pairs[_pair(e, level, dims), digit[e], m]
            z[level] = delta[level, m] - middle[level]
            for e in range(level):
                z[level] -= root[level, e] * z[e]
            z[level] /= root[level, level]
            left[level + 1] = max(left[level] - z[level] * z[level], 0.0)
            centre = middle[level + 1]
            for e in range(level + 1):
                centre += root[level + 1, e] * z[e]
            half = root[level + 1, level + 1] * np.sqrt(left[level + 1])
            first, stop = _range(delta[level + 1], centre, half)
            toward_a, toward_b = pairs[_pair(level, a, dims), m], pairs[_pair(level, b, dims), m]
            if level + 1 < outer:
                for k in range(width):
                    for n in range(width):
                        block[level + 1, k, n] = block[level, k, n] * toward_a[k] * toward_b[n]
                level += 1
                digit[level], end[level], weight[level] = first, max(first, stop), w
                continue
            to_a, to_b = joint[_pair(level, a, dims), m], joint[_pair(level, b, dims), m]
            total = 0.0
            for k in range(first, stop):
                t = _sweep(w * toward_a[k], block[level, k], toward_b, to_b, running[level, k])
                to_a[k] += t
                total += t
        margin[level, m] += total
        for e in range(level):
            joint[_pair(e, level, dims), digit[e], m] += total
        sums[level] += total
        digit[level] += 1
    total = 0.0
    for m in range(width):
        for n in range(width):
            value = running[0, m, n]
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
    middle, root, radius, mean, precision, log_det, counts, moments, loglik, out_mean, out_cov,
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
    middle, root, radius
        Each person's ellipsoid: its middle ``(N, D)``, a root of its covariance, lower triangular
        ``(N, D, D)``, and how far it reaches.
    mean, precision, log_det
        The population: mean, inverse covariance, log determinant of the covariance.
    counts, moments, loglik
        Results a chunk: ``(chunks, categories, Q)``; sums of products of theta and (the last row)
        of theta, ``(chunks, D + 1, D)``; ``(chunks,)``.
    out_mean, out_cov
        Each person's posterior mean and covariance, ``(N, D)`` and ``(N, D, D)``.
    """
    dims = mean.size
    n_pairs = dims * (dims - 1) // 2
    index = np.empty((dims, width), np.int64)
    delta, offset = np.empty((dims, width)), np.empty(dims)
    unary, margin = np.empty((dims, width)), np.empty((dims, width))
    pairs, joint = np.empty((n_pairs, width, width)), np.empty((n_pairs, width, width))
    block, running = np.empty((dims - 1, width, width)), np.empty((dims - 1, width, width))
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            value = _posterior(
                i, indptr, item, category, place, dim, flat, nodes, centre, stride, middle, root,
                radius, mean, precision, index, delta, offset, unary, pairs, margin, joint, block, running,
            )  # fmt: skip
            loglik[c] += weight[i] * (value - 0.5 * log_det - 0.5 * dims * LOG_2PI)
            for d in range(dims):
                first = 0.0
                for m in range(width):
                    first += margin[d, m] * delta[d, m]
                out_mean[i, d] = nodes[centre[i, d]] + first
                moments[c, dims, d] += weight[i] * out_mean[i, d]
            for d in range(dims):
                shift_d = out_mean[i, d] - nodes[centre[i, d]]
                for e in range(d, dims):
                    shift_e = out_mean[i, e] - nodes[centre[i, e]]
                    product = 0.0
                    for m in range(width):
                        if e == d:
                            product += margin[d, m] * delta[d, m] * delta[d, m]
                        else:
                            for n in range(width):
                                product += joint[_pair(d, e, dims), m, n] * delta[d, m] * delta[e, n]
                    both = product - shift_d * shift_e
                    out_cov[i, d, e] = out_cov[i, e, d] = both
                    moments[c, d, e] += weight[i] * (both + out_mean[i, d] * out_mean[i, e])
                    if e > d:
                        moments[c, e, d] = moments[c, d, e]
            for a in range(indptr[i], indptr[i + 1]):
                d = dim[item[a]]
                row = place[item[a]] + category[a]
                for m in range(width):
                    counts[c, row, index[d, m]] += weight[i] * margin[d, m]


@jit(nogil=True)
def spread_windows(
    low, high, bounds, indptr, item, category, weight, place, dim, flat, nodes, centre, stride, width,
    middle, root, radius, mean, precision, first, wide, slopes, covariance,
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
    delta, offset = np.empty((dims, width)), np.empty(dims)
    unary, margin = np.empty((dims, width)), np.empty((dims, width))
    pairs, joint = np.empty((n_pairs, width, width)), np.empty((n_pairs, width, width))
    block, running = np.empty((dims - 1, width, width)), np.empty((dims - 1, width, width))
    columns = covariance.shape[1]
    score = np.empty((columns, width))
    turned = np.empty(width)
    together = np.empty((width, width))
    column_of, dim_of = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            _posterior(
                i, indptr, item, category, place, dim, flat, nodes, centre, stride, middle, root,
                radius, mean, precision, index, delta, offset, unary, pairs, margin, joint, block, running,
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
