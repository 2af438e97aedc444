"""Vector instructions over a group of 64 codes, as LLVM IR: eight 64-bit lanes, lowered to AVX-512, AVX2, NEON or SSE.

Numba does not vectorise a popcount loop by itself. ``tuple`` arguments carry the number of words in their type, so one
function serves every code length and is compiled for each.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8
GROUP_LINES = 8
EARLY_WORDS = 2

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(I64, LANES)


@intrinsic
def any_near(_context: Any, group: Any, query: Any, bound: Any) -> Any:
    """Whether any of the 64 codes at address ``group`` lies within ``bound`` of the ``query`` tuple.

    Words are added up in turn; after 1, 2, 4, 8 of them the scan leaves when every code is already beyond the bound.
    """
    signature = types.boolean(group, query, bound)

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, words, limit = arguments
        return _NearBuilder(builder, address, words, limit, query.count).build((1, 2, 4, 8))

    return signature, generate


@intrinsic
def any_near_whole(_context: Any, group: Any, query: Any, bound: Any) -> Any:
    """The same without leaving early, for bounds so wide that the first words rule nothing out."""
    signature = types.boolean(group, query, bound)

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, words, limit = arguments
        return _NearBuilder(builder, address, words, limit, query.count).build(())

    return signature, generate


@intrinsic
def near_codes(_context: Any, group: Any, query: Any, bound: Any) -> Any:
    """Bitmap word of those of the 64 codes at address ``group`` that lie within ``bound`` of the ``query`` tuple."""
    signature = types.uint64(group, query, bound)

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, words, limit = arguments
        lanes = _splat(builder, limit)
        near = _NearBuilder(builder, address, words, limit, query.count)
        sums = near.add_words(None, range(query.count))
        bitmap = ir.Constant(I64, 0)
        for line, total in enumerate(sums):
            byte = builder.bitcast(builder.icmp_signed("<=", total, lanes), I8)
            bitmap = builder.or_(bitmap, builder.shl(builder.zext(byte, I64), ir.Constant(I64, LANES * line)))
        return bitmap

    return signature, generate


@intrinsic
def words_from(_context: Any, address: Any, like: Any) -> Any:
    """A tuple of as many words as ``like`` has, read from ``address``."""
    signature = like(address, like)

    def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], I64.as_pointer())
        words = [builder.load(builder.gep(pointer, [ir.Constant(I64, word)])) for word in range(like.count)]
        return target.make_tuple(builder, like, words)

    return signature, generate


@intrinsic
def near_lanes(_context: Any, address: Any, stride: Any, query: Any, bound: Any) -> Any:
    """Bits of those of the eight codes at ``address`` that lie within ``bound`` of the ``query`` tuple.

    The words of a code lie ``stride`` bytes apart; of long codes the later words are left alone where the first two
    put all eight beyond the bound.
    """
    signature = types.uint64(address, stride, query, bound)

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        address, stride, words, limit = arguments
        return _lanes_within(builder, (address, stride), words, limit, query.count)

    return signature, generate


@intrinsic
def words_apart(_context: Any, address: Any, stride: Any, like: Any) -> Any:
    """A tuple of as many words as ``like`` has, the first at ``address``, the next each ``stride`` bytes further."""
    signature = like(address, stride, like)

    def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        places = [_behind(builder, arguments[0], arguments[1], word, I64) for word in range(like.count)]
        return target.make_tuple(builder, like, [builder.load(place) for place in places])

    return signature, generate


@intrinsic
def lowest_bit(_context: Any, bitmap: Any) -> Any:
    """Place of the lowest set bit of a word that is not 0."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(I1, 1))

    return types.int64(types.uint64), generate


@intrinsic
def bit_count(_context: Any, word: Any) -> Any:
    """Number of set bits of a word."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def ask_for(_context: Any, address: Any) -> Any:
    """Have the memory at an address brought near while other things are done."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        _emit_prefetch(builder, arguments[0])
        return ir.Constant(I64, 0)

    return types.int64(address), generate


def _emit_prefetch(builder: Any, address: Any) -> None:
    prefetch = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, prefetch, "llvm.prefetch")
    place = builder.inttoptr(address, I8.as_pointer())
    builder.call(function, [place, *(ir.Constant(I32, value) for value in (0, 3, 1))])


