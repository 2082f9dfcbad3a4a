/* sensor.c - what drivers share: starts anew, gaps, axes, the rate as it is, and what seems wrong. */
#include "sensor.h"

#include "bus.h"
#include "sensor_driver.h"

#define IDENTITY_TRIES 16u  /* a part may need 100 ms after power-up, and late ones more */
#define IDENTITY_RETRIES 2u /* while it samples; the next drain tries again */
#define IDENTITY_WAIT_MS 20u
#define SELF_TEST_TRIES 3u
#define CALIBRATION_BITS 18u /* of offset and gain */
#define RATE_TICKS (64u * SENSOR_TICKS_HZ) /* a rate is measured over so long at least */

static sensor_result of_bus(bus_result result)
{
    switch (result) {
    case BUS_OK:
        return SENSOR_OK;
    case BUS_NO_ANSWER:
        return SENSOR_ABSENT;
    case BUS_REFUSED:
        return SENSOR_REFUSED;
    case BUS_STUCK:
        return SENSOR_BUS_STUCK;
    default:
        return SENSOR_BUS_TIMEOUT;
    }
}

/* Free a stuck bus; whether another try is worth it. */
static int freed(sensor *s, bus_result result)
{
    s->counts.bus_errors++;
    if (result == BUS_STUCK || result == BUS_TIMEOUT) {
        return bus_recover() == BUS_OK;
    }
    return 1;
}

sensor_result sensor_read(sensor *s, uint8_t first, uint8_t *bytes, uint32_t count)
{
    bus_result result = bus_read(s->config->address, first, bytes, count);
    if (result != BUS_OK && freed(s, result)) {
        result = bus_read(s->config->address, first, bytes, count);
    }
    return of_bus(result);
}

sensor_result sensor_write(sensor *s, uint8_t reg, uint8_t value)
{
    bus_result result = bus_write(s->config->address, reg, value);
    if (result != BUS_OK && freed(s, result)) {
        result = bus_write(s->config->address, reg, value);
    }
    return of_bus(result);
}

sensor_result sensor_read_fifo(sensor *s, uint8_t reg, uint8_t *bytes, uint32_t count)
{
    const bus_result result = bus_read(s->config->address, reg, bytes, count);
    if (result != BUS_OK) {
        (void)freed(s, result);
        s->gap |= SENSOR_GAP_BUS;
        s->synchronous = 0;
    }
    return of_bus(result);
}

sensor_result sensor_identify(sensor *s, uint8_t reg, uint8_t identity)
{
    const uint32_t most = s->running ? IDENTITY_RETRIES : IDENTITY_TRIES;
    sensor_result result = SENSOR_ABSENT;
    for (uint32_t tries = 0; tries < most; tries++) {
        uint8_t found = 0;
        result = sensor_read(s, reg, &found, 1);
        if (result == SENSOR_OK) {
            if (found == identity) {
                return SENSOR_OK;
            }
            result = SENSOR_WRONG_IDENTITY;
            s->detail = found;
        }
        bus_wait_ms(IDENTITY_WAIT_MS);
    }
    return result;
}

/* Length of a run after one more sample, at most SENSOR_RUN. */
static uint16_t longer(uint16_t run, int goes_on)
{
    return (uint16_t)(!goes_on ? 0u : run < SENSOR_RUN ? run + 1u : run);
}

/* Count how long an axis has been at one count, and at an end of its range. */
static void watch(sensor *s, uint32_t axis, int32_t count)
{
    const int32_t end = (int32_t)1 << (sensor_driver_bits - 1u);
    s->equal[axis] = longer(s->equal[axis], s->latest[axis] == count);
    s->at_end[axis] = longer(s->at_end[axis], count == -end || count == end - 1);
    s->latest[axis] = (int16_t)count;
    if (s->equal[axis] + 1u >= SENSOR_RUN) {
        s->warnings |= SENSOR_WARNS_FROZEN;
    }
    if (s->at_end[axis] >= SENSOR_RUN) {
        s->warnings |= SENSOR_WARNS_SATURATED;
    }
}

/* The count that is used of one of an axis: its upper bits or, where the sensor is calibrated, those of what was
 * measured, rounded. */
static int32_t used_of(const sensor_config *config, uint32_t axis, int32_t count)
{
    if (config->gain == 0) {
        return count >> config->shift;
    }
    const uint32_t shift = CALIBRATION_BITS + config->shift;
    const int32_t end = (int32_t)1 << (sensor_driver_bits - 1u - config->shift);
    const int64_t product = ((int64_t)count * 16 - config->offset[axis]) * config->gain[axis];
    const int64_t used = (product + ((int64_t)1 << (shift - 1u))) >> shift;
    return used < -end ? -end : used > end - 1 ? end - 1 : (int32_t)used;
}

void sensor_deliver(sensor *s, const int32_t counts[3], sensor_take take, void *context)
{
    int16_t sample[3];
    for (uint32_t axis = 0; axis < 3; axis++) {
        const int8_t of = s->config->axes[axis];
        const uint32_t from = (uint32_t)(of < 0 ? -of : of) - 1u;
        const int32_t used = used_of(s->config, from, counts[from]);
        const int32_t value = of < 0 ? -used : used;
        sample[axis] = (int16_t)(value > INT16_MAX ? INT16_MAX : value);
        watch(s, axis, counts[axis]);
    }
    if (s->gap) {
        s->counts.gaps++;
        s->from_samples = s->counts.samples; /* a rate is measured without gaps */
        s->from_ticks = 0;
    }
    s->counts.samples++;
    take(context, sample, s->gap);
    s->gap = 0;
}

