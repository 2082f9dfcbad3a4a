/* app_protocol.c - the device's side of the serial protocol. */
#include "app_protocol.h"

#include "app_crc32.h"
#include "app_protocol_tag.h"
#include "app_reply.h"
#include "app_stream.h"
#include "firmware_id.h"
#include "mcukd_known_answer.h"
#include "mcukd_model.h"
#include "mcukd_port.h"
#include "mcukd_trace.h"

#define WINDOW_VALUES ((uint32_t)MCUKD_MODEL_WINDOW * MCUKD_MODEL_CHANNELS)
#define TRACE_DIGEST 255u
#define TRACE_VALUES_MAX 32u

static const uint8_t firmware_sha256[32] = { MCUKD_FIRMWARE_SHA256_BYTES };
static int16_t window[MCUKD_MODEL_WINDOW][MCUKD_MODEL_CHANNELS];
static app_stream stream; /* of the samples that the host pushes */

/* The trace goes on from the step it stands at, so that asking for all steps in turn costs one pass. */
static mcukd_state trace_state;
static mcukd_trace trace;
static uint32_t trace_steps;

static int16_t get_value(const uint8_t *bytes)
{
    const int32_t bits = (int32_t)app_get(bytes, 2);
    return (int16_t)(bits < 32768 ? bits : bits - 65536);
}

static void who(void)
{
    static const char name[] = PORT_BOARD_NAME;
    app_put_bytes(firmware_sha256, 32);
    app_put_bytes(mcukd_model_sha256, 32);
    app_put(MCUKD_MODEL_WINDOW, 4);
    app_put(MCUKD_MODEL_HOP, 4);
    app_put(MCUKD_MODEL_HIDDEN, 2);
    app_put(MCUKD_MODEL_CHANNELS, 1);
    app_put(MCUKD_MODEL_CLASSES, 1);
    app_put(PORT_EMULATED, 1);
    app_put(PORT_COUNTER_KIND, 1);
    app_put(PORT_COUNTER_SCALE, 4);
    for (uint32_t i = 0; i + 1u < sizeof name && i < 40u; i++) {
        app_put((uint8_t)name[i], 1);
    }
}

static void write_window(const uint8_t *payload, uint32_t count)
{
    if (count < 4u || (count & 1u) != 0) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const uint32_t offset = app_get(payload, 4);
    const uint32_t bytes = count - 4u;
    if ((offset & 1u) != 0 || offset > 2u * WINDOW_VALUES || bytes > 2u * WINDOW_VALUES - offset) {
        app_fail(APP_ERROR_RANGE, 2u * WINDOW_VALUES);
        return;
    }
    for (uint32_t i = 0; i < bytes / 2u; i++) {
        const uint32_t value = offset / 2u + i;
        window[value / MCUKD_MODEL_CHANNELS][value % MCUKD_MODEL_CHANNELS] = get_value(payload + 4u + 2u * i);
    }
    trace_steps = 0;
    app_put(offset, 4);
    app_put(bytes, 2);
}

/* One window from zero, with the CRC-32 over all its states. */
static uint8_t checked_pass(const int16_t *samples, int16_t *logits, uint32_t *crc)
{
    mcukd_state state;
    *crc = 0;
    mcukd_model_reset(&state);
    for (uint32_t t = 0; t < MCUKD_MODEL_WINDOW; t++) {
        mcukd_model_step(&state, samples + t * MCUKD_MODEL_CHANNELS);
        *crc = app_crc32_int16(*crc, state.h, MCUKD_MODEL_HIDDEN);
    }
    return mcukd_model_classify(&state, logits);
}

/* The same with nothing else in it. Returns the counter's ticks. */
static uint32_t timed_pass(int16_t *logits, uint8_t *class_found)
{
    mcukd_state state;
    const uint32_t start = port_counter();
    mcukd_model_reset(&state);
    for (uint32_t t = 0; t < MCUKD_MODEL_WINDOW; t++) {
        mcukd_model_step(&state, window[t]);
    }
    *class_found = mcukd_model_classify(&state, logits);
    return port_counter() - start;
}

static int same(const int16_t *a, const int16_t *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i] != b[i]) {
            return 0;
        }
    }
    return 1;
}

