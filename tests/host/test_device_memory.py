import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutra.host.device_memory import DeviceMemory
from lutra.host.errors import LutraError, OutOfDeviceMemoryError


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30000)), max_size=60))
def test_pieces_never_overlap_and_come_back(steps: list[tuple[bool, int]]):
    memory = DeviceMemory(1 << 17, alignment=256)
    held: dict[int, int] = {}
    for allocate, size in steps:
        if allocate:
            try:
                address = memory.allocate(size)
            except OutOfDeviceMemoryError:
                continue
            assert address % 256 == 0
            assert address + size <= 1 << 17
            for other, length in held.items():
                assert address + size <= other or other + length <= address
            held[address] = size
        elif held:
            address = list(held)[size % len(held)]
            del held[address]
            memory.free(address)
    for address in held:
        memory.free(address)
    assert memory.available == 1 << 17
    assert memory.allocate(1 << 17) == 0


def test_errors_are_named():
    memory = DeviceMemory(8192)
    memory.allocate(1)
    with pytest.raises(OutOfDeviceMemoryError, match="4096 of 8192 bytes are free") as caught:
        memory.allocate(4097)
    assert isinstance(caught.value, LutraError)
    with pytest.raises(ValueError, match="nothing is allocated at 0x1000"):
        memory.free(4096)
    with pytest.raises(ValueError, match="Alignment must be a power of two"):
        DeviceMemory(8192, alignment=3)


def test_memory_smaller_than_a_piece_holds_nothing():
    with pytest.raises(OutOfDeviceMemoryError):
        DeviceMemory(100).allocate(1)