class _NearBuilder:
    """Emits the distances of one group: eight vectors of eight codes."""

    def __init__(self, builder: Any, address: Any, words: Any, limit: Any, count: int) -> None:
        self.builder = builder
        self.pointer = builder.inttoptr(address, VECTOR.as_pointer())
        self.queries = [_splat(builder, builder.extract_value(words, word)) for word in range(count)]
        self.limit = _splat(builder, limit)
        self.count = count

    def build(self, leaving: tuple[int, ...]) -> Any:
        end = self.builder.append_basic_block("near.end")
        leaves, sums, word = [], None, 0
        stages = [stage for stage in leaving if stage < self.count] + [self.count]
        for stage in stages:
            sums = self.add_words(sums, range(word, stage))
            word = stage
            found = self._any(sums)
            if stage == self.count:
                leaves.append((found, self.builder.block))
                self.builder.branch(end)
            else:
                leaves.append((ir.Constant(I1, 0), self.builder.block))
                more = self.builder.append_basic_block("near.more")
                self.builder.cbranch(found, more, end)
                self.builder.position_at_end(more)
        self.builder.position_at_end(end)
        answer = self.builder.phi(I1)
        for value, block in leaves:
            answer.add_incoming(value, block)
        return answer

    def add_words(self, sums: list[Any] | None, words: range) -> list[Any]:
        # All words of eight codes before the next eight: so their sum stays in a register.
        popcount = self._function("llvm.ctpop.v8i64", [VECTOR])
        totals: list[Any] = [None] * GROUP_LINES if sums is None else list(sums)
        for line in range(GROUP_LINES):
            for word in words:
                at = self.builder.gep(self.pointer, [ir.Constant(I64, word * GROUP_LINES + line)])
                codes = self.builder.load(at)
                codes.align = 8
                bits = self.builder.call(popcount, [self.builder.xor(codes, self.queries[word])])
                totals[line] = bits if totals[line] is None else self.builder.add(totals[line], bits)
        return totals

    def _any(self, sums: list[Any]) -> Any:
        least = self._function("llvm.umin.v8i64", [VECTOR, VECTOR])
        while len(sums) > 1:
            sums = [self.builder.call(least, [one, other]) for one, other in zip(sums[::2], sums[1::2], strict=True)]
        hits = self.builder.bitcast(self.builder.icmp_signed("<=", sums[0], self.limit), I8)
        return self.builder.icmp_unsigned("!=", hits, ir.Constant(I8, 0))

    def _function(self, name: str, arguments: list[Any]) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(VECTOR, arguments), name)


def _behind(builder: Any, address: Any, stride: Any, word: int, kind: Any) -> Any:
    """A pointer to what lies ``word`` strides behind an address."""
    place = builder.add(address, builder.mul(stride, ir.Constant(I64, word)))
    return builder.inttoptr(place, kind.as_pointer())


def _lanes_within(builder: Any, place: Any, words: Any, limit: Any, count: int) -> Any:
    """Emits the distances of eight codes at ``place`` (address, stride)."""
    address, stride = place
    popcount = cgutils.get_or_insert_function(builder.module, ir.FunctionType(VECTOR, [VECTOR]), "llvm.ctpop.v8i64")
    lanes, end = _splat(builder, limit), builder.append_basic_block("lanes.end")
    total, leaves = None, []
    for word in range(count):
        codes = builder.load(_behind(builder, address, stride, word, VECTOR))
        codes.align = 8
        query = _splat(builder, builder.extract_value(words, word))
        bits = builder.call(popcount, [builder.xor(codes, query)])
        total = bits if total is None else builder.add(total, bits)
        if word == EARLY_WORDS - 1 and count > EARLY_WORDS:
            more = builder.append_basic_block("lanes.more")
            found = builder.bitcast(builder.icmp_signed("<=", total, lanes), I8)
            leaves.append((ir.Constant(I8, 0), builder.block))
            builder.cbranch(builder.icmp_unsigned("!=", found, ir.Constant(I8, 0)), more, end)
            builder.position_at_end(more)
    leaves.append((builder.bitcast(builder.icmp_signed("<=", total, lanes), I8), builder.block))
    builder.branch(end)
    builder.position_at_end(end)
    answer = builder.phi(I8)
    for value, block in leaves:
        answer.add_incoming(value, block)
    return builder.zext(answer, I64)


def _splat(builder: Any, value: Any) -> Any:
    """The same value in every lane."""
    one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), value, ir.Constant(I32, 0))
    zeros = ir.Constant(ir.VectorType(I32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(VECTOR, ir.Undefined), zeros)
