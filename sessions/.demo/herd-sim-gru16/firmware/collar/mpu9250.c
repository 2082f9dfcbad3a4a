/* mpu9250.c - driver of InvenSense's MPU-9250, its accelerometer.
 *
 * Sources: register map RM-MPU-9250A-00, product specification PS-MPU-9250A-01, self-test as in application
 * note AN-MPU-9250A-03; never run on a real part.
 * config: `rate` is SMPLRT_DIV in the normal mode (1 kHz / (1 + rate)) and the code of LP_ACCEL_ODR in the
 * duty-cycled one; `filter` is A_DLPFCFG (1 to 6), used in the normal mode.
 * There is no watermark: drain it by a timer. A full FIFO keeps what it has, as overwriting would cut frames.
 */
#include "sensor_driver.h"

#define SELF_TEST_X_ACCEL 0x0Du
#define SMPLRT_DIV 0x19u
#define CONFIG 0x1Au
#define ACCEL_CONFIG 0x1Cu
#define ACCEL_CONFIG2 0x1Du
#define LP_ACCEL_ODR 0x1Eu
#define FIFO_EN 0x23u
#define INT_ENABLE 0x38u
#define INT_STATUS 0x3Au
#define ACCEL_XOUT_H 0x3Bu
#define USER_CTRL 0x6Au
#define PWR_MGMT_1 0x6Bu
#define PWR_MGMT_2 0x6Cu
#define FIFO_COUNTH 0x72u
#define FIFO_R_W 0x74u
#define WHO_AM_I 0x75u
#define WHO_AM_I_MPU9250 0x71u

#define CONFIG_STOP_WHEN_FULL (1u << 6)
#define CONFIG_FILTERED 1u /* any of 1 to 6 lets SMPLRT_DIV divide 1 kHz */
#define ACCEL_FCHOICE_B (1u << 3)
#define FIFO_EN_ACCEL (1u << 3)
#define INT_OVERFLOW (1u << 4)
#define USER_FIFO (1u << 6)
#define USER_FIFO_RESET (1u << 2)
#define POWER_RESET (1u << 7)
#define POWER_SLEEP (1u << 6)
#define POWER_CYCLE (1u << 5)
#define POWER_BEST_CLOCK 1u
#define POWER_GYROSCOPES_OFF 7u

#define RESET_MS 100u
#define START_MS 30u
#define FIFO_BYTES 512u
#define FRAME_BYTES 6u
#define FIFO_FRAMES (FIFO_BYTES / FRAME_BYTES)

#define SELF_TEST_SAMPLES 200
#define SELF_TEST_SETTLE_MS 20u
#define SELF_TEST_ALL_AXES 0xE0u
#define SELF_TEST_FILTER 2u /* 92 Hz */
/* Limits for a part without the factory's codes: 225 and 675 mg at 2 g. */
#define SELF_TEST_LEAST 3686
#define SELF_TEST_MOST 11059

const uint8_t sensor_driver_bits = 16;

static uint8_t fifo[FIFO_FRAMES * FRAME_BYTES];

sensor_result sensor_driver_reset(sensor *s)
{
    sensor_result result = sensor_identify(s, WHO_AM_I, WHO_AM_I_MPU9250);
    if (result == SENSOR_OK) {
        result = sensor_write(s, PWR_MGMT_1, POWER_RESET);
    }
    if (result == SENSOR_OK) {
        bus_wait_ms(RESET_MS);
        result = sensor_identify(s, WHO_AM_I, WHO_AM_I_MPU9250);
    }
    return result;
}

typedef struct {
    uint8_t reg, value;
} setting;

static sensor_result write_all(sensor *s, const setting *settings, uint32_t count)
{
    sensor_result result = SENSOR_OK;
    for (uint32_t i = 0; i < count && result == SENSOR_OK; i++) {
        result = sensor_write(s, settings[i].reg, settings[i].value);
    }
    return result;
}

/* Sum of some samples of each axis, taken from the data registers. */
static sensor_result sum(sensor *s, int32_t sums[3])
{
    sums[0] = sums[1] = sums[2] = 0;
    for (int32_t n = 0; n < SELF_TEST_SAMPLES; n++) {
        uint8_t bytes[FRAME_BYTES];
        bus_wait_ms(1);
        const sensor_result result = sensor_read(s, ACCEL_XOUT_H, bytes, sizeof bytes);
        if (result != SENSOR_OK) {
            return result;
        }
        for (uint32_t axis = 0; axis < 3; axis++) {
            sums[axis] += (int16_t)((uint32_t)bytes[2u * axis] << 8 | bytes[2u * axis + 1u]);
        }
    }
    return SENSOR_OK;
}

