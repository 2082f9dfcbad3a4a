/* bma400.c - driver of Bosch's BMA400.
 *
 * Sources: data sheet BST-BMA400-DS000 and Bosch's sensor API (registers, self-test); never run on a real
 * part. config: `rate` is the code of ACC_CONFIG1 (5 for 12.5 Hz to 11 for 800 Hz), `filter` the oversampling
 * (0 to 3). The FIFO fills in the normal mode only, so there is no other. Pin INT1 is high while the FIFO is
 * at or above its watermark. The part's own clock tells how many samples there should have been.
 */
#include "sensor_driver.h"

#define CHIP_ID 0x00u
#define CHIP_ID_BMA400 0x90u
#define ACC_X_LSB 0x04u
#define SENSOR_TIME 0x0Au
#define FIFO_DATA 0x14u
#define ACC_CONFIG0 0x19u
#define ACC_CONFIG1 0x1Au
#define INT_CONFIG0 0x1Fu
#define INT1_MAP 0x21u
#define INT12_IO_CTRL 0x24u
#define FIFO_CONFIG0 0x26u
#define FIFO_CONFIG1 0x27u
#define FIFO_CONFIG2 0x28u
#define SELF_TEST 0x7Du
#define COMMAND 0x7Eu
#define COMMAND_SOFT_RESET 0xB6u
#define COMMAND_FIFO_FLUSH 0xB0u

#define MODE_SLEEP 0u
#define MODE_NORMAL 2u
#define RESET_MS 5u
#define START_MS 2u
#define FIFO_XYZ 0xE0u
#define INT_FULL (1u << 5)
#define INT_WATERMARK (1u << 6)
#define INT1_ACTIVE_HIGH 0x22u /* and INT2, as after a reset */

/* From SENSOR_TIME on: time (3), event, interrupt status (3), temperature, FIFO length (2). */
#define STATUS_BYTES 10u
#define STATUS_INTERRUPTS 4u
#define STATUS_LENGTH 8u
#define SETTINGS_BYTES (FIFO_CONFIG2 - ACC_CONFIG0 + 1u)

#define FIFO_BYTES 1024u
#define FRAME_XYZ 0x9Eu
#define FRAME_XYZ_BYTES 7u
#define FRAME_TIME 0xA0u
#define FRAME_TIME_BYTES 4u
#define FRAME_CONTROL 0x48u
#define FRAME_CONTROL_BYTES 2u
#define FRAME_EMPTY 0x80u

#define SELF_TEST_MS 7u
#define SELF_TEST_SETTLE_MS 50u
#define SELF_TEST_POSITIVE 0x07u
#define SELF_TEST_NEGATIVE 0x0Fu
#define SELF_TEST_CONFIG1 (1u << 6 | 3u << 4 | 8u) /* 4 g, oversampling 3, 100 Hz */

const uint8_t sensor_driver_bits = 12;

/* Differences of a good part, in counts at 4 g: 1500, 1200 and 250 mg. */
static const int32_t self_test_limits[3] = {768, 614, 128};

static uint8_t fifo[FIFO_BYTES];

static uint8_t config1(const sensor *s)
{
    return (uint8_t)((uint32_t)s->config->range << 6 | (uint32_t)s->config->filter << 4 | s->config->rate);
}

static int32_t signed12(uint32_t bits)
{
    return (int32_t)bits - (bits > 2047u ? 4096 : 0);
}

sensor_result sensor_driver_reset(sensor *s)
{
    sensor_result result = sensor_identify(s, CHIP_ID, CHIP_ID_BMA400);
    if (result == SENSOR_OK) {
        result = sensor_write(s, COMMAND, COMMAND_SOFT_RESET);
    }
    if (result == SENSOR_OK) {
        bus_wait_ms(RESET_MS);
        result = sensor_identify(s, CHIP_ID, CHIP_ID_BMA400);
    }
    return result;
}

static sensor_result read_axes(sensor *s, int32_t axes[3])
{
    uint8_t bytes[6];
    const sensor_result result = sensor_read(s, ACC_X_LSB, bytes, sizeof bytes);
    if (result == SENSOR_OK) {
        for (uint32_t axis = 0; axis < 3; axis++) {
            axes[axis] = signed12(bytes[2u * axis] | (bytes[2u * axis + 1u] & 0x0Fu) << 8);
        }
    }
    return result;
}

static sensor_result excited(sensor *s, uint8_t excitation, int32_t axes[3])
{
    const sensor_result result = sensor_write(s, SELF_TEST, excitation);
    if (result != SENSOR_OK) {
        return result;
    }
    bus_wait_ms(SELF_TEST_SETTLE_MS);
    return read_axes(s, axes);
}

