"""Signatures between the engines: the seams along which the core is put together."""

from __future__ import annotations

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, bits_for
from .isa import INSTRUCTION_BITS, ErrorCode

__all__ = [
    "BufferWrite",
    "EngineSignature",
    "ErrorReport",
    "Instruction",
    "InstructionStream",
    "PsumRead",
    "TokenPort",
]

#: One dispatched instruction and the memory address it came from (for error reports).
Instruction = data.StructLayout({"bits": INSTRUCTION_BITS, "address": 40})


def InstructionStream() -> stream.Signature:  # noqa: N802 (a signature, used like a class)
    """Stream of `Instruction`."""
    return stream.Signature(Instruction)


class BufferWrite(wiring.Signature):
    """LOAD writes one bus beat into an on-chip buffer; always accepted.

    A row is ``beats_per_row`` beats; `beat` says which of them `data` is. It can be read two cycles
    later: that is soon enough for tokens that are given in the same cycle, and taken in the next.
    """

    def __init__(self, config: Config, word_bits: int, depth: int) -> None:
        rows = depth // config.words_per_row(word_bits)
        super().__init__(
            {
                "enable": Out(1),
                "row": Out(bits_for(rows)),
                "beat": Out(bits_for(config.beats_per_row(word_bits))),
                "data": Out(config.axi_bits),
            }
        )


class PsumRead(wiring.Signature):
    """STORE reads partial sums (seen from STORE).

    `valid`/`ready` transfer an address; the word follows with `data_valid` exactly once per
    accepted address, in order, any number of cycles later. STORE takes it in that cycle.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "address": Out(bits_for(config.psum_depth)),
                "data_valid": In(1),
                "data": In(config.lanes * config.rows * config.psum_bits),
            }
        )


class TokenPort(wiring.Signature):
    """One engine's access to the dependency tokens (seen from the engine).

    While `wait_valid`, the engine asks for one token from each engine in the `wait` mask;
    they are taken in the cycle where `wait_ready` is also high (at once for an empty mask).
    `signal_valid` gives one token to each engine in `signal`; it is never refused.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "wait": Out(3),
                "wait_valid": Out(1),
                "wait_ready": In(1),
                "signal": Out(3),
                "signal_valid": Out(1),
            }
        )


class ErrorReport(wiring.Signature):
    """An engine reports why it cannot go on; `valid` stays high until the engine is reset."""

    def __init__(self) -> None:
        super().__init__({"valid": Out(1), "code": Out(ErrorCode), "address": Out(40)})


class EngineSignature(wiring.Signature):
    """What every engine shows the control unit (seen from the engine).

    `halt` forbids to begin anything new (bursts under way are finished). `idle` is high when
    no instruction is queued or in work; `waiting` while nothing goes on but a wait for tokens;
    `quiet` when nothing is outstanding on the memory port.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "instructions": In(InstructionStream()),
                "tokens": Out(TokenPort()),
                "error": Out(ErrorReport()),
                "halt": In(1),
                "idle": Out(1),
                "waiting": Out(1),
                "quiet": Out(1),
            }
        )