/* What a good part answers by the factory's code: 2620 counts times 1.01 to the power of code - 1. */
static int32_t factory_answer(uint32_t code)
{
    uint32_t answer = 2620u << 12;
    for (uint32_t n = 1; n < code; n++) {
        answer += answer / 100u;
    }
    return (int32_t)(answer >> 12);
}

sensor_result sensor_driver_self_test(sensor *s)
{
    static const setting settings[] = {
        {PWR_MGMT_1, POWER_BEST_CLOCK},
        {PWR_MGMT_2, POWER_GYROSCOPES_OFF},
        {SMPLRT_DIV, 0},
        {CONFIG, SELF_TEST_FILTER},
        {ACCEL_CONFIG, 0},
        {ACCEL_CONFIG2, SELF_TEST_FILTER},
    };
    int32_t rest[3], moved[3];
    uint8_t codes[3] = {0, 0, 0};

    sensor_result result = sensor_driver_reset(s);
    if (result == SENSOR_OK) {
        result = write_all(s, settings, sizeof settings / sizeof settings[0]);
    }
    if (result == SENSOR_OK) {
        result = sensor_read(s, SELF_TEST_X_ACCEL, codes, sizeof codes);
    }
    if (result == SENSOR_OK) {
        bus_wait_ms(START_MS);
        result = sum(s, rest);
    }
    if (result == SENSOR_OK) {
        result = sensor_write(s, ACCEL_CONFIG, SELF_TEST_ALL_AXES);
    }
    if (result == SENSOR_OK) {
        bus_wait_ms(SELF_TEST_SETTLE_MS);
        result = sum(s, moved);
    }
    if (result == SENSOR_OK) {
        result = sensor_driver_reset(s); /* ends the excitation too */
    }
    if (result != SENSOR_OK) {
        return result;
    }
    const int with_codes = codes[0] && codes[1] && codes[2];
    s->detail = 0;
    for (uint32_t axis = 0; axis < 3; axis++) {
        const int32_t answer = (moved[axis] - rest[axis]) / SELF_TEST_SAMPLES;
        const int32_t size = answer < 0 ? -answer : answer;
        /* Good between half and one and a half of the factory's answer. */
        const int32_t expected = factory_answer(codes[axis]);
        if (with_codes ? 2 * answer <= expected || 2 * answer >= 3 * expected
                       : size < SELF_TEST_LEAST || size > SELF_TEST_MOST) {
            s->detail |= 1u << axis;
        }
    }
    return s->detail ? SENSOR_SELF_TEST : SENSOR_OK;
}

static int cycled(const sensor *s)
{
    return s->config->mode == SENSOR_MODE_CYCLE;
}

/* Settings by the mode. The duty-cycled one needs the filter off: with it 1 g was seen as a twelfth of it. */
static uint8_t divider(const sensor *s)
{
    return cycled(s) ? 0 : s->config->rate;
}

static uint8_t config2(const sensor *s)
{
    return cycled(s) ? ACCEL_FCHOICE_B : s->config->filter;
}

static uint8_t cycle_rate(const sensor *s)
{
    return cycled(s) ? s->config->rate : 0;
}

static uint8_t power1(const sensor *s)
{
    return cycled(s) ? POWER_CYCLE : POWER_BEST_CLOCK;
}

/* Whether the part is set up as it should be. */
static sensor_result check(sensor *s)
{
    uint8_t rates[LP_ACCEL_ODR - SMPLRT_DIV + 1u], power[3], filled;
    sensor_result result = sensor_read(s, SMPLRT_DIV, rates, sizeof rates);
    if (result == SENSOR_OK) {
        result = sensor_read(s, USER_CTRL, power, sizeof power);
    }
    if (result == SENSOR_OK) {
        result = sensor_read(s, FIFO_EN, &filled, 1);
    }
    if (result != SENSOR_OK) {
        return result;
    }
    return rates[0] == divider(s) &&
                   rates[CONFIG - SMPLRT_DIV] == (CONFIG_STOP_WHEN_FULL | CONFIG_FILTERED) &&
                   rates[ACCEL_CONFIG - SMPLRT_DIV] == (uint8_t)(s->config->range << 3) &&
                   rates[ACCEL_CONFIG2 - SMPLRT_DIV] == config2(s) &&
                   rates[LP_ACCEL_ODR - SMPLRT_DIV] == cycle_rate(s) && power[0] == USER_FIFO &&
                   power[1] == power1(s) && power[2] == POWER_GYROSCOPES_OFF && filled == FIFO_EN_ACCEL
               ? SENSOR_OK
               : SENSOR_SETTINGS;
}

static sensor_result empty_fifo(sensor *s)
{
    const setting settings[] = {
        {FIFO_EN, 0}, {USER_CTRL, USER_FIFO_RESET}, {USER_CTRL, USER_FIFO}, {FIFO_EN, FIFO_EN_ACCEL},
    };
    return write_all(s, settings, sizeof settings / sizeof settings[0]);
}