sensor_result sensor_driver_self_test(sensor *s)
{
    int32_t positive[3], negative[3];
    sensor_result result = sensor_driver_reset(s);
    if (result == SENSOR_OK) {
        result = sensor_write(s, ACC_CONFIG1, SELF_TEST_CONFIG1);
    }
    if (result == SENSOR_OK) {
        result = sensor_write(s, ACC_CONFIG0, MODE_NORMAL);
    }
    if (result == SENSOR_OK) {
        bus_wait_ms(SELF_TEST_MS);
        result = excited(s, SELF_TEST_POSITIVE, positive);
    }
    if (result == SENSOR_OK) {
        result = excited(s, SELF_TEST_NEGATIVE, negative);
    }
    if (result == SENSOR_OK) {
        result = sensor_driver_reset(s); /* ends the excitation too */
    }
    if (result == SENSOR_OK) {
        s->detail = 0;
        for (uint32_t axis = 0; axis < 3; axis++) {
            s->detail |= (uint32_t)(positive[axis] - negative[axis] <= self_test_limits[axis]) << axis;
        }
        result = s->detail ? SENSOR_SELF_TEST : SENSOR_OK;
    }
    return result;
}

/* Whether the part is set up as it should be. */
static sensor_result check(sensor *s)
{
    const uint32_t watermark = FRAME_XYZ_BYTES * s->config->watermark;
    uint8_t found[SETTINGS_BYTES];
    const sensor_result result = sensor_read(s, ACC_CONFIG0, found, sizeof found);
    if (result != SENSOR_OK) {
        return result;
    }
    return found[0] == MODE_NORMAL && found[ACC_CONFIG1 - ACC_CONFIG0] == config1(s) &&
                   found[INT_CONFIG0 - ACC_CONFIG0] == (INT_WATERMARK | INT_FULL) &&
                   found[INT1_MAP - ACC_CONFIG0] == INT_WATERMARK &&
                   found[INT12_IO_CTRL - ACC_CONFIG0] == INT1_ACTIVE_HIGH &&
                   found[FIFO_CONFIG0 - ACC_CONFIG0] == FIFO_XYZ &&
                   found[FIFO_CONFIG1 - ACC_CONFIG0] == (watermark & 0xFFu) &&
                   found[FIFO_CONFIG2 - ACC_CONFIG0] == watermark >> 8
               ? SENSOR_OK
               : SENSOR_SETTINGS;
}

sensor_result sensor_driver_set_up(sensor *s)
{
    const uint32_t watermark = FRAME_XYZ_BYTES * s->config->watermark;
    const struct {
        uint8_t reg, value;
    } settings[] = {
        {ACC_CONFIG1, config1(s)},
        {INT1_MAP, INT_WATERMARK},
        {INT12_IO_CTRL, INT1_ACTIVE_HIGH},
        {INT_CONFIG0, INT_WATERMARK | INT_FULL},
        {FIFO_CONFIG0, FIFO_XYZ},
        {FIFO_CONFIG1, (uint8_t)watermark},
        {FIFO_CONFIG2, (uint8_t)(watermark >> 8)},
        {ACC_CONFIG0, MODE_NORMAL},
    };
    for (uint32_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const sensor_result result = sensor_write(s, settings[i].reg, settings[i].value);
        if (result != SENSOR_OK) {
            return result;
        }
    }
    bus_wait_ms(START_MS);
    return check(s);
}

/* Bytes of a frame; 0 for what is none, or does not end within the FIFO. */
static uint32_t frame_bytes(uint32_t at, uint32_t length)
{
    const uint8_t header = fifo[at];
    const uint32_t bytes = header == FRAME_XYZ       ? FRAME_XYZ_BYTES
                           : header == FRAME_TIME    ? FRAME_TIME_BYTES
                           : header == FRAME_CONTROL ? FRAME_CONTROL_BYTES
                                                     : 0u;
    return bytes <= length - at ? bytes : 0u;
}

static uint32_t length_of(const uint8_t status[STATUS_BYTES])
{
    return status[STATUS_LENGTH] | (status[STATUS_LENGTH + 1u] & 7u) << 8;
}

static uint32_t time_of(const uint8_t status[STATUS_BYTES])
{
    return status[0] | (uint32_t)status[1] << 8 | (uint32_t)status[2] << 16;
}

/* Ticks of 3200 Hz from one sample to the next, as a shift: 256 at 12.5 Hz. Samples fall on multiples. */
static uint32_t period_shift(const sensor *s)
{
    return 13u - s->config->rate;
}

/* Where a read breaks off, the rest of it reads as ones. Within the last frame no header shows it, but the
 * FIFO keeps that frame, and then holds more than what came since. */
static sensor_result breaks_off(sensor *s, uint32_t length, uint32_t time, int *broken)
{
    uint8_t status[STATUS_BYTES];
    *broken = 0;
    if (length == 0 || fifo[length - 1u] != 0xFFu) {
        return SENSOR_OK;
    }
    const sensor_result result = sensor_read(s, SENSOR_TIME, status, sizeof status);
    if (result == SENSOR_OK) {
        const uint32_t shift = period_shift(s);
        const uint32_t come = ((time_of(status) >> shift) - (time >> shift)) & (0xFFFFFFu >> shift);
        *broken = length_of(status) > come * FRAME_XYZ_BYTES;
    }
    return result;
}

