/* tag_clock.c - the tag's time, the time of day where somebody has set it, and the sensor's real rate. */
#include "tag_clock.h"

#include "tag_port.h"

#define FRACTION_BITS 15u
#define FRACTION_MASK (TAG_TICKS_PER_SECOND - 1u)

void tag_clock_start(tag_clock *clock, uint32_t seconds, uint32_t ticks)
{
    clock->seconds = seconds;
    clock->fraction = 0;
    clock->ticks = ticks;
    clock->offset = 0;
    clock->offset_fraction = 0;
    clock->utc = 0;
    clock->set = 0;
}

void tag_clock_advance(tag_clock *clock, uint32_t ticks)
{
    const uint32_t passed = ticks - clock->ticks;
    const uint32_t fraction = clock->fraction + (passed & FRACTION_MASK);
    const uint32_t seconds = (passed >> FRACTION_BITS) + (fraction >> FRACTION_BITS);
    clock->ticks = ticks;
    clock->fraction = fraction & FRACTION_MASK;
    if (seconds <= UINT32_MAX - clock->seconds) {
        clock->seconds += seconds;
    } else {
        clock->seconds = UINT32_MAX; /* after 136 years it stands still rather than start again */
    }
}

void tag_clock_set(tag_clock *clock, uint32_t utc, uint32_t fraction)
{
    const uint32_t borrow = fraction < clock->fraction;
    clock->offset = utc - clock->seconds - borrow;
    clock->offset_fraction = (fraction - clock->fraction) & FRACTION_MASK;
    clock->set = 1;
}

int tag_clock_utc(tag_clock *clock, uint32_t *utc)
{
    const uint32_t carry = (clock->fraction + clock->offset_fraction) >> FRACTION_BITS;
    const uint32_t now = clock->seconds + clock->offset + carry;
    const int held = now < clock->utc;
    if (clock->set && !held) {
        clock->utc = now;
    }
    *utc = clock->utc;
    return clock->set && !held;
}

void tag_rate_reset(tag_rate *rate)
{
    rate->samples = 0;
    rate->running = 0;
}

void tag_rate_samples(tag_rate *rate, const tag_clock *clock, uint32_t samples)
{
    rate->end[0] = clock->seconds;
    rate->end[1] = clock->fraction;
    if (rate->running && samples <= UINT32_MAX - rate->samples) {
        rate->samples += samples;
    } else {
        rate->samples = 0;
        rate->begin[0] = rate->end[0];
        rate->begin[1] = rate->end[1];
        rate->running = 1;
    }
}

int tag_rate_take(tag_rate *rate, uint32_t *samples, uint32_t took[2])
{
    if (!rate->running || rate->samples == 0) {
        return 0;
    }
    *samples = rate->samples;
    took[0] = rate->end[0] - rate->begin[0] - (rate->end[1] < rate->begin[1]);
    took[1] = (rate->end[1] - rate->begin[1]) & FRACTION_MASK;
    rate->samples = 0;
    rate->begin[0] = rate->end[0];
    rate->begin[1] = rate->end[1];
    return 1;
}
