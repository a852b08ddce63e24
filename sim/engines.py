"""Programs executed in order: every check that the hardware makes, tokens, and the datapath."""

from __future__ import annotations

from collections import deque

import numpy as np

from ..hw.axi import BURST_BYTES
from ..hw.config import Config
from ..hw.isa import ENGINES, MAX_PLANES, Buffer, Engine, ErrorCode, Opcode
from ..hw.program import INSTRUCTION_BYTES, decode_columns, unpack_planes
from .datapath import Datapath, PsumOverflow

__all__ = ["Engines", "ProgramError"]

_TOKENS = 255
#: Instructions that wait for tokens before dispatch stops: the queue, and what an engine holds.
_WAITING = {Engine.LOAD: 6, Engine.COMPUTE: 4, Engine.STORE: 6}
_WRITE_BURST_BEATS = 16
_CACHED_PROGRAMS = 64


class ProgramError(Exception):
    """A program stopped: `code` and `address` as in the error registers."""

    def __init__(self, code: ErrorCode, address: int) -> None:
        super().__init__(f"{code.name} at {address:#x}")
        self.code, self.address = code, address


class Engines:
    """LOAD, COMPUTE and STORE on a memory, one instruction after the other.

    Program order is a legal order: every token is given before it is waited for. An
    instruction whose token is missing waits in its engine's queue, like all behind it, while the
    others go on; where that ends in nobody moving, the program is reported as a deadlock.

    Parameters
    ----------
    config : Config
    memory : ndarray of uint8
    """

    def __init__(self, config: Config, memory: np.ndarray) -> None:
        self._config, self._memory = config, memory
        self._datapath = Datapath(config)
        self._beat = config.axi_bits // 8
        self._decoded: dict[bytes, list[tuple[Opcode | None, dict[str, int]]]] = {}
        self._tokens: dict[tuple[Engine, Engine], int] = {}
        self._waiting: dict[Engine, deque[tuple[Opcode, dict[str, int], int]]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget tokens, queues and planes; the buffers' contents stay."""
        self._tokens = {(a, b): 0 for a in ENGINES for b in ENGINES if a != b}
        self._waiting = {engine: deque() for engine in ENGINES}
        self._datapath.coefficients = []

    def run(self, program: np.ndarray, base: int, length: int) -> None:
        """Execute `program`, the part of its `length` instructions at `base` that memory has.

        Raises
        ------
        ProgramError
            The program stopped before its END.
        """
        for i, (opcode, fields) in enumerate(self._decode(program)):
            address = base + i * INSTRUCTION_BYTES
            if opcode is None:
                raise ProgramError(ErrorCode.ILLEGAL_OPCODE, address)
            if opcode is Opcode.END:
                if fields["wait"] or fields["signal"]:
                    raise ProgramError(ErrorCode.ILLEGAL_FIELD, address)
                if any(self._waiting.values()):
                    raise ProgramError(ErrorCode.DEADLOCK, 0)
                return
            engine = opcode.engine
            assert engine is not None
            waiting = self._waiting[engine]
            waiting.append((opcode, fields, address))
            self._advance(engine)
            if len(waiting) > _WAITING[engine]:
                raise ProgramError(ErrorCode.DEADLOCK, 0)
        if len(program) < length:
            raise ProgramError(ErrorCode.READ_RESPONSE, self._burst(base, len(self._memory)))
        raise ProgramError(ErrorCode.NO_END, base + length * INSTRUCTION_BYTES)

    # -- order -----------------------------------------------------------------------------------

    def _advance(self, first: Engine) -> None:
        """Execute what has its tokens, beginning with `first`, until nothing moves."""
        ready = [first]
        while ready:
            engine = ready.pop()
            waiting = self._waiting[engine]
            while waiting and self._take(engine, waiting[0]):
                opcode, fields, address = waiting.popleft()
                self._execute(opcode, fields, address)
                ready += self._give(engine, fields["signal"])

    def _take(self, engine: Engine, instruction: tuple[Opcode, dict[str, int], int]) -> bool:
        opcode, fields, address = instruction
        if (fields["wait"] | fields["signal"]) >> engine & 1:
            raise ProgramError(ErrorCode.ILLEGAL_FIELD, address)
        self._check(opcode, fields, address)
        if not fields["wait"]:
            return True
        givers = [giver for giver in ENGINES if fields["wait"] >> giver & 1]
        if any(self._tokens[giver, engine] == 0 for giver in givers):
            return False
        for giver in givers:
            self._tokens[giver, engine] -= 1
        return True

    def _give(self, engine: Engine, signal: int) -> list[Engine]:
        takers = [taker for taker in ENGINES if signal >> taker & 1]
        for taker in takers:
            self._tokens[engine, taker] += 1
            if self._tokens[engine, taker] > _TOKENS:
                raise ProgramError(ErrorCode.TOKEN_OVERFLOW, 0)
        return [taker for taker in takers if self._waiting[taker]]

    # -- checks ----------------------------------------------------------------------------------

    def _check(self, opcode: Opcode, f: dict[str, int], address: int) -> None:
        """What an engine refuses before it begins."""
        code = ErrorCode.NONE
        if opcode is Opcode.LOAD:
            code = self._check_load(f)
        elif opcode is Opcode.STORE:
            code = self._check_store(f)
        elif opcode is Opcode.LMMA and not (f["k_blocks"] and f["n_blocks"] and f["rows"]):
            code = ErrorCode.ILLEGAL_FIELD
        if code is not ErrorCode.NONE:
            raise ProgramError(code, address)

    def _check_load(self, f: dict[str, int]) -> ErrorCode:
        c = self._config
        words = {
            Buffer.ACT: (c.act_word_bits, c.act_depth),
            Buffer.WEIGHT: (c.weight_word_bits, c.weight_depth),
            Buffer.SCALE: (c.scale_word_bits, c.scale_depth),
        }
        if f["buffer"] not in words or f["rows"] == 0:
            return ErrorCode.ILLEGAL_FIELD
        bits, depth = words[Buffer(f["buffer"])]
        first = 0 if f["buffer"] == Buffer.WEIGHT else f["row"]
        if first + f["rows"] > depth // c.words_per_row(bits):
            return ErrorCode.BUFFER_RANGE
        return self._check_address(f["address"], f["rows"] * c.beats_per_row(bits))

    def _check_store(self, f: dict[str, int]) -> ErrorCode:
        c = self._config
        if f["words"] == 0 or (f["requantise"] and not c.requantise_lanes):
            return ErrorCode.ILLEGAL_FIELD
        if f["psum_base"] + f["words"] > c.psum_depth:
            return ErrorCode.BUFFER_RANGE
        bits = c.requant_word_bits if f["requantise"] else c.psum_word_bits
        beats = -(-f["words"] * c.memory_word_bits(bits) // c.axi_bits)
        return self._check_address(f["address"], beats)

    def _check_address(self, address: int, beats: int) -> ErrorCode:
        end = address + beats * self._beat
        good = address % self._beat == 0 and end <= 1 << self._config.addr_bits
        return ErrorCode.NONE if good else ErrorCode.ADDRESS

    # -- execution -------------------------------------------------------------------------------

    def _execute(self, opcode: Opcode, f: dict[str, int], address: int) -> None:
        if opcode is Opcode.LOAD:
            self._load(f)
        elif opcode is Opcode.PLANES:
            self._planes(f, address)
        elif opcode is Opcode.LMMA:
            self._lmma(f, address)
        else:
            self._store(f)

    def _load(self, f: dict[str, int]) -> None:
        c = self._config
        buffer = Buffer(f["buffer"])
        bits = (c.act_word_bits, c.weight_word_bits, c.scale_word_bits)[buffer]
        start = f["address"]
        end = start + f["rows"] * c.beats_per_row(bits) * self._beat
        if end > len(self._memory):
            raise ProgramError(ErrorCode.READ_RESPONSE, self._burst(start, len(self._memory)))
        self._datapath.load(buffer, f["row"], self._memory[start:end])

    def _planes(self, f: dict[str, int], address: int) -> None:
        c = self._config
        limit = 1 << c.max_weight_bits
        most_act_planes = c.act_bits if c.pe == "bitserial" else 1
        good = 1 <= f["count"] <= MAX_PLANES and 1 <= f["act_planes"] <= most_act_planes
        good = good and abs(f["coefficient"]) <= limit and not (f["halve"] and c.digit_bits > 1)
        planes = unpack_planes(f["planes"], min(f["count"], MAX_PLANES))
        magnitude = 0
        for shift, _ in planes:
            magnitude = (magnitude << shift) + 1
            good = good and magnitude <= c.max_magnitude and shift <= c.max_shift
        if not good:
            raise ProgramError(ErrorCode.ILLEGAL_PLANES, address)
        self._datapath.set_planes(
            planes,
            halve=bool(f["halve"]),
            coefficient=f["coefficient"],
            act_planes=f["act_planes"],
        )

    def _lmma(self, f: dict[str, int], address: int) -> None:
        c = self._config
        if not self._datapath.coefficients:
            raise ProgramError(ErrorCode.ILLEGAL_PLANES, address)
        last_row = f["rows"] - 1
        act_end = f["act_base"] + last_row * f["act_stride"] + f["k_blocks"]
        psum_end = f["psum_base"] + last_row * f["psum_stride"] + f["n_blocks"]
        scale_end = f["scale_base"] + f["n_blocks"] if f["group"] else 0
        if act_end > c.act_depth or psum_end > c.psum_depth or scale_end > c.scale_depth:
            raise ProgramError(ErrorCode.BUFFER_RANGE, address)
        try:
            self._datapath.multiply(f)
        except PsumOverflow as overflow:
            raise ProgramError(ErrorCode.PSUM_OVERFLOW, overflow.args[0]) from None

    def _store(self, f: dict[str, int]) -> None:
        requantised = (f["multiplier"], f["shift"]) if f["requantise"] else None
        image = self._datapath.store(f["psum_base"], f["words"], requantised=requantised)
        start, room = f["address"], len(self._memory) - f["address"]
        if room < len(image):
            bad = self._burst(start, len(self._memory), _WRITE_BURST_BEATS)
            if bad > start:
                self._memory[start:bad] = image[: bad - start]
            raise ProgramError(ErrorCode.WRITE_RESPONSE, bad)
        self._memory[start : start + len(image)] = image

    def _burst(self, start: int, bad: int, beats: int = 256) -> int:
        """Address of the burst of a transfer from `start` on that reaches address `bad`."""
        size = min(beats * self._beat, BURST_BYTES)
        return max(start, bad // size * size)

    def _decode(self, program: np.ndarray) -> list[tuple[Opcode | None, dict[str, int]]]:
        """Opcodes and fields of all instructions; programs are run again and again."""
        key = program.tobytes()
        if key not in self._decoded:
            if len(self._decoded) >= _CACHED_PROGRAMS:
                self._decoded.pop(next(iter(self._decoded)))
            opcodes = (program[:, 0] & np.uint64(15)).astype(np.int64)
            result: list[tuple[Opcode | None, dict[str, int]]] = [(None, {})] * len(program)
            for opcode in Opcode:
                where = np.flatnonzero(opcodes == opcode)
                columns = decode_columns(opcode, program[where])
                names, values = list(columns), [c.tolist() for c in columns.values()]
                for i, row in zip(where.tolist(), zip(*values, strict=True), strict=True):
                    result[i] = opcode, dict(zip(names, row, strict=True))
            self._decoded[key] = result
        return self._decoded[key]
