"""Vectors of one cache line: the two operations on which the E-step's speed rests, and exp in single.

A table is kept in *tiles*: one tile holds, for every row, the 64 bytes that belong to 16 (single) or 8
(double) neighbouring nodes. A tile of a packed table fits the first-level cache, so that adding a row
costs about one load. numba cannot prove that the arrays do not overlap and would check at every row;
these two loops are therefore written in LLVM's own vectors.
"""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload

from cat_engine.arithmetic import exp
from cat_engine.compile import jit

__all__ = ["LINE", "add_to_rows", "exp_negative", "highest", "lanes_of", "sum_rows"]

LINE = 64
"""Bytes of one vector."""


def lanes_of(dtype: type | np.dtype) -> int:
    """Return how many numbers of `dtype` one vector holds."""
    return int(LINE // np.dtype(dtype).itemsize)


def _parts(context, builder, signature, args):
    table = signature.args[0]
    element = context.get_value_type(table.dtype)
    width = LINE * 8 // table.dtype.bitwidth
    pointers = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 4)]
    numbers = [context.cast(builder, args[k], signature.args[k], types.int64) for k in (2, 3, 5)]
    return pointers, numbers, ir.VectorType(element, width), table.dtype.bitwidth // 8


def _row(builder, rows, k, width):
    i64 = ir.IntType(64)
    row = builder.load(builder.gep(rows, [k]))
    row = builder.zext(row, i64) if row.type.width < 64 else row
    return builder.mul(row, ir.Constant(i64, width))


@intrinsic
def _sum_rows(typing, table, rows, start, stop, line, at):
    signature = types.void(table, rows, start, stop, line, at)

    def generate(context, builder, signature, args):
        (base, index, target), (low, high, at), vector, align = _parts(context, builder, signature, args)
        zero = ir.Constant(vector, [0.0] * vector.count)
        before = builder.block
        loop = builder.append_basic_block("sum_rows")
        after = builder.append_basic_block("sum_rows_end")
        builder.cbranch(builder.icmp_signed("<", low, high), loop, after)
        builder.position_at_end(loop)
        k = builder.phi(low.type)
        total = builder.phi(vector)
        place = builder.gep(base, [_row(builder, index, k, vector.count)])
        row = builder.load(builder.bitcast(place, vector.as_pointer()), align=align)
        added = builder.fadd(total, row)
        following = builder.add(k, ir.Constant(low.type, 1))
        k.add_incoming(low, before)
        k.add_incoming(following, loop)
        total.add_incoming(zero, before)
        total.add_incoming(added, loop)
        builder.cbranch(builder.icmp_signed("<", following, high), loop, after)
        builder.position_at_end(after)
        result = builder.phi(vector)
        result.add_incoming(zero, before)
        result.add_incoming(added, loop)
        place = builder.bitcast(builder.gep(target, [at]), vector.as_pointer())
        builder.store(result, place, align=align)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _add_to_rows(typing, table, rows, start, stop, line, at):
    signature = types.void(table, rows, start, stop, line, at)

    def generate(context, builder, signature, args):
        (base, index, source), (low, high, at), vector, align = _parts(context, builder, signature, args)
        place = builder.bitcast(builder.gep(source, [at]), vector.as_pointer())
        addend = builder.load(place, align=align)
        before = builder.block
        loop = builder.append_basic_block("add_to_rows")
        after = builder.append_basic_block("add_to_rows_end")
        builder.cbranch(builder.icmp_signed("<", low, high), loop, after)
        builder.position_at_end(loop)
        k = builder.phi(low.type)
        place = builder.gep(base, [_row(builder, index, k, vector.count)])
        place = builder.bitcast(place, vector.as_pointer())
        builder.store(builder.fadd(builder.load(place, align=align), addend), place, align=align)
        following = builder.add(k, ir.Constant(low.type, 1))
        k.add_incoming(low, before)
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, high), loop, after)
        builder.position_at_end(after)
        return context.get_dummy_value()

    return signature, generate


if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def sum_rows(table, rows, start, stop, line, at):
        width = lanes_of(table.dtype)
        picked = table.reshape(-1, width)[rows[start:stop]]
        line[at : at + width] = picked.sum(axis=0, dtype=table.dtype)

    def add_to_rows(table, rows, start, stop, line, at):
        width = lanes_of(table.dtype)
        np.add.at(table.reshape(-1, width), rows[start:stop], line[at : at + width])

else:

    @jit(inline="always")
    def sum_rows(table, rows, start, stop, line, at):
        """``line[at : at + W]`` = sum of the rows ``rows[start:stop]`` of a flat tile of vectors."""
        _sum_rows(table, rows, start, stop, line, at)

    @jit(inline="always")
    def add_to_rows(table, rows, start, stop, line, at):
        """Add ``line[at : at + W]`` to each of the rows ``rows[start:stop]`` of a flat tile of vectors."""
        _add_to_rows(table, rows, start, stop, line, at)


_F = np.float32


@jit
def _exp_single(x):
    """e**x in single precision for -87 < x <= 0, relative error 2e-7, in a form that vectorises.

    A function of its own, so that a caller's licence to reorder sums does not undo the rounding.
    """
    shifted = x * _F(1.44269504) + _F(12582912.0)  # 1.5 * 2**23: rounds to an integer
    k = shifted - _F(12582912.0)
    r = (x - k * _F(0.693359375)) + k * _F(2.12194440e-4)
    p = _F(1.0 / 720.0)
    p = p * r + _F(1.0 / 120.0)
    p = p * r + _F(1.0 / 24.0)
    p = p * r + _F(1.0 / 6.0)
    p = p * r + _F(0.5)
    p = p * r + _F(1.0)
    p = p * r + _F(1.0)
    bits = np.int32(_F(shifted).view(np.int32) + np.int32(127))
    return p * np.int32(bits << np.int32(23)).view(np.float32)


def exp_negative(x):
    """Return e**x for -87 < x <= 0 in the precision of `x`."""
    return np.exp(x)


def highest(values):
    """Return the largest of `values`, none of which is above 0 by more than rounding."""
    return values.max()


@jit
def _exp_double(x):
    return exp(x)


@overload(exp_negative)
def _exp_negative(x):
    if x == types.float32:
        return lambda x: _exp_single(x)
    return lambda x: _exp_double(x)


@overload(highest)
def _highest(values):
    # Floats of one sign compare like integers, and a minimum of integers vectorises where a maximum of
    # floats, which must mind nan, does not.
    if values.dtype == types.float32:

        def single(values):
            least = np.int32(2147483647)
            for q in range(values.size):
                least = min(least, np.float32(-values[q]).view(np.int32))
            return -np.int32(least).view(np.float32)

        return single

    def double(values):
        least = np.int64(9223372036854775807)
        for q in range(values.size):
            least = min(least, np.float64(-values[q]).view(np.int64))
        return -np.int64(least).view(np.float64)

    return double