/* Take the rate of samples over a minute or more, and compare it with what it should be. */
static void measure(sensor *s, uint32_t now, uint32_t samples_before)
{
    if (s->counts.samples == samples_before || s->gap) {
        return;
    }
    const uint32_t ticks = now - s->from_ticks;
    if (s->from_ticks == 0) {
        s->from_ticks = now ? now : 1u; /* 0 says that no measurement is under way */
        s->from_samples = s->counts.samples;
    } else if (ticks >= RATE_TICKS) {
        const uint32_t samples = s->counts.samples - s->from_samples;
        const uint64_t expected = ((uint64_t)samples * s->config->sample_ticks) >> 8;
        const uint64_t off = expected > ticks ? expected - ticks : ticks - expected;
        /* A drain may come two samples late at either end. */
        const uint64_t late = (uint64_t)s->config->sample_ticks >> 6;
        const uint64_t allowed = (uint64_t)ticks * s->config->tolerance + 1000u * late;
        s->rate_samples = samples;
        s->rate_ticks = ticks;
        if (off * 1000u > allowed) {
            s->warnings |= SENSOR_WARNS_RATE;
        }
        s->from_ticks = now ? now : 1u;
        s->from_samples = s->counts.samples;
    }
}

uint32_t sensor_drain_ticks(const sensor *s)
{
    return (uint32_t)(((uint64_t)s->config->watermark * s->config->sample_ticks) >> 8);
}

/* So long without a sample is a fault: two watermarks and eight samples. */
static uint32_t patience(const sensor *s)
{
    return (uint32_t)(((uint64_t)s->config->watermark * 2u + 8u) * s->config->sample_ticks >> 8);
}

static sensor_result set_up(sensor *s, uint32_t now)
{
    sensor_result result = sensor_driver_reset(s);
    if (result == SENSOR_OK) {
        result = sensor_driver_set_up(s);
    }
    s->set_up = result == SENSOR_OK;
    s->synchronous = 0;
    s->last_ticks = now;
    return result;
}

/* All zeros but for the settings. The loop is volatile, or compilers would call a library for it. */
static void clear(sensor *s, const sensor_config *config)
{
    volatile uint8_t *bytes = (volatile uint8_t *)s;
    for (uint32_t i = 0; i < sizeof *s; i++) {
        bytes[i] = 0;
    }
    s->config = config;
}

sensor_result sensor_init(sensor *s, const sensor_config *config)
{
    clear(s, config);
    bus_on();
    const sensor_result result = sensor_driver_reset(s);
    bus_off();
    return result;
}

sensor_result sensor_self_test(sensor *s)
{
    sensor_result result = SENSOR_SELF_TEST;
    bus_on();
    for (uint32_t tries = 0; tries < SELF_TEST_TRIES && result == SENSOR_SELF_TEST; tries++) {
        result = sensor_driver_self_test(s);
    }
    bus_off();
    s->running = s->set_up = 0;
    return result;
}

sensor_result sensor_start(sensor *s, uint32_t now)
{
    const sensor_config *config = s->config;
    (void)sensor_stop(s);
    const uint32_t failed = s->counts.bus_errors;
    clear(s, config);
    s->counts.bus_errors = failed;
    s->gap = SENSOR_GAP_START;
    bus_on();
    const sensor_result result = set_up(s, now);
    bus_off();
    s->running = 1;
    return result;
}

/* Set the sensor up anew, and say so. */
static sensor_result restart(sensor *s, uint32_t now)
{
    s->gap |= SENSOR_GAP_RESET;
    const sensor_result result = set_up(s, now);
    if (result == SENSOR_OK) {
        s->counts.restarts++;
        return SENSOR_RESTARTED;
    }
    return result;
}

sensor_result sensor_drain(sensor *s, uint32_t now, sensor_take take, void *context)
{
    const uint32_t before = s->counts.samples;
    sensor_result result;

    if (!s->running) {
        return SENSOR_STOPPED;
    }
    bus_on();
    if (!s->set_up) {
        result = restart(s, now);
        bus_off();
        return result;
    }
    result = sensor_driver_drain(s, take, context);
    if (result == SENSOR_SETTINGS) {
        result = restart(s, now);
    } else if (result == SENSOR_UNREADABLE) {
        s->counts.unreadable++;
        s->gap |= SENSOR_GAP_UNREADABLE;
        s->synchronous = 0;
    } else if (result == SENSOR_OVERRUN) {
        s->counts.overruns++;
    }
    measure(s, now, before);
    if (s->counts.samples != before) {
        s->last_ticks = now;
    } else if (result == SENSOR_OK && now - s->last_ticks > patience(s)) {
        s->counts.silences++;
        result = restart(s, now);
        result = result == SENSOR_RESTARTED ? SENSOR_SILENT : result;
    }
    bus_off();
    return result;
}

sensor_result sensor_stop(sensor *s)
{
    bus_on();
    const sensor_result result = s->set_up ? sensor_driver_sleep(s) : SENSOR_OK;
    bus_off();
    s->running = s->set_up = 0;
    return result;
}
