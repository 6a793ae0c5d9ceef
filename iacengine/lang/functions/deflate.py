"""DEFLATE as Go's writer compresses at its default level, bit by bit.

What `base64gzip` gives stands in the attributes of stored objects: other bytes of the same text would be a change. The
format is RFC 1951; the choices in it (matches, blocks, code lengths) are those of Go's `compress/flate` at level 6.
"""

from __future__ import annotations

from collections.abc import Sequence

_WINDOW = 1 << 15
_SHORTEST, _LONGEST = 4, 258  # matches; the format allows three bytes, Go takes four
_NEAR = 4096  # a match of four bytes is worth its code only so near
_LAZY, _NICE, _CHAIN = 16, 128, 128
_BLOCK_TOKENS = 1 << 14
_STORED_LIMIT = 65_535
_NEVER = 1 << 62
_HASH = 0x1E35A7BD  # texts of one hash share the tries

_END = 256
_LENGTH_BASES = (
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
)  # fmt: skip
_LENGTH_EXTRA = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
_OFFSET_BASES = (
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
)  # fmt: skip
_OFFSET_EXTRA = tuple(max(0, (code >> 1) - 1) for code in range(30))
_LENGTH_CODES = {
    length: max(code for code, base in enumerate(_LENGTH_BASES) if base <= length) for length in range(3, _LONGEST + 1)
}
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_REPEAT, _SHORT_ZEROS, _LONG_ZEROS = 16, 17, 18
_REPEAT_BITS = {_REPEAT: 2, _SHORT_ZEROS: 3, _LONG_ZEROS: 7}

Token = int | tuple[int, int]
"""A byte, or the length and the distance of a match."""
Codes = list[tuple[int, int]]
"""A code and its length in bits for each symbol."""


def deflate(data: bytes) -> bytes:
    """The data compressed, flushed, and closed by an empty last block."""
    bits = _Bits()
    start = 0
    for tokens, end in _blocks(data):
        _write_block(bits, tokens, data[start:end])
        start = end
    _stored(bits, b"", last=False)
    _stored(bits, b"", last=True)
    return bits.bytes()