/* What became of samples that the part's clock shows and the FIFO did not give: SENSOR_OK (none or one is on
 * the way), SENSOR_OVERRUN or SENSOR_MISSING. */
static sensor_result lost(sensor *s, uint32_t time, uint32_t samples, int full)
{
    const uint32_t shift = period_shift(s);
    const uint32_t now = time >> shift;
    const uint32_t passed = (now - s->clock) & (0xFFFFFFu >> shift);
    s->clock = now;
    if (!s->synchronous) {
        s->synchronous = 1;
        s->due = 0;
        return full ? SENSOR_OVERRUN : SENSOR_OK;
    }
    s->due += (int32_t)passed - (int32_t)samples;
    if (samples == 0 && !full) {
        return SENSOR_OK; /* silence is not loss; what comes behind it shows which it was */
    }
    if (s->due >= 2 || (full && s->due != 0)) {
        s->counts.lost += s->due > 0 ? (uint32_t)s->due : 0u;
        s->due = 0;
        return full ? SENSOR_OVERRUN : SENSOR_MISSING;
    }
    s->due = s->due < -1 ? -1 : s->due;
    return SENSOR_OK;
}

/* Empty a FIFO that holds what is no frame. */
static sensor_result flush(sensor *s)
{
    const sensor_result result = sensor_write(s, COMMAND, COMMAND_FIFO_FLUSH);
    return result == SENSOR_OK ? SENSOR_UNREADABLE : result;
}

sensor_result sensor_driver_drain(sensor *s, sensor_take take, void *context)
{
    uint8_t status[STATUS_BYTES];
    uint32_t at = 0, latest = 0, samples = 0, bytes = 0;

    sensor_result result = check(s);
    if (result == SENSOR_SETTINGS) {
        result = check(s); /* it may have been read wrongly */
    }
    if (result == SENSOR_OK) {
        result = sensor_read(s, SENSOR_TIME, status, sizeof status);
    }
    if (result != SENSOR_OK) {
        return result;
    }
    const uint32_t length = length_of(status), time = time_of(status);
    if (length > FIFO_BYTES) {
        return flush(s);
    }
    if (length > 0) {
        result = sensor_read_fifo(s, FIFO_DATA, fifo, length);
        if (result != SENSOR_OK) {
            return result;
        }
    }
    for (at = 0; at < length && (bytes = frame_bytes(at, length)) != 0; at += bytes) {
        samples += fifo[at] == FRAME_XYZ;
        latest = at;
    }
    int broken = 0;
    if (at < length) {
        broken = fifo[at] != FRAME_EMPTY;
    } else {
        result = breaks_off(s, length, time, &broken);
        if (result != SENSOR_OK) {
            s->gap |= SENSOR_GAP_BUS;
            s->synchronous = 0;
            return result;
        }
    }
    if (broken && samples && fifo[latest] == FRAME_XYZ) {
        at = latest; /* what broke the next frame may have begun in this one */
        samples--;
    }
    const uint32_t end = at;
    /* A full FIFO may have lost its flag to an earlier read. */
    const int full = (status[STATUS_INTERRUPTS] & INT_FULL) != 0 || length + FRAME_XYZ_BYTES > FIFO_BYTES;
    const sensor_result loss = !broken ? lost(s, time, samples, full) : full ? SENSOR_OVERRUN : SENSOR_OK;
    if (loss == SENSOR_OVERRUN) {
        s->gap |= SENSOR_GAP_OVERRUN; /* the oldest gave way, so the gap lies before those that are there */
    } else if (loss == SENSOR_MISSING) {
        s->gap |= SENSOR_GAP_MISSING; /* here, or anywhere up to the end of what is there */
    }
    for (at = 0; at < end; at += frame_bytes(at, length)) {
        if (fifo[at] == FRAME_XYZ) {
            int32_t counts[3];
            for (uint32_t axis = 0; axis < 3; axis++) {
                /* In the FIFO the low four bits come first, unlike in the data registers. */
                const uint8_t *pair = &fifo[at + 1u + 2u * axis];
                counts[axis] = signed12((pair[0] & 0x0Fu) | (uint32_t)pair[1] << 4);
            }
            sensor_deliver(s, counts, take, context);
        } else if (fifo[at] == FRAME_CONTROL) {
            s->gap |= SENSOR_GAP_RESET; /* a setting changed that nobody should have changed */
        }
    }
    if (broken) {
        return flush(s);
    }
    if (loss == SENSOR_MISSING) {
        s->gap |= SENSOR_GAP_MISSING;
    }
    return loss;
}

sensor_result sensor_driver_sleep(sensor *s)
{
    return sensor_write(s, ACC_CONFIG0, MODE_SLEEP);
}
