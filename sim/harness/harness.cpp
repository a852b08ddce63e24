// The compiled accelerator behind a C interface: clock, memory, control registers.
#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "Vlutra.h"
#include "axi_memory.h"
#include "lutra.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

// Answers of the functions below; `sim/verilator_device.py` has the same.
enum Outcome : int { kFinished = 0, kLimit = 1, kViolation = 2, kNoAnswer = 3, kBusError = 4 };

constexpr int kAnswerCycles = 10000;  // a register access that takes longer never ends

struct Device {
    VerilatedContext context;
    Vlutra top{&context};
    uint8_t* const bytes;
    const uint64_t size;
    lutra::AxiMemory<Vlutra> memory;
    uint64_t cycles = 0;
    std::string violation;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> trace;
#endif

    Device(uint8_t* bytes, uint64_t size) : bytes(bytes), size(size), memory(bytes, size) {
        top.rst = 1;
        top.eval();  // outputs that are constants get their value now
        for (int i = 0; i < 4; ++i) step();
        top.rst = 0;
        step();
    }
    ~Device() {
        top.final();
        munmap(bytes, size);
    }

    void edge(bool level) {
        top.clk = level;
        top.eval();
#if VM_TRACE
        context.timeInc(1);
        if (trace) trace->dump(context.time());
#endif
    }
    unsigned handshakes() const {
        return top.m_axi_arvalid | top.m_axi_rready << 1 | top.m_axi_awvalid << 2 |
               top.m_axi_wvalid << 3 | top.m_axi_bready << 4;
    }
    static std::string follows(unsigned changed) {
        static const char* const names[] = {"arvalid", "rready", "awvalid", "wvalid", "bready"};
        std::string text = "output must not follow an input within a cycle:";
        for (int i = 0; i < 5; ++i)
            if (changed >> i & 1) text += std::string(" m_axi_") + names[i];
        return text;
    }
    // One clock cycle. The inputs change behind the rising edge, as they do behind a register.
    void step() {
        memory.cycle(top);
        const unsigned before = handshakes();
        edge(false);
        if (__builtin_expect(handshakes() != before && violation.empty(), 0))
            violation = follows(handshakes() ^ before);
        edge(true);
        ++cycles;
    }
    bool violated() {
        if (violation.empty()) violation = memory.violation();
        return !violation.empty();
    }
};

Device* as_device(void* device) { return static_cast<Device*>(device); }

}  // namespace

extern "C" {

// Memory pages take space only once they are touched. Null where the system has none left.
void* lutra_create(uint64_t memory_bytes) {
    void* bytes = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return nullptr;
    return new Device(static_cast<uint8_t*>(bytes), memory_bytes);
}

void lutra_destroy(void* device) { delete as_device(device); }

uint8_t* lutra_memory(void* device) { return as_device(device)->bytes; }

uint64_t lutra_cycles(void* device) { return as_device(device)->cycles; }

void lutra_set_timing(void* device, uint64_t latency, uint64_t bytes_per_cycle) {
    as_device(device)->memory.set_timing(latency, bytes_per_cycle);
}

void lutra_set_stalls(void* device, uint32_t share, uint32_t seed) {
    as_device(device)->memory.set_stalls(share, seed);
}

void lutra_set_fault(void* device, uint64_t begin, uint64_t end) {
    as_device(device)->memory.set_fault(begin, end);
}

// Text of the first broken rule of the bus; empty where there was none. Reading it clears it.
const char* lutra_violation(void* device) {
    static thread_local std::string text;
    Device& d = *as_device(device);
    d.violated();
    text = d.violation;
    d.violation.clear();
    d.memory.clear_violation();
    return text.c_str();
}

int lutra_write_register(void* device, uint32_t offset, uint32_t value) {
    Device& d = *as_device(device);
    Vlutra& top = d.top;
    top.s_axil_awaddr = offset;
    top.s_axil_wdata = value;
    top.s_axil_wstrb = 0xF;
    top.s_axil_awvalid = top.s_axil_wvalid = top.s_axil_bready = 1;
    for (int i = 0; i < kAnswerCycles; ++i) {
        const bool address = top.s_axil_awvalid && top.s_axil_awready;
        const bool data = top.s_axil_wvalid && top.s_axil_wready;
        const bool answer = top.s_axil_bvalid;
        const bool good = top.s_axil_bresp == lutra::kOkay;
        d.step();
        if (address) top.s_axil_awvalid = 0;
        if (data) top.s_axil_wvalid = 0;
        if (answer) {
            top.s_axil_bready = 0;
            return good ? kFinished : kBusError;
        }
    }
    return kNoAnswer;
}

int lutra_read_register(void* device, uint32_t offset, uint32_t* value) {
    Device& d = *as_device(device);
    Vlutra& top = d.top;
    top.s_axil_araddr = offset;
    top.s_axil_arvalid = top.s_axil_rready = 1;
    for (int i = 0; i < kAnswerCycles; ++i) {
        const bool address = top.s_axil_arvalid && top.s_axil_arready;
        const bool answer = top.s_axil_rvalid;
        const bool good = top.s_axil_rresp == lutra::kOkay;
        *value = top.s_axil_rdata;
        d.step();
        if (address) top.s_axil_arvalid = 0;
        if (answer) {
            top.s_axil_rready = 0;
            return good ? kFinished : kBusError;
        }
    }
    return kNoAnswer;
}

// Runs until the interrupt line is high, at most `limit` cycles.
int lutra_run(void* device, uint64_t limit) {
    Device& d = *as_device(device);
    for (uint64_t i = 0; i < limit; ++i) {
        if (d.top.irq) return d.violated() ? kViolation : kFinished;
        d.step();
        if (__builtin_expect((i & 1023) == 0 && d.violated(), 0)) return kViolation;
    }
    if (d.violated()) return kViolation;
    return d.top.irq ? kFinished : kLimit;
}

// Seconds that `cycles` bare clock cycles take: the clock toggles, every input stands still, and
// nothing but the model runs. The memory port gets no answers, so the caller has to have started
// work that needs none.
double lutra_bare(void* device, uint64_t cycles) {
    Vlutra& top = as_device(device)->top;
    top.m_axi_arready = top.m_axi_awready = top.m_axi_wready = 0;
    top.m_axi_rvalid = top.m_axi_bvalid = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < cycles; ++i) {
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return seconds.count();
}

// Begins a waveform; 0 where the model was compiled without.
int lutra_trace(void* device, const char* path) {
#if VM_TRACE
    Device& d = *as_device(device);
    d.context.traceEverOn(true);
    d.trace = std::make_unique<VerilatedVcdC>();
    d.top.trace(d.trace.get(), 99);
    d.trace->open(path);
    return d.trace->isOpen();
#else
    (void)device, (void)path;
    return 0;
#endif
}

}  // extern "C"
