// AXI4 memory as the accelerator sees it: latency, bandwidth, faults, protocol checks.
//
// `cycle` is called once a clock cycle, after the outputs of the core have settled behind the
// rising edge. All outputs of the core are registers, so what they show now is what the next rising
// edge samples, and the memory knows at once which transfers that edge will complete.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "lutra.h"

namespace lutra {

constexpr uint64_t kBeat = LUTRA_AXI_BYTES;
enum Response : uint8_t { kOkay = 0, kSlaveError = 2, kDecodeError = 3 };

// One address, and later one write response, under way.
struct Burst {
    uint64_t address;
    uint64_t due;  // cycle of the first read beat, or of the write response
    uint32_t beats;
    uint32_t id;
    uint8_t response;
};

// Ring of fixed size; a full one holds its channel's ready low.
class BurstQueue {
public:
    bool empty() const { return head_ == tail_; }
    bool full() const { return tail_ - head_ == kSize; }
    Burst& front() { return bursts_[head_ % kSize]; }
    void push(const Burst& burst) { bursts_[tail_++ % kSize] = burst; }
    void pop() { ++head_; }

private:
    static constexpr uint64_t kSize = 64;
    Burst bursts_[kSize] = {};
    uint64_t head_ = 0, tail_ = 0;
};

template <class Top>
class AxiMemory {
public:
    AxiMemory(uint8_t* bytes, uint64_t size) : bytes_(bytes), size_(size) {}

    // latency: cycles from the address transfer to the first beat, and from the last write beat
    // to the response (at least 1). bytes_per_cycle: shared by reads and writes, 0 = unlimited.
    void set_timing(uint64_t latency, uint64_t bytes_per_cycle) {
        latency_ = latency < 1 ? 1 : latency;
        rate_ = bytes_per_cycle;
        credit_ = 0;
    }
    // Each channel stands still in about `share`/256 of the cycles.
    void set_stalls(uint32_t share, uint32_t seed) {
        stalls_ = share;
        random_ = seed * 2654435761u | 1;
    }
    // Accesses that touch [begin, end) are answered with SLVERR.
    void set_fault(uint64_t begin, uint64_t end) {
        fault_begin_ = begin;
        fault_end_ = end;
    }
    const std::string& violation() const { return violation_; }
    void clear_violation() { violation_.clear(); }

    void cycle(Top& top) {
        ++now_;
        if (rate_ != 0) {
            // The cap keeps fractions of a beat, and nothing else, for later.
            credit_ += rate_;
            if (credit_ > kBeat + rate_) credit_ = kBeat + rate_;
        }
        accept_addresses(top);
        if (writes_first_) {
            write_data(top);
            read_data(top);
        } else {
            read_data(top);
            write_data(top);
        }
        write_response(top);
        check_held(top);
    }

private:
    bool stalled() {
        if (__builtin_expect(stalls_ == 0, 1)) return false;
        random_ ^= random_ << 13;
        random_ ^= random_ >> 17;
        random_ ^= random_ << 5;
        return (random_ >> 8 & 255) < stalls_;
    }
    bool pay() {
        if (rate_ == 0) return true;
        if (credit_ < kBeat) return false;
        credit_ -= kBeat;
        return true;
    }
    uint8_t response_at(uint64_t address) const {
        if (address + kBeat > size_) return kDecodeError;
        return address < fault_end_ && address + kBeat > fault_begin_ ? kSlaveError : kOkay;
    }
    void check(bool good, const char* rule) {
        if (__builtin_expect(!good && violation_.empty(), 0))
            violation_ = std::string(rule) + " (cycle " + std::to_string(now_) + ")";
    }
    void check_burst(uint64_t address, uint32_t beats, uint32_t size, uint32_t burst) {
        check(burst == 1, "AxBURST must be INCR");
        check((1ull << size) == kBeat, "AxSIZE must be the width of the bus");
        check(address % kBeat == 0, "AxADDR must be aligned to a beat");
        check(address / 4096 == (address + beats * kBeat - 1) / 4096,
              "a burst must not cross a 4 KiB boundary");
    }

