/* tag_provision.c - what a tag is told before it goes out, in a ring of flash pages of its own. */
#include "tag_provision.h"

#include "tag_log.h"
#include "tag_port.h"

/* Another number than that of the log's pages, which hold another format. */
#define RING_FORMAT 2u

static const tag_log_ring ring = { TAG_LOG_PAGES, TAG_PROVISION_PAGES, RING_FORMAT };
static tag_provision provision;

/* Find the newest record; return where its payload begins, UINT32_MAX where there is none or this firmware does not
 * know its format. */
static uint32_t find(tag_log *log, uint32_t *generation)
{
    tag_log_cursor cursor = { 0, 0 };
    tag_log_record record;
    uint32_t found = UINT32_MAX;

    tag_log_open(log, &ring);
    while (tag_log_next(log, &cursor, &record)) {
        if (record.type == TAG_LOG_PROVISION) {
            const int known = record.words >= TAG_PROVISION_WORDS
                && (tag_flash_read(record.payload_at) & 0xFFu) == TAG_PROVISION_FORMAT;
            found = known ? record.payload_at : UINT32_MAX;
            *generation = record.sequence + 1u;
        }
    }
    return found;
}

void tag_provision_start(void)
{
    tag_log log;
    uint32_t generation = 0;
    const uint32_t at = find(&log, &generation);

    provision = (tag_provision) { .radio_id = UINT32_MAX };
    provision.generation = generation;
    if (at == UINT32_MAX) {
        return;
    }
    provision.period_s = tag_flash_read(at + TAG_PROVISION_PERIOD);
    const uint32_t flags = tag_flash_read(at + TAG_PROVISION_FLAGS);
    if ((flags & TAG_PROVISION_HAS_RADIO_ID) != 0) {
        provision.radio_id = flags >> 16;
    }
    const uint32_t axes = tag_flash_read(at + TAG_PROVISION_AXES);
    for (uint32_t axis = 0; axis < 3u; axis++) {
        provision.offset[axis] = (int32_t)tag_flash_read(at + TAG_PROVISION_OFFSET + axis);
        provision.gain[axis] = (int32_t)tag_flash_read(at + TAG_PROVISION_GAIN + axis);
        provision.axes[axis] = (int8_t)(uint8_t)(axes >> (8u * axis));
    }
}

const tag_provision *tag_provision_get(void)
{
    return &provision;
}

int tag_provision_read(uint32_t words[TAG_PROVISION_WORDS])
{
    tag_log log;
    uint32_t generation = 0;
    const uint32_t at = find(&log, &generation);

    for (uint32_t i = 0; i < TAG_PROVISION_WORDS; i++) {
        words[i] = at == UINT32_MAX ? 0u : tag_flash_read(at + i);
    }
    return at != UINT32_MAX;
}

/* Whether three bytes name each axis once, or none. */
static int axes_are_right(uint32_t axes)
{
    uint32_t named = 0;
    for (uint32_t axis = 0; axis < 3u; axis++) {
        const int8_t of = (int8_t)(uint8_t)(axes >> (8u * axis));
        named |= 1u << (of < 0 ? -of & 31 : of & 31);
        if (of < -3 || of > 3) {
            return 0;
        }
    }
    return axes == 0 || (named == 14u && axes >> 24 == 0);
}

uint32_t tag_provision_wrong(const uint32_t words[TAG_PROVISION_WORDS])
{
    const uint32_t known = TAG_PROVISION_HAS_KEYS | TAG_PROVISION_KEEPS_KEYS | TAG_PROVISION_HAS_RADIO_ID;
    const uint32_t flags = words[TAG_PROVISION_FLAGS];
    const uint32_t allowed = (flags & TAG_PROVISION_HAS_RADIO_ID) != 0 ? flags & 0xFFFFu : flags;
    if ((allowed & ~known) != TAG_PROVISION_FORMAT) {
        return TAG_PROVISION_FLAGS;
    }
    if (!axes_are_right(words[TAG_PROVISION_AXES])) {
        return TAG_PROVISION_AXES;
    }
    const int none = (words[TAG_PROVISION_GAIN] | words[TAG_PROVISION_GAIN + 1] | words[TAG_PROVISION_GAIN + 2]) == 0;
    for (uint32_t axis = 0; axis < 3u; axis++) {
        const int32_t offset = (int32_t)words[TAG_PROVISION_OFFSET + axis];
        const int32_t gain = (int32_t)words[TAG_PROVISION_GAIN + axis];
        if (offset < -(1 << 19) || offset > 1 << 19) {
            return TAG_PROVISION_OFFSET + axis;
        }
        if (!none && (gain < TAG_PROVISION_GAIN_LEAST || gain > TAG_PROVISION_GAIN_MOST)) {
            return TAG_PROVISION_GAIN + axis;
        }
    }
    if (words[TAG_PROVISION_PERIOD] > TAG_PROVISION_PERIOD_MOST) {
        return TAG_PROVISION_PERIOD;
    }
    return TAG_PROVISION_WORDS;
}

int tag_provision_write(const uint32_t words[TAG_PROVISION_WORDS], uint32_t trusted, uint32_t seconds)
{
    tag_log log;
    tag_log_open(&log, &ring);
    const int taken = tag_log_append(&log, TAG_LOG_PROVISION, trusted, seconds, words, TAG_PROVISION_WORDS);
    tag_provision_start();
    return taken && provision.generation == log.next_sequence;
}
