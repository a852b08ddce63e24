// Drives a gate netlist with recorded inputs and counts the changes of every bit of `out`.
// Arguments: inputs (words of 32 bits, one row a cycle), words a row, cycles, warm-up, file for the
// counts, file for `out` in every cycle.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "Vgates.h"

int main(int, char** argv) {
    const size_t words = std::strtoul(argv[2], nullptr, 10);
    const size_t cycles = std::strtoul(argv[3], nullptr, 10);
    const size_t warm_up = std::strtoul(argv[4], nullptr, 10);
    std::FILE* inputs = std::fopen(argv[1], "rb");
    std::FILE* counts = std::fopen(argv[5], "wb");
    std::FILE* outputs = std::fopen(argv[6], "wb");
    if (!inputs || !counts || !outputs) return 1;

    auto context = std::make_unique<VerilatedContext>();
    auto top = std::make_unique<Vgates>(context.get());
    const size_t watched = sizeof(top->out) / 4;
    std::vector<uint32_t> row(words), now(watched), before(watched), changes(watched * 32);
    for (size_t cycle = 0; cycle < cycles; ++cycle) {
        if (std::fread(row.data(), 4, words, inputs) != words) return 1;
        top->rst = cycle < 2;
        top->clk = 1;
        top->eval();
        std::memcpy(&top->in, row.data(), sizeof(top->in));
        top->eval();
        std::memcpy(now.data(), &top->out, sizeof(top->out));
        for (size_t i = 0; cycle > warm_up && i < watched; ++i)
            for (uint32_t bits = now[i] ^ before[i]; bits; bits &= bits - 1)
                ++changes[i * 32 + __builtin_ctz(bits)];
        before = now;
        if (std::fwrite(now.data(), 4, watched, outputs) != watched) return 1;
        top->clk = 0;
        top->eval();
    }
    if (std::fwrite(changes.data(), 4, changes.size(), counts) != changes.size()) return 1;
    top->final();
    return std::fclose(inputs) | std::fclose(counts) | std::fclose(outputs);
}