static void run(const uint8_t *payload, uint32_t count)
{
    if (count != 4u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const uint32_t window_crc = app_crc32_int16(0, window[0], WINDOW_VALUES);
    if (window_crc != app_get(payload, 4)) {
        app_fail(APP_ERROR_WINDOW_CRC, window_crc);
        return;
    }
    int16_t logits[MCUKD_MODEL_CLASSES];
    int16_t timed_logits[MCUKD_MODEL_CLASSES];
    uint32_t state_crc;
    uint8_t timed_class;
    const uint8_t class_found = checked_pass(window[0], logits, &state_crc);
    const uint32_t ticks = timed_pass(timed_logits, &timed_class);
    const uint32_t stack = port_stack_high_water(); /* since the start, so of every request so far */
    if (timed_class != class_found || !same(logits, timed_logits, MCUKD_MODEL_CLASSES)) {
        app_fail(APP_ERROR_PASSES_DIFFER, timed_class);
        return;
    }
    app_put(class_found, 1);
    app_put(state_crc, 4);
    app_put(ticks, 4);
    app_put(stack, 4);
    app_put_values(logits, MCUKD_MODEL_CLASSES);
}

static void trace_step(const uint8_t *payload, uint32_t count)
{
    if (count != 7u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const int16_t *const tensors[MCUKD_TRACE_TENSORS] = { MCUKD_TRACE_LIST(trace) };
    const uint32_t step = app_get(payload, 4);
    const uint32_t tensor = payload[4];
    const uint32_t offset = app_get(payload + 5, 2);
    if (step >= MCUKD_MODEL_WINDOW) {
        app_fail(APP_ERROR_RANGE, MCUKD_MODEL_WINDOW);
        return;
    }
    if (tensor >= MCUKD_TRACE_TENSORS && tensor != TRACE_DIGEST) {
        app_fail(APP_ERROR_RANGE, MCUKD_TRACE_TENSORS);
        return;
    }
    if (offset >= MCUKD_TRACE_VALUES) {
        app_fail(APP_ERROR_RANGE, MCUKD_TRACE_VALUES);
        return;
    }
    if (trace_steps > step + 1u) {
        trace_steps = 0;
    }
    if (trace_steps == 0) {
        mcukd_model_reset(&trace_state);
    }
    while (trace_steps <= step) {
        mcukd_model_step_traced(&trace_state, window[trace_steps], &trace);
        trace_steps++;
    }
    app_put(step, 4);
    app_put(tensor, 1);
    app_put(offset, 2);
    app_put(MCUKD_TRACE_VALUES, 2);
    if (tensor == TRACE_DIGEST) {
        uint32_t crc = 0;
        for (uint32_t i = 0; i < MCUKD_TRACE_TENSORS; i++) {
            crc = app_crc32_int16(crc, tensors[i], MCUKD_TRACE_VALUES);
        }
        app_put(crc, 4);
        return;
    }
    const uint32_t left = MCUKD_TRACE_VALUES - offset;
    app_put_values(tensors[tensor] + offset, left < TRACE_VALUES_MAX ? left : TRACE_VALUES_MAX);
}

static void selftest(void)
{
    uint32_t logits_wrong = 0;
    uint32_t states_wrong = 0;
    for (uint32_t n = 0; n < MCUKD_KNOWN_ANSWERS; n++) {
        int16_t logits[MCUKD_MODEL_CLASSES];
        uint32_t crc;
        (void)checked_pass(mcukd_known_windows[n][0], logits, &crc);
        logits_wrong |= (uint32_t)!same(logits, mcukd_known_logits[n], MCUKD_MODEL_CLASSES) << (n & 31u);
        states_wrong |= (uint32_t)(crc != mcukd_known_state_crc[n]) << (n & 31u);
    }
    app_put(MCUKD_KNOWN_ANSWERS, 1);
    app_put(logits_wrong, 4);
    app_put(states_wrong, 4);
}

static void put_stream(void)
{
    app_put(stream.samples, 4);
    app_put(stream.results, 4);
    app_put(stream.latest_class, 1);
    app_put_values(stream.latest_logits, MCUKD_MODEL_CLASSES);
}

static void push(const uint8_t *payload, uint32_t count)
{
    if (count < 4u || (count - 4u) % (2u * MCUKD_MODEL_CHANNELS) != 0) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const uint32_t index = app_get(payload, 4);
    const uint32_t samples = (count - 4u) / (2u * MCUKD_MODEL_CHANNELS);
    if (index > stream.samples) {
        app_fail(APP_ERROR_GAP, stream.samples);
        return;
    }
    for (uint32_t i = 0; i < samples; i++) {
        int16_t sample[MCUKD_MODEL_CHANNELS];
        if (index + i < stream.samples) {
            continue; /* a repeat */
        }
        for (uint32_t c = 0; c < MCUKD_MODEL_CHANNELS; c++) {
            sample[c] = get_value(payload + 4u + 2u * (i * MCUKD_MODEL_CHANNELS + c));
        }
        (void)app_stream_push(&stream, sample);
    }
    put_stream();
}

static void ethogram(void)
{
    app_put(stream.results, 4);
    for (uint32_t k = 0; k < MCUKD_MODEL_CLASSES; k++) {
        app_put(stream.ethogram[k], 4);
    }
}

uint32_t app_protocol_take(uint32_t *words, uint32_t count)
{
    int16_t *values = window[0];
    if (2u * count > WINDOW_VALUES) {
        return 0;
    }
    const uint32_t crc = app_crc32_int16(0, values, 2u * count);
    for (uint32_t i = 0; i < count; i++) {
        words[i] = (uint32_t)(uint16_t)values[2u * i] | (uint32_t)(uint16_t)values[2u * i + 1u] << 16;
        values[2u * i] = 0;
        values[2u * i + 1u] = 0;
    }
    trace_steps = 0;
    return crc;
}

void app_protocol_start(void)
{
    app_stream_reset(&stream);
}

void app_protocol_handle(const app_message *request)
{
    if (request->count < APP_HEADER_BYTES || (request->bytes[1] & APP_REPLY) != 0) {
        return; /* not a request; an answer to an answer would never end */
    }
    const uint8_t *payload = request->bytes + APP_HEADER_BYTES;
    const uint32_t count = request->count - APP_HEADER_BYTES;
    app_reply_begin(request);
    if (request->bytes[0] != APP_PROTOCOL_VERSION) {
        app_fail(APP_ERROR_VERSION, APP_PROTOCOL_VERSION);
    } else {
        switch (request->bytes[1]) {
        case APP_WHO:
            who();
            break;
        case APP_WRITE:
            write_window(payload, count);
            break;
        case APP_RUN:
            run(payload, count);
            break;
        case APP_TRACE:
            trace_step(payload, count);
            break;
        case APP_SELFTEST:
            selftest();
            break;
        case APP_PUSH:
            push(payload, count);
            break;
        case APP_ETHOGRAM:
            ethogram();
            break;
        case APP_RESET:
            app_stream_reset(&stream);
            put_stream();
            break;
        default:
            if (!app_protocol_tag_handle(request->bytes[1], payload, count)) {
                app_fail(APP_ERROR_UNKNOWN_REQUEST, request->bytes[1]);
            }
            break;
        }
    }
    app_reply_send();
}