sensor_result sensor_driver_set_up(sensor *s)
{
    const setting settings[] = {
        {PWR_MGMT_2, POWER_GYROSCOPES_OFF},
        {SMPLRT_DIV, divider(s)},
        {CONFIG, CONFIG_STOP_WHEN_FULL | CONFIG_FILTERED},
        {ACCEL_CONFIG, (uint8_t)(s->config->range << 3)},
        {ACCEL_CONFIG2, config2(s)},
        {LP_ACCEL_ODR, cycle_rate(s)},
        {INT_ENABLE, INT_OVERFLOW},
        {PWR_MGMT_1, power1(s)},
    };
    sensor_result result = write_all(s, settings, sizeof settings / sizeof settings[0]);
    if (result == SENSOR_OK) {
        bus_wait_ms(START_MS);
        result = empty_fifo(s);
    }
    return result == SENSOR_OK ? check(s) : result;
}

static sensor_result read_count(sensor *s, uint32_t *count)
{
    uint8_t bytes[2];
    const sensor_result result = sensor_read(s, FIFO_COUNTH, bytes, sizeof bytes);
    *count = (uint32_t)bytes[0] << 8 | bytes[1];
    return result;
}

/* Whether a frame reads as nothing but ones. */
static int ones(uint32_t frame)
{
    uint32_t all = 0xFFu;
    for (uint32_t n = 0; n < FRAME_BYTES; n++) {
        all &= fifo[frame * FRAME_BYTES + n];
    }
    return all == 0xFFu;
}

/* Empty a FIFO whose frames cannot be told apart any more. */
static sensor_result unreadable(sensor *s)
{
    const sensor_result result = empty_fifo(s);
    return result == SENSOR_OK ? SENSOR_UNREADABLE : result;
}

sensor_result sensor_driver_drain(sensor *s, sensor_take take, void *context)
{
    uint8_t status;
    uint32_t count = 0, left = 0;

    sensor_result result = check(s);
    if (result == SENSOR_SETTINGS) {
        result = check(s); /* it may have been read wrongly */
    }
    if (result == SENSOR_OK) {
        result = sensor_read(s, INT_STATUS, &status, 1);
    }
    if (result == SENSOR_OK) {
        result = read_count(s, &count);
    }
    if (result != SENSOR_OK) {
        return result;
    }
    /* Fuller than its frames is full, whatever became of the status. */
    const int overrun = (status & INT_OVERFLOW) != 0 || count > FIFO_FRAMES * FRAME_BYTES;
    if (!overrun && count % FRAME_BYTES) {
        result = read_count(s, &count); /* it may have been read in the middle of a frame */
        if (result != SENSOR_OK) {
            return result;
        }
    }
    if (count > FIFO_BYTES || (!overrun && count % FRAME_BYTES)) {
        return unreadable(s);
    }
    const uint32_t frames = count / FRAME_BYTES;
    if (frames > 0) {
        result = sensor_read_fifo(s, FIFO_R_W, fifo, frames * FRAME_BYTES);
        if (result == SENSOR_OK) {
            result = read_count(s, &left);
        }
        if (result != SENSOR_OK) {
            s->gap |= SENSOR_GAP_BUS;
            return result;
        }
        if (!overrun && left % FRAME_BYTES) {
            result = read_count(s, &left);
            if (result != SENSOR_OK) {
                s->gap |= SENSOR_GAP_BUS;
                return result;
            }
        }
        /* What is left has to be what came meanwhile: where a read breaks off, the rest reads as ones, which
         * are counts too. */
        const uint32_t with_read = left + frames * FRAME_BYTES;
        if (with_read < count || (!overrun && (with_read - count) % FRAME_BYTES) ||
            (with_read != count && ones(frames - 1u))) {
            return unreadable(s);
        }
    }
    for (uint32_t n = 0; n < frames; n++) {
        int32_t counts[3];
        for (uint32_t axis = 0; axis < 3; axis++) {
            const uint8_t *pair = &fifo[n * FRAME_BYTES + 2u * axis];
            counts[axis] = (int16_t)((uint32_t)pair[0] << 8 | pair[1]);
        }
        sensor_deliver(s, counts, take, context);
    }
    if (overrun) {
        s->gap |= SENSOR_GAP_OVERRUN; /* the newest found no room, so the gap lies behind the rest */
        result = empty_fifo(s);
        return result == SENSOR_OK ? SENSOR_OVERRUN : result;
    }
    return SENSOR_OK;
}

sensor_result sensor_driver_sleep(sensor *s)
{
    return sensor_write(s, PWR_MGMT_1, POWER_SLEEP);
}
