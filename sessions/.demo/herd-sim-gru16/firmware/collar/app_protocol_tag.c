/* app_protocol_tag.c - requests of docs/protocol.md about a tag: its log, time, state and provisioning. */
#include "app_protocol_tag.h"

#include "app_protocol.h"
#include "app_reply.h"
#include "app_still.h"
#include "app_tag.h"
#include "app_watch.h"
#include "sensor_config.h"
#include "radio_battery.h"
#include "tag.h"
#include "tag_port.h"
#include "tag_provision.h"

#define LOG_WORDS_MAX 30u
#define FETCH_WORDS_MAX 60u

/* Words of the log's flash as they are. */
static void log_words(const uint8_t *payload, uint32_t count)
{
    const uint32_t total = TAG_LOG_PAGES * TAG_LOG_PAGE_WORDS;
    if (count != 5u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const uint32_t first = app_get(payload, 4);
    const uint32_t words = payload[4];
    if (words > LOG_WORDS_MAX) {
        app_fail(APP_ERROR_RANGE, LOG_WORDS_MAX + 1u);
        return;
    }
    if (first > total || words > total - first) {
        app_fail(APP_ERROR_RANGE, total);
        return;
    }
    app_put(first, 4);
    app_put(total, 4);
    for (uint32_t i = 0; i < words; i++) {
        app_put(tag_flash_read(first + i), 4);
    }
}

/* A request that is repeated does not set the time again: it would be late. */
static void set_and_tell_time(const uint8_t *payload, uint32_t count)
{
    static uint32_t set[2];
    if (count != 0u && count != 6u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    if (count == 6u) {
        const uint32_t utc = app_get(payload, 4);
        const uint32_t fraction = app_get(payload + 4, 2);
        if (fraction >= TAG_TICKS_PER_SECOND) {
            app_fail(APP_ERROR_RANGE, TAG_TICKS_PER_SECOND);
            return;
        }
        if (utc != set[0] || fraction != set[1]) {
            tag_set_time(utc, fraction, TAG_TIME_HOST);
            set[0] = utc;
            set[1] = fraction;
        }
    }
    uint32_t utc;
    const int trusted = tag_utc(&utc);
    const tag_state *state = tag_get();
    app_put(state->clock.seconds, 4);
    app_put(state->clock.fraction, 2);
    app_put(utc, 4);
    app_put((uint32_t)trusted, 1);
    app_put(state->log.next_sequence, 4);
    app_put(state->records_lost, 4);
    app_put(state->log.failures, 4);
}

static void confirm(const uint8_t *payload, uint32_t count)
{
    if (count != 4u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const uint32_t sequence = app_get(payload, 4);
    const tag_log *log = &tag_get()->log;
    if (sequence > log->next_sequence) {
        app_fail(APP_ERROR_RANGE, log->next_sequence + 1u);
        return;
    }
    if (sequence > log->read_sequence) {
        tag_set_read(sequence);
    }
    app_put(log->read_sequence, 4);
}

/* Words of a page of the log as they are, in as many replies as it takes. Pages are named by their numbers, which
 * are given once: what was erased meanwhile cannot be taken for what a host asked for. */
static void fetch(const uint8_t *payload, uint32_t count)
{
    if (count != 9u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    uint32_t first = app_get(payload + 4, 2);
    const uint32_t words = app_get(payload + 6, 2);
    const uint32_t most = payload[8];
    if (most == 0u || most > FETCH_WORDS_MAX) {
        app_fail(APP_ERROR_RANGE, FETCH_WORDS_MAX + 1u);
        return;
    }
    tag_log_page page = { 0 };
    (void)tag_log_page_from(&tag_get()->log, app_get(payload, 4), &page);
    uint32_t end = first + words < page.words ? first + words : page.words;
    if (page.number != app_get(payload, 4) || first > end) {
        end = first;
    }
    for (;;) {
        const uint32_t part = end - first < most ? end - first : most;
        app_put(page.number, 4);
        app_put(first, 2);
        app_put(page.words, 2);
        for (uint32_t i = 0; i < part; i++) {
            app_put(tag_flash_read(page.at + first + i), 4);
        }
        first += part;
        if (first >= end) {
            break; /* the last one is sent by the caller */
        }
        app_reply_send();
    }
}

static void status(uint32_t count)
{
    if (count != 0u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    const tag_state *state = tag_get();
    tag_log_page oldest = { 0 };
    uint32_t chip[2];
    tag_chip_id(chip);
    (void)tag_log_page_from(&state->log, 0, &oldest);
    app_put(chip[0], 4);
    app_put(chip[1], 4);
    app_put(tag_starts(), 4);
    app_put(state->boot[0], 4);
    app_put(state->boot[1], 4);
    app_put(TAG_LOG_PAGES, 2);
    app_put(TAG_LOG_PAGE_WORDS, 2);
    app_put(oldest.number, 4);
    app_put(state->log.page_number, 4);
    app_put(oldest.first_sequence, 4);
    app_put(state->log.read_sequence, 4);
    app_put(state->latest_class, 1);
    app_put(app_tag_sensor(), 1);
    app_put(app_tag_sensor_failures(), 4);
    app_put(app_tag_event(), 1);
    const uint32_t battery_mv = port_battery_mv();
    app_put(battery_mv < UINT16_MAX ? battery_mv : UINT16_MAX, 2); /* all ones: not measured */
}

/* Write what lies in the window buffer, where it is whole, allowed, and follows what the host believes to be there. */
static int write_provision(uint32_t expected, uint32_t crc)
{
    static uint32_t done; /* CRC of what was written last since the start: a repeated request is known by it */
    uint32_t words[TAG_PROVISION_WORDS];
    uint32_t present[TAG_PROVISION_WORDS];
    const uint32_t generation = tag_provision_get()->generation;

    if (generation == expected + 1u && done == crc) {
        return 1;
    }
    if (generation != expected) {
        app_fail(APP_ERROR_PROVISIONED, generation);
        return 0;
    }
    const uint32_t found = app_protocol_take(words, TAG_PROVISION_WORDS);
    if (found != crc) {
        app_fail(APP_ERROR_WINDOW_CRC, found);
        return 0;
    }
    const uint32_t wrong = tag_provision_wrong(words);
    if (wrong < TAG_PROVISION_WORDS) {
        app_fail(APP_ERROR_RANGE, wrong);
        return 0;
    }
    if ((words[TAG_PROVISION_FLAGS] & TAG_PROVISION_KEEPS_KEYS) != 0) {
        (void)tag_provision_read(present);
        words[TAG_PROVISION_FLAGS] &= ~(TAG_PROVISION_KEEPS_KEYS | TAG_PROVISION_HAS_KEYS);
        words[TAG_PROVISION_FLAGS] |= present[TAG_PROVISION_FLAGS] & TAG_PROVISION_HAS_KEYS;
        for (uint32_t i = TAG_PROVISION_ADDRESS; i < TAG_PROVISION_WORDS; i++) {
            words[i] = present[i];
        }
    }
    tag_on_tick();
    const tag_clock *clock = &tag_get()->clock;
    if (!tag_provision_write(words, clock->set, clock->seconds)) {
        app_fail(APP_ERROR_FLASH, 0);
        return 0;
    }
    done = crc;
    tag_on_provision(tag_provision_get()->generation, tag_provision_get()->period_s);
    app_tag_on_provision();
    return 1;
}

/* What the tag was told, the keys left out; after telling it anew, where a host does. */
static void provision(const uint8_t *payload, uint32_t count)
{
    uint32_t words[TAG_PROVISION_WORDS];

    if (count != 0u && (count != 10u || app_get(payload + 4, 2) != TAG_PROVISION_WORDS)) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    if (count != 0u && !write_provision(app_get(payload, 4), app_get(payload + 6, 4))) {
        return;
    }
    (void)tag_provision_read(words);
    app_put(tag_provision_get()->generation, 4);
    for (uint32_t i = 0; i < TAG_PROVISION_KEYS; i++) {
        app_put(words[i], 4);
    }
}

/* The sensor's own counts since a host asked for them, after another look at the sensor. */
static void sense(const uint8_t *payload, uint32_t count)
{
    if (count != 1u) {
        app_fail(APP_ERROR_LENGTH, count);
        return;
    }
    app_tag_look();
    if (payload[0] != 0) {
        app_still_begin();
    }
    const app_still *still = app_still_get();
    app_put(app_tag_sensor(), 1);
    app_put(app_tag_event(), 1);
    app_put(SENSOR_COUNTS_PER_G, 2);
    app_put(still->samples, 2);
    for (uint32_t axis = 0; axis < 3u; axis++) {
        app_put((uint32_t)still->sum[axis], 4);
    }
    app_put_values(still->least, 3);
    app_put_values(still->most, 3);
}

int app_protocol_tag_handle(uint32_t type, const uint8_t *payload, uint32_t count)
{
    switch (type) {
    case APP_LOG:
        log_words(payload, count);
        return 1;
    case APP_TIME:
        set_and_tell_time(payload, count);
        return 1;
    case APP_CONFIRM:
        confirm(payload, count);
        return 1;
    case APP_FETCH:
        fetch(payload, count);
        return 1;
    case APP_STATUS:
        status(count);
        return 1;
    case APP_PROVISION:
        provision(payload, count);
        return 1;
    case APP_SENSE:
        sense(payload, count);
        return 1;
    case APP_WATCH:
        app_watch_handle(payload, count);
        return 1;
    default:
        return 0;
    }
}