    void accept_addresses(Top& top) {
        top.m_axi_arready = !reads_.full() && !stalled();
        if (top.m_axi_arvalid && top.m_axi_arready) {
            const uint32_t beats = top.m_axi_arlen + 1u;
            check_burst(top.m_axi_araddr, beats, top.m_axi_arsize, top.m_axi_arburst);
            reads_.push({top.m_axi_araddr, now_ + latency_, beats, top.m_axi_arid, kOkay});
        }
        top.m_axi_awready = !writes_.full() && !stalled();
        if (top.m_axi_awvalid && top.m_axi_awready) {
            const uint32_t beats = top.m_axi_awlen + 1u;
            check_burst(top.m_axi_awaddr, beats, top.m_axi_awsize, top.m_axi_awburst);
            writes_.push({top.m_axi_awaddr, 0, beats, top.m_axi_awid, kOkay});
        }
    }

    void read_data(Top& top) {
        if (!reading_) {
            reading_ = !reads_.empty() && reads_.front().due <= now_ && !stalled() && pay();
            top.m_axi_rvalid = reading_;
            if (!reading_) return;
            Burst& burst = reads_.front();
            const uint8_t response = response_at(burst.address);
            if (__builtin_expect(response == kDecodeError, 0))
                std::memset(&top.m_axi_rdata, 0, kBeat);
            else
                std::memcpy(&top.m_axi_rdata, bytes_ + burst.address, kBeat);
            top.m_axi_rresp = response;
            top.m_axi_rid = burst.id;
            top.m_axi_rlast = burst.beats == 1;
            burst.address += kBeat;
            if (--burst.beats == 0) reads_.pop();
            writes_first_ = true;
        }
        if (top.m_axi_rready) reading_ = false;
    }

    void write_data(Top& top) {
        const bool take = top.m_axi_wvalid && !writes_.empty() && !responses_.full() &&
                          !stalled() && pay();
        top.m_axi_wready = take;
        if (!take) return;
        Burst& burst = writes_.front();
        const uint8_t response = response_at(burst.address);
        if (response > burst.response) burst.response = response;
        if (response == kOkay) store(top, bytes_ + burst.address);
        check(top.m_axi_wlast == (burst.beats == 1), "WLAST must mark the last beat");
        burst.address += kBeat;
        if (--burst.beats == 0) {
            burst.due = now_ + latency_;
            responses_.push(burst);
            writes_.pop();
        }
        writes_first_ = false;
    }

    void store(const Top& top, uint8_t* target) {
        uint8_t data[kBeat], strobes[(kBeat + 7) / 8];
        std::memcpy(data, &top.m_axi_wdata, kBeat);
        std::memcpy(strobes, &top.m_axi_wstrb, sizeof strobes);
        for (uint64_t i = 0; i < kBeat; ++i)
            if (strobes[i / 8] >> i % 8 & 1) target[i] = data[i];
    }

    void write_response(Top& top) {
        if (!responding_) {
            responding_ = !responses_.empty() && responses_.front().due <= now_ && !stalled();
            top.m_axi_bvalid = responding_;
            if (!responding_) return;
            top.m_axi_bid = responses_.front().id;
            top.m_axi_bresp = responses_.front().response;
            responses_.pop();
        }
        if (top.m_axi_bready) responding_ = false;
    }

    // What was offered and not taken has to be offered again, unchanged.
    void check_held(const Top& top) {
        check(!ar_held_ || (top.m_axi_arvalid && top.m_axi_araddr == araddr_), "AR must stay until it is taken");
        check(!aw_held_ || (top.m_axi_awvalid && top.m_axi_awaddr == awaddr_), "AW must stay until it is taken");
        check(!w_held_ || (top.m_axi_wvalid && !std::memcmp(wdata_, &top.m_axi_wdata, kBeat)),
              "W must stay until it is taken");
        ar_held_ = top.m_axi_arvalid && !top.m_axi_arready;
        aw_held_ = top.m_axi_awvalid && !top.m_axi_awready;
        w_held_ = top.m_axi_wvalid && !top.m_axi_wready;
        araddr_ = top.m_axi_araddr;
        awaddr_ = top.m_axi_awaddr;
        if (w_held_) std::memcpy(wdata_, &top.m_axi_wdata, kBeat);
    }

    uint8_t* const bytes_;
    const uint64_t size_;
    uint64_t now_ = 0, latency_ = 1, rate_ = 0, credit_ = 0;
    uint64_t fault_begin_ = 0, fault_end_ = 0;
    uint32_t stalls_ = 0, random_ = 1;
    BurstQueue reads_, writes_, responses_;
    bool reading_ = false, responding_ = false, writes_first_ = false;
    bool ar_held_ = false, aw_held_ = false, w_held_ = false;
    uint64_t araddr_ = 0, awaddr_ = 0;
    uint8_t wdata_[kBeat] = {};
    std::string violation_;
};

}  // namespace lutra
