/* Runs a model over the windows that were loaded beside it and sends what it saw through the UART.
 *
 * Input: magic, windows, steps of a window, 1 to also compare states; then windows * steps * channels int16.
 * Output, little-endian words: magic, bytes of a state, of a logit, number of logits, stack bytes; then per
 * window timer ticks and CRC-32 of the states (0 where not asked for), and its logits padded to words.
 */
#include <stdint.h>

#include "bench_adapter.h"
#include "bench_port.h"

#define STACK_WORDS 4096
#define PAINT 0xC5A35C3Au

typedef union {
    bench_logit values[BENCH_CLASSES];
    uint32_t words[(BENCH_CLASSES * sizeof(bench_logit) + 3) / 4];
} logits_buffer;

static bench_state state;
static logits_buffer logits;
static uint32_t crc_table[256];

void bench_main(void);
void bench_window(const int16_t *samples, uint32_t steps);
void bench_done(void);

static inline __attribute__((always_inline)) void run_window(const int16_t *samples, uint32_t steps)
{
    bench_reset(&state);
    for (uint32_t t = 0; t < steps; t++) {
        bench_step(&state, samples);
        samples += BENCH_CHANNELS;
    }
    bench_classify(&state, logits.values);
}

/* What is timed and traced. */
__attribute__((noinline)) void bench_window(const int16_t *samples, uint32_t steps)
{
    run_window(samples, steps);
}

/* Where a trace ends. */
__attribute__((noinline)) void bench_done(void)
{
    __asm volatile("");
}

/* Most stack that the calls of one window take, without the frame that calls them. */
static __attribute__((noinline)) uint32_t stack_of_calls(const int16_t *samples, uint32_t steps)
{
    uint32_t top;
    __asm volatile("mov %0, sp" : "=r"(top));
    volatile uint32_t *const end = (volatile uint32_t *)top;
    volatile uint32_t *const low = end - STACK_WORDS;
    for (volatile uint32_t *word = low; word < end; word++) {
        *word = PAINT;
    }
    run_window(samples, steps);
    volatile uint32_t *used = low;
    while (used < end && *used == PAINT) {
        used++;
    }
    if (used == low) {
        bench_exit(1);
    }
    return (uint32_t)(end - used) * 4u;
}

static uint32_t crc32(uint32_t crc, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        crc = (crc >> 8) ^ crc_table[(crc ^ bytes[i]) & 0xFFu];
    }
    return crc;
}

static uint32_t crc_of_states(const int16_t *samples, uint32_t steps)
{
    uint32_t crc = 0xFFFFFFFFu;
    bench_reset(&state);
    for (uint32_t t = 0; t < steps; t++) {
        bench_step(&state, samples);
        samples += BENCH_CHANNELS;
        crc = crc32(crc, (const uint8_t *)&state, BENCH_STATE_BYTES);
    }
    return crc ^ 0xFFFFFFFFu;
}

static void send(uint32_t word)
{
    for (uint32_t i = 0; i < 4; i++) {
        while (BENCH_UART_STATE & 1u) {
        }
        BENCH_UART_DATA = (word >> (8 * i)) & 0xFFu;
    }
}

void bench_main(void)
{
    const uint32_t windows = BENCH_INPUT[1], steps = BENCH_INPUT[2], compare = BENCH_INPUT[3];
    const int16_t *const samples = (const int16_t *)(BENCH_INPUT + BENCH_INPUT_WORDS);
    if (BENCH_INPUT[0] != BENCH_INPUT_MAGIC) {
        bench_exit(1);
    }
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ (value & 1u ? 0xEDB88320u : 0u);
        }
        crc_table[i] = value;
    }
    BENCH_UART_DIVIDER = 16;
    BENCH_UART_CONTROL = 1;
    BENCH_TIMER_RELOAD = 0xFFFFFFFFu;
    BENCH_TIMER_VALUE = 0xFFFFFFFFu;
    BENCH_TIMER_CONTROL = 1;
    send(BENCH_INPUT_MAGIC);
    send(sizeof state);
    send(sizeof(bench_logit));
    send(BENCH_CLASSES);
    send(compare ? stack_of_calls(samples, steps) : 0);
    for (uint32_t w = 0; w < windows; w++) {
        const int16_t *const window = samples + w * steps * BENCH_CHANNELS;
        const uint32_t before = BENCH_TIMER_VALUE;
        bench_window(window, steps);
        const uint32_t after = BENCH_TIMER_VALUE;
        bench_done();
        send(before - after);
        send(compare && BENCH_STATE_BYTES ? crc_of_states(window, steps) : 0);
        for (uint32_t i = 0; i < sizeof logits.words / 4; i++) {
            send(logits.words[i]);
        }
    }
}
