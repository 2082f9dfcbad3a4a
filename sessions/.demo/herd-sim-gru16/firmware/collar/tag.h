/* tag.h - what follows the classifier: smoothing, counters, bouts and their records in the log. */
#ifndef TAG_H
#define TAG_H

#include "tag_bouts.h"
#include "tag_clock.h"
#include "tag_config.h"
#include "tag_counters.h"
#include "tag_log.h"
#include "tag_smoothing.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of events. */
enum {
    TAG_EVENT_SENSOR_ABSENT = 1,
    TAG_EVENT_SENSOR_IDENTITY = 2, /* detail: what it says */
    TAG_EVENT_SENSOR_SELF_TEST = 3, /* detail: axes that failed, a bit each */
    TAG_EVENT_SENSOR_FROZEN = 4,
    TAG_EVENT_SENSOR_OVERRUN = 5, /* detail: samples lost, 0 where it is not known */
    TAG_EVENT_SENSOR_RESET = 6,
    TAG_EVENT_BUS_STUCK = 7,
    TAG_EVENT_SUPPLY_LOW = 8,
    TAG_EVENT_SENSOR_REFUSED = 9,
    TAG_EVENT_BUS_TIMEOUT = 10,
    TAG_EVENT_SENSOR_SETTINGS = 11,
    TAG_EVENT_SENSOR_SILENT = 12,
    TAG_EVENT_SENSOR_UNREADABLE = 13,
    TAG_EVENT_SENSOR_MISSING = 14, /* detail: samples lost, by the sensor's own clock */
    TAG_EVENT_SENSOR_SATURATED = 15,
    TAG_EVENT_SENSOR_RATE = 16,
    TAG_EVENT_SENSOR_BACK = 17, /* detail: times it failed before, in a row */
    TAG_EVENT_RADIO_ABSENT = 18,
    TAG_EVENT_RADIO_IDENTITY = 19, /* detail: what it says */
    TAG_EVENT_RADIO_SETTINGS = 20, /* detail: the register */
    TAG_EVENT_RADIO_TIMEOUT = 21,
    TAG_EVENT_RADIO_BACK = 22, /* detail: times it failed before, in a row */
    TAG_EVENT_PROVISIONED = 23, /* detail: times it was provisioned so far */
    TAG_EVENT_RADIO_NO_KEYS = 24
};

/* Who set the time. */
enum { TAG_TIME_HOST = 1, TAG_TIME_RADIO = 2 };

typedef struct {
    tag_log log;
    tag_clock clock;
    tag_rate rate;
    tag_counters counters;
    tag_smoothing smoothing;
    tag_bout bout;
    uint32_t boot[4]; /* reset cause, seconds at the start, firmware, model */
    uint32_t records_lost; /* that the flash did not take; up to 2^32 - 1 */
    uint32_t period_s; /* of the counters */
    uint8_t boot_logged;
    uint8_t latest_class; /* smoothed; 255 before the first result */
} tag_state;

/* Start after a reset, whatever the RAM holds. firmware, model: the first four bytes of their SHA-256.
 * The boot itself is logged before the first other record, so that a tag that starts again and again does not
 * overwrite its history. */
void tag_start(uint32_t reset_cause, uint32_t firmware, uint32_t model);

/* Take a result of the model. Every window's result, in order, and nothing else. */
void tag_on_result(uint32_t class_found, const int16_t logits[TAG_CLASSES]);

/* Samples were lost: the bout under way and the majority end here. samples_lost: 0 where it is not known. */
void tag_on_gap(uint32_t samples_lost);

/* Samples were read from the sensor; for its real rate. */
void tag_on_samples(uint32_t samples);

/* Log what happened; docs/tag.md lists the codes. */
void tag_on_event(uint32_t code, uint32_t detail);

/* The tag was provisioned anew: that is logged, and the counters' period holds from now on; 0: the firmware's. */
void tag_on_provision(uint32_t generation, uint32_t period_s);

/* Let time pass where no result comes; at least once in 36 hours. */
void tag_on_tick(void);

/* Set the time of day: Unix seconds and 1/32768 s. source: TAG_TIME_HOST or TAG_TIME_RADIO. */
void tag_set_time(uint32_t utc, uint32_t fraction, uint32_t source);

/* Give the time of day, as tag_clock_utc. */
int tag_utc(uint32_t *utc);

/* The host has confirmed all records below a sequence number. */
void tag_set_read(uint32_t sequence);

/* Log the bout and the period under way, as before the supply fails. */
void tag_stop(void);

/* Number of this start, as its record in the log has it or will have it. */
uint32_t tag_starts(void);

/* Where everything stands. */
const tag_state *tag_get(void);

#ifdef TAG_SENDS
/* What a tag with a radio brings: a period has ended and is logged; its counters are those of the tag. */
void tag_send_period(const tag_state *tag);
#endif

#ifdef __cplusplus
}
#endif

#endif
