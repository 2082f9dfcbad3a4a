/* app_watch.c - a host that watches: results and samples are told as they come, for a time that it asks for. */
#include "app_watch.h"

#include "app_protocol.h"
#include "app_reply.h"
#include "app_tag.h"
#include "tag.h"
#include "tag_port.h"

#define SECONDS_MOST 600u
enum { TELLS_RESULTS = 1, TELLS_SAMPLES = 2, TELLS_BOTH = 3 };

/* Of a notification of samples; one of a result has 2 bytes for each class. */
#define SAMPLES_MOST 28u
#define SAMPLE_BYTES (2u * MCUKD_MODEL_CHANNELS)
#define FIELDS_MOST (APP_HEADER_BYTES + 16u)
#define MESSAGE_MOST (FIELDS_MOST + SAMPLES_MOST * SAMPLE_BYTES + 2u * MCUKD_MODEL_CLASSES)

/* The message that is being made. Samples wait here for one another; it is sent before another one is begun. */
static uint8_t message[MESSAGE_MOST + APP_CRC_BYTES];
static uint32_t length;

static struct {
    uint32_t until;
    uint32_t waiting;   /* samples in the message */
    uint16_t sequence;  /* of the next notification */
    uint8_t on;
    uint8_t what;
    uint8_t copies;     /* of the encoding of the latest WATCH */
    uint8_t asked;      /* the latest message was WATCH */
    uint8_t after_gap;  /* samples were lost before those that wait, or come next */
} watch;

static void put(uint32_t value, uint32_t bytes)
{
    app_set(message + length, value, bytes);
    length += bytes;
}

static void begin(uint8_t type)
{
    const tag_clock *clock = &tag_get()->clock;
    length = 0;
    put(APP_PROTOCOL_VERSION, 1);
    put(type, 1);
    put(watch.sequence, 2);
    put(clock->seconds, 4);
    put(clock->fraction, 2);
}

static void send(void)
{
    app_frames_send(watch.copies, message, length);
    watch.sequence++;
}

/* Send the samples that wait. They were read just now, which is later than when the message was begun. */
static void send_samples(void)
{
    if (watch.waiting == 0) {
        return;
    }
    const tag_clock *clock = &tag_get()->clock;
    app_set(message + APP_HEADER_BYTES, clock->seconds, 4);
    app_set(message + APP_HEADER_BYTES + 4u, clock->fraction, 2);
    watch.waiting = 0;
    watch.after_gap = 0;
    send();
}

static int tells(uint32_t what)
{
    return watch.on && (watch.what & what) != 0;
}

uint32_t app_watch_left(uint32_t now)
{
    const uint32_t left = watch.until - now;
    if (!watch.on || left == 0 || left > SECONDS_MOST * TAG_TICKS_PER_SECOND) {
        watch.on = 0;
        return 0;
    }
    return left;
}

uint32_t app_watch_allows(void)
{
    const uint32_t asked = watch.asked;
    watch.asked = 0;
    return asked || watch.on;
}

void app_watch_on_sample(const app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS])
{
    if (!tells(TELLS_SAMPLES)) {
        return;
    }
    if (watch.waiting == 0) {
        begin(APP_TELLS_SAMPLES);
        put(stream->samples - 1u, 4);
        put(watch.after_gap, 1);
    }
    for (uint32_t c = 0; c < MCUKD_MODEL_CHANNELS; c++) {
        put((uint16_t)sample[c], 2);
    }
    watch.waiting++;
    if (watch.waiting == SAMPLES_MOST) {
        tag_on_tick();
        send_samples();
    }
}

void app_watch_on_result(const app_stream *stream)
{
    if (!tells(TELLS_RESULTS)) {
        return;
    }
    send_samples();
    begin(APP_TELLS_RESULT);
    put(stream->results, 4);
    put(stream->samples, 4);
    put(tag_with_unknown(stream->latest_class, stream->latest_logits), 1);
    put(tag_get()->latest_class, 1);
    for (uint32_t k = 0; k < MCUKD_MODEL_CLASSES; k++) {
        put((uint16_t)stream->latest_logits[k], 2);
    }
    send();
}

void app_watch_on_gap(const app_stream *stream, uint32_t lost)
{
    if (!tells(TELLS_BOTH)) {
        return;
    }
    send_samples();
    watch.after_gap = tells(TELLS_SAMPLES) != 0;
    begin(APP_TELLS_GAP);
    put(lost, 4);
    put(stream->samples, 4);
    send();
}

void app_watch_on_drained(void)
{
    if (watch.on) {
        send_samples();
    }
}

void app_watch_handle(const uint8_t *payload, uint32_t count)
{
    if (count != 3u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const uint32_t seconds = app_get(payload, 2);
    if (seconds > SECONDS_MOST) {
        app_fail(APP_ERROR_RANGE, SECONDS_MOST + 1u);
        return;
    }
    if (payload[2] > TELLS_BOTH) {
        app_fail(APP_ERROR_RANGE, TELLS_BOTH + 1u);
        return;
    }
    tag_on_tick();
    watch.until = tag_ticks() + seconds * TAG_TICKS_PER_SECOND;
    watch.on = seconds != 0;
    watch.what = payload[2];
    watch.copies = app_reply_copies();
    watch.asked = 1;
    const tag_state *state = tag_get();
    const app_stream *stream = app_tag_stream();
    app_put(state->clock.seconds, 4);
    app_put(state->clock.fraction, 2);
    app_put(seconds, 2);
    app_put(watch.what, 1);
    app_put(app_tag_sensor(), 1);
    app_put(watch.sequence, 2);
    app_put(tag_starts(), 4);
    app_put(stream->results, 4);
    app_put(stream->samples, 4);
    app_put(TAG_RESULT_US, 4);
    app_put(TAG_SMOOTHING, 1);
}
