"""cocotb testbenches; they run inside the simulator."""
