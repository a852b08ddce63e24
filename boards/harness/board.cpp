// A compiled board with its serial line: bytes go into the pin `rx` and come out of `tx`, bit by bit.
#include <cstdint>
#include <deque>
#include <vector>

#include "Vboard.h"
#include "verilated.h"

namespace {

constexpr int kBits = 10;  // start, eight data bits from the lowest on, stop

struct Board {
    VerilatedContext context;
    Vboard top{&context};
    const uint32_t divisor;  // clock cycles of one bit
    uint64_t cycles = 0;

    std::deque<uint8_t> to_send;
    uint32_t sending = 0, send_bits = 0, send_timer = 0;

    std::vector<uint8_t> received;
    uint32_t receiving = 0, receive_bits = 0, receive_timer = 0;
    uint64_t framing_errors = 0;

    explicit Board(uint32_t divisor) : divisor(divisor) {
        top.rx = 1;
        top.rst = 1;
        for (int i = 0; i < 4; ++i) clock();
        top.rst = 0;
        clock();
    }
    ~Board() { top.final(); }

    void clock() {
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        ++cycles;
    }
    bool line_active() const { return send_bits || !to_send.empty() || receive_bits; }

    void send() {
        if (send_timer) {
            --send_timer;
            return;
        }
        if (send_bits == 0 && !to_send.empty()) {
            sending = 1u << 9 | static_cast<uint32_t>(to_send.front()) << 1;
            to_send.pop_front();
            send_bits = kBits;
        }
        if (send_bits) {
            top.rx = sending & 1;
            sending >>= 1;
            --send_bits;
            send_timer = divisor - 1;
        }
    }
    void receive() {
        if (receive_bits == 0) {
            if (top.tx) return;
            receive_bits = kBits;
            receiving = 0;
            receive_timer = divisor / 2;
        }
        if (receive_timer) {
            --receive_timer;
            return;
        }
        receiving |= static_cast<uint32_t>(top.tx) << (kBits - receive_bits);
        receive_timer = divisor - 1;
        if (--receive_bits == 0) {
            if (receiving >> 9 & 1)
                received.push_back(receiving >> 1 & 255);
            else
                ++framing_errors;
        }
    }
};

Board* as_board(void* board) { return static_cast<Board*>(board); }

}  // namespace

extern "C" {

void* board_create(uint32_t divisor) { return new Board(divisor); }

void board_destroy(void* board) { delete as_board(board); }

uint64_t board_cycles(void* board) { return as_board(board)->cycles; }

uint64_t board_framing_errors(void* board) { return as_board(board)->framing_errors; }

void board_send(void* board, const uint8_t* bytes, uint32_t size) {
    Board& b = *as_board(board);
    b.to_send.insert(b.to_send.end(), bytes, bytes + size);
}

// Runs until `room` bytes were received or `limit` cycles have passed; both lines idle for
// `quiet` cycles end it before. Returns the number of bytes.
uint32_t board_run(void* board, uint64_t limit, uint64_t quiet, uint8_t* bytes, uint32_t room) {
    Board& b = *as_board(board);
    uint64_t still = 0;
    for (uint64_t i = 0; i < limit && b.received.size() < room && still < quiet; ++i) {
        b.send();
        b.clock();
        b.receive();
        still = b.line_active() ? 0 : still + 1;
    }
    const uint32_t count = b.received.size();
    for (uint32_t i = 0; i < count; ++i) bytes[i] = b.received[i];
    b.received.clear();
    return count;
}

}  // extern "C"
