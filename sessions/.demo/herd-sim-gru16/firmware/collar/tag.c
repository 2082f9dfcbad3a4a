/* tag.c - what follows the classifier: smoothing, counters, bouts and their records in the log. */
#include "tag.h"

#include "tag_port.h"
#include "tag_provision.h"

static const tag_log_ring ring = { 0, TAG_LOG_PAGES, TAG_LOG_FORMAT | (uint32_t)TAG_CLASSES << 8 };
static tag_state tag;

static void append(uint32_t type, const uint32_t *payload, uint32_t words)
{
    if (!tag_log_append(&tag.log, type, tag.clock.set, tag.clock.seconds, payload, words)
        && tag.records_lost != UINT32_MAX) {
        tag.records_lost++;
    }
}

static void record(uint32_t type, const uint32_t *payload, uint32_t words)
{
    if (!tag.boot_logged) {
        const uint32_t boot[] = { tag.log.boots + 1u, tag.boot[0],   tag.boot[1], tag.boot[2],
                                  tag.boot[3],        TAG_RESULT_US, tag.period_s };
        tag.boot_logged = 1;
        append(TAG_LOG_BOOT, boot, sizeof boot / sizeof boot[0]);
    }
    append(type, payload, words);
}

static void end_period(void)
{
    uint32_t payload[3u + TAG_CLASSES + 1u];
    uint32_t rate[3];

    payload[0] = tag.counters.start;
    payload[1] = tag.counters.gaps;
    payload[2] = tag.counters.lost;
    for (uint32_t k = 0; k <= TAG_CLASSES; k++) {
        payload[3u + k] = tag.counters.results[k];
    }
    record(TAG_LOG_PERIOD, payload, sizeof payload / sizeof payload[0]);
#ifdef TAG_SENDS
    tag_send_period(&tag);
#endif
    tag_counters_start(&tag.counters, tag.clock.seconds);
    if (tag_rate_take(&tag.rate, &rate[0], &rate[1])) {
        record(TAG_LOG_RATE, rate, sizeof rate / sizeof rate[0]);
    }
}

static void end_bout(const tag_bout *ended, uint32_t why)
{
    const uint32_t shortest = TAG_BOUT_RESULTS;
    if (shortest != 0 && ended->length >= shortest) {
        const uint32_t payload[] = { ended->start, ended->class_found | why << 8, ended->length };
        record(TAG_LOG_BOUT, payload, sizeof payload / sizeof payload[0]);
    }
}

static void set_period(uint32_t period_s)
{
    const uint32_t usual = TAG_PERIOD_S;
    tag.period_s = period_s != 0 ? period_s : usual;
}

void tag_start(uint32_t reset_cause, uint32_t firmware, uint32_t model)
{
    tag_log_open(&tag.log, &ring);
    tag_provision_start();
    set_period(tag_provision_get()->period_s);
    tag_clock_start(&tag.clock, tag.log.seconds, tag_ticks());
    tag_rate_reset(&tag.rate);
    tag_counters_start(&tag.counters, tag.clock.seconds);
    tag_smoothing_reset(&tag.smoothing);
    tag_bouts_reset(&tag.bout);
    tag.boot[0] = reset_cause;
    tag.boot[1] = tag.clock.seconds;
    tag.boot[2] = firmware;
    tag.boot[3] = model;
    tag.records_lost = 0;
    tag.boot_logged = 0;
    tag.latest_class = UINT8_MAX;
}

void tag_on_tick(void)
{
    tag_clock_advance(&tag.clock, tag_ticks());
    if (tag.clock.seconds - tag.counters.start >= tag.period_s) {
        end_period();
    }
}

void tag_on_result(uint32_t class_found, const int16_t logits[TAG_CLASSES])
{
    tag_bout ended;
    uint32_t why;

    tag_on_tick();
    const uint32_t found = tag_smoothing_result(&tag.smoothing, tag_with_unknown(class_found, logits));
    tag.latest_class = (uint8_t)found;
    if (tag_bouts_result(&tag.bout, found, tag.clock.seconds, &ended, &why)) {
        end_bout(&ended, why);
    }
    if (!tag_counters_result(&tag.counters, found)) {
        end_period();
        (void)tag_counters_result(&tag.counters, found);
    }
}

void tag_on_gap(uint32_t samples_lost)
{
    tag_bout ended;

    tag_on_tick();
    if (tag_bouts_end(&tag.bout, &ended)) {
        end_bout(&ended, TAG_BOUT_GAP);
    }
    tag_smoothing_reset(&tag.smoothing);
    tag_rate_reset(&tag.rate);
    if (!tag_counters_gap(&tag.counters, samples_lost)) {
        end_period();
        (void)tag_counters_gap(&tag.counters, samples_lost);
    }
}

void tag_on_samples(uint32_t samples)
{
    tag_clock_advance(&tag.clock, tag_ticks());
    tag_rate_samples(&tag.rate, &tag.clock, samples);
}

void tag_on_event(uint32_t code, uint32_t detail)
{
    const uint32_t payload[] = { code, detail };

    tag_on_tick();
    record(TAG_LOG_EVENT, payload, sizeof payload / sizeof payload[0]);
}

void tag_on_provision(uint32_t generation, uint32_t period_s)
{
    tag_on_event(TAG_EVENT_PROVISIONED, generation);
    set_period(period_s);
}

void tag_set_time(uint32_t utc, uint32_t fraction, uint32_t source)
{
    tag_on_tick();
    tag_clock_set(&tag.clock, utc, fraction);
    const uint32_t payload[] = { utc, fraction, tag.clock.fraction, source };
    record(TAG_LOG_TIME, payload, sizeof payload / sizeof payload[0]);
}

int tag_utc(uint32_t *utc)
{
    tag_on_tick();
    return tag_clock_utc(&tag.clock, utc);
}

void tag_set_read(uint32_t sequence)
{
    tag_on_tick();
    record(TAG_LOG_READ, &sequence, 1);
}

void tag_stop(void)
{
    tag_bout ended;

    tag_on_tick();
    if (tag_bouts_end(&tag.bout, &ended)) {
        end_bout(&ended, TAG_BOUT_STOPPED);
    }
    end_period();
}

uint32_t tag_starts(void)
{
    return tag.boot_logged ? tag.log.boots : tag.log.boots + 1u;
}

const tag_state *tag_get(void)
{
    return &tag;
}