class _Bits:
    """A stream of bits, the lowest of each byte first."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._value = 0
        self._count = 0

    def write(self, value: int, count: int) -> None:
        self._value |= value << self._count
        self._count += count
        while self._count >= 8:
            self._done.append(self._value & 0xFF)
            self._value >>= 8
            self._count -= 8

    def align(self) -> None:
        if self._count:
            self.write(0, 8 - self._count)

    def bytes(self) -> bytes:
        self.align()
        return bytes(self._done)


# --- matches --------------------------------------------------------------------------------------------------------


def _blocks(data: bytes) -> list[tuple[list[Token], int]]:
    """The tokens of each block, and where in the data the block ends."""
    blocks: list[tuple[list[Token], int]] = []
    tokens: list[Token] = []
    heads: dict[int, int] = {}
    previous = [-1] * len(data)
    end = len(data)
    last_insert = end - (_SHORTEST - 1)

    def insert(index: int) -> int:
        """Note where four bytes stand, and answer where they stood before."""
        key = (int.from_bytes(data[index : index + _SHORTEST]) * _HASH & 0xFFFFFFFF) >> 15
        before = heads.get(key, -1)
        previous[index] = before
        heads[key] = index
        return before

    index, head = 0, -1
    length, distance = _SHORTEST - 1, 0
    pending = False  # a byte that is written unless a match begins with it
    while index < end:
        if index < last_insert:
            head = insert(index)
        before_length, before_distance = length, distance
        length, distance = _SHORTEST - 1, 0
        if head >= max(index - _WINDOW, 0) and end - index > before_length and before_length < _LAZY:
            length, distance = _longest_match(data, previous, index, head, length)
        if before_length >= _SHORTEST and length <= before_length:
            # the match that began with the byte before is no worse than this one
            tokens.append((before_length, before_distance))
            after = index + before_length - 1
            for inside in range(index + 1, min(after, last_insert)):
                insert(inside)
            index = after
            pending = False
            length = _SHORTEST - 1
            block_end = index
        else:
            if pending:
                tokens.append(data[index - 1])
            block_end = index
            index += 1
            pending = True
        if len(tokens) == _BLOCK_TOKENS:
            blocks.append((tokens, block_end))
            tokens = []
    if pending:
        tokens.append(data[-1])
    if tokens:
        blocks.append((tokens, end))
    return blocks


def _longest_match(data: bytes, previous: list[int], index: int, head: int, length: int) -> tuple[int, int]:
    """Length and distance of the longest match that some tries find; the length given when none is longer."""
    limit = min(_LONGEST, len(data) - index)
    nice = min(limit, _NICE)
    lowest = index - _WINDOW
    distance = 0
    at = head
    for _ in range(_CHAIN):
        if data[index + length] == data[at + length]:
            found = 0
            while found < limit and data[at + found] == data[index + found]:
                found += 1
            if found > length and (found > _SHORTEST or index - at <= _NEAR):
                length, distance = found, index - at
                if found >= nice:
                    break
        if at == lowest:
            break
        at = previous[at]
        if at < max(lowest, 0):
            break
    return length, distance


# --- blocks ---------------------------------------------------------------------------------------------------------


def _stored(bits: _Bits, data: bytes, *, last: bool) -> None:
    bits.write(1 if last else 0, 3)
    bits.align()
    bits.write(len(data), 16)
    bits.write(len(data) ^ 0xFFFF, 16)
    for byte in data:
        bits.write(byte, 8)


def _write_block(bits: _Bits, tokens: list[Token], data: bytes) -> None:
    """One block in the smallest of the three forms: fixed codes, codes of its own, or stored."""
    literals, offsets = _frequencies(tokens)
    literal_count = _used(literals)
    offset_count = _used(offsets)
    if not offset_count:
        offsets[0] = offset_count = 1  # the format wants a code of offsets
    extra = sum(literals[257 + code] * count for code, count in enumerate(_LENGTH_EXTRA))
    extra += sum(offsets[code] * count for code, count in enumerate(_OFFSET_EXTRA))
    literal_codes, offset_codes = _code(literals, 15), _code(offsets, 15)
    runs = _runs([length for _, length in (*literal_codes[:literal_count], *offset_codes[:offset_count])])
    run_frequencies = [0] * 19
    for symbol, _ in runs:
        run_frequencies[symbol] += 1
    run_codes = _code(run_frequencies, 7)
    run_count = max(4, 1 + max(place for place, symbol in enumerate(_ORDER) if run_frequencies[symbol]))
    header = 17 + 3 * run_count + _size(run_codes, run_frequencies)
    header += sum(run_frequencies[symbol] * count for symbol, count in _REPEAT_BITS.items())
    own = header + _size(literal_codes, literals) + _size(offset_codes, offsets) + extra
    size = 3 + _size(_FIXED_LITERALS, literals) + _size(_FIXED_OFFSETS, offsets) + extra
    is_own = own < size
    if len(data) <= _STORED_LIMIT and (len(data) + 5) * 8 < min(size, own):
        _stored(bits, data, last=False)
        return
    if is_own:
        bits.write(0b100, 3)
        bits.write(literal_count - 257, 5)
        bits.write(offset_count - 1, 5)
        bits.write(run_count - 4, 4)
        for symbol in _ORDER[:run_count]:
            bits.write(run_codes[symbol][1], 3)
        for symbol, repeat in runs:
            bits.write(*run_codes[symbol])
            if symbol in _REPEAT_BITS:
                bits.write(repeat, _REPEAT_BITS[symbol])
        _write_tokens(bits, tokens, literal_codes, offset_codes)
    else:
        bits.write(0b010, 3)
        _write_tokens(bits, tokens, _FIXED_LITERALS, _FIXED_OFFSETS)


def _write_tokens(bits: _Bits, tokens: list[Token], literal_codes: Codes, offset_codes: Codes) -> None:
    for token in tokens:
        if isinstance(token, int):
            bits.write(*literal_codes[token])
            continue
        length, distance = token
        code = _LENGTH_CODES[length]
        bits.write(*literal_codes[257 + code])
        bits.write(length - _LENGTH_BASES[code], _LENGTH_EXTRA[code])
        code = _offset_code(distance)
        bits.write(*offset_codes[code])
        bits.write(distance - _OFFSET_BASES[code], _OFFSET_EXTRA[code])
    bits.write(*literal_codes[_END])


def _offset_code(distance: int) -> int:
    below = distance - 1
    if below < 4:
        return below
    size = below.bit_length()
    return 2 * (size - 1) + (below >> (size - 2) & 1)


def _frequencies(tokens: list[Token]) -> tuple[list[int], list[int]]:
    literals, offsets = [0] * 286, [0] * 30
    for token in tokens:
        if isinstance(token, int):
            literals[token] += 1
        else:
            literals[257 + _LENGTH_CODES[token[0]]] += 1
            offsets[_offset_code(token[1])] += 1
    literals[_END] += 1
    return literals, offsets


def _used(frequencies: Sequence[int]) -> int:
    """How many symbols there are up to the last that is used."""
    return max((symbol + 1 for symbol, count in enumerate(frequencies) if count), default=0)


def _size(codes: Codes, frequencies: Sequence[int]) -> int:
    return sum(count * codes[symbol][1] for symbol, count in enumerate(frequencies) if count)


def _runs(lengths: list[int]) -> list[tuple[int, int]]:
    """The lengths of codes as the format has them: symbols, with how often those for repetition repeat."""
    runs: list[tuple[int, int]] = []
    place = 0
    while place < len(lengths):
        length = lengths[place]
        count = 1
        while place + count < len(lengths) and lengths[place + count] == length:
            count += 1
        place += count
        if length:
            runs.append((length, 0))
            count -= 1
            while count >= 3:
                some = min(count, 6)
                runs.append((_REPEAT, some - 3))
                count -= some
        else:
            while count >= 11:
                some = min(count, 138)
                runs.append((_LONG_ZEROS, some - 11))
                count -= some
            if count >= 3:
                runs.append((_SHORT_ZEROS, count - 3))
                count = 0
        runs += [(length, 0)] * count
    return runs


# --- codes ----------------------------------------------------------------------------------------------------------


def _code(frequencies: Sequence[int], longest: int) -> Codes:
    """The codes of symbols that occur so often, of a limited length; the more frequent ones have the shorter."""
    codes: Codes = [(0, 0)] * len(frequencies)
    used = [(count, symbol) for symbol, count in enumerate(frequencies) if count]
    if len(used) <= 2:
        for code, (_, symbol) in enumerate(used):
            codes[symbol] = (code, 1)
        return codes
    used.sort()
    code = 0
    for length, count in enumerate(_counts([frequency for frequency, _ in used], longest)):
        code <<= 1
        if not count:
            continue
        for symbol in sorted(symbol for _, symbol in used[len(used) - count :]):
            codes[symbol] = (_reversed(code, length), length)
            code += 1
        used = used[: len(used) - count]
    return codes


def _reversed(code: int, length: int) -> int:
    return int(f"{code:0{length}b}"[::-1], 2) if length else 0


def _counts(frequencies: list[int], longest: int) -> list[int]:
    """How many symbols have a code of each length: the boundary package-merge of Katajainen, Moffat and Turpin.

    `frequencies` ascend. Equal ones leave a choice, which is made as in Go.
    """
    total = len(frequencies)
    longest = min(longest, total - 1)
    leaves = [*frequencies, _NEVER]
    last = [leaves[1]] * (longest + 1)
    next_leaf = [leaves[2]] * (longest + 1)
    next_pair = [leaves[0] + leaves[1]] * (longest + 2)
    next_pair[1] = _NEVER
    needed = [0] * (longest + 2)
    needed[longest] = 2 * total - 4
    chains = [[0] * (longest + 1) for _ in range(longest + 1)]
    for level in range(1, longest + 1):
        chains[level][level] = 2
    level = longest
    while True:
        if next_pair[level] == _NEVER and next_leaf[level] == _NEVER:
            needed[level] = 0
            next_pair[level + 1] = _NEVER
            level += 1
            continue
        before = last[level]
        if next_leaf[level] < next_pair[level]:
            count = chains[level][level] + 1
            last[level] = next_leaf[level]
            chains[level][level] = count
            next_leaf[level] = leaves[count]
        else:
            last[level] = next_pair[level]
            chains[level][:level] = chains[level - 1][:level]
            needed[level - 1] = 2
        needed[level] -= 1
        if needed[level] == 0:
            if level == longest:
                break
            next_pair[level + 1] = before + last[level]
            level += 1
        else:
            while needed[level - 1] > 0:
                level -= 1
    chain = chains[longest]
    return [0, *(chain[level] - chain[level - 1] for level in range(longest, 0, -1))]


def _fixed_literals() -> Codes:
    codes: Codes = []
    for symbol in range(288):
        if symbol < 144:
            code, length = 0b00110000 + symbol, 8
        elif symbol < 256:
            code, length = 0b110010000 + symbol - 144, 9
        elif symbol < 280:
            code, length = symbol - 256, 7
        else:
            code, length = 0b11000000 + symbol - 280, 8
        codes.append((_reversed(code, length), length))
    return codes


_FIXED_LITERALS = _fixed_literals()
_FIXED_OFFSETS: Codes = [(_reversed(code, 5), 5) for code in range(30)]
