/* tag_clock.h - the tag's time, the time of day where somebody has set it, and the sensor's real rate. */
#ifndef TAG_CLOCK_H
#define TAG_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `seconds` never goes back: after a reset it goes on from the newest record of the log. Setting the time of day
 * changes `offset` alone. Fractions are 1/32768 s. */
typedef struct {
    uint32_t seconds;
    uint32_t fraction;
    uint32_t ticks; /* of the counter, up to which the clock was advanced */
    uint32_t offset; /* UTC minus seconds, modulo 2^32 */
    uint32_t offset_fraction;
    uint32_t utc; /* given last */
    uint8_t set; /* whether UTC was set since the start */
} tag_clock;

/* Start at the seconds of the newest record. ticks: the counter now. */
void tag_clock_start(tag_clock *clock, uint32_t seconds, uint32_t ticks);

/* Go on to a reading of the counter, less than 2^32 ticks (36 hours) after the last one. */
void tag_clock_advance(tag_clock *clock, uint32_t ticks);

/* Set the time of day: Unix seconds and a fraction at this moment. */
void tag_clock_set(tag_clock *clock, uint32_t utc, uint32_t fraction);

/* Give Unix seconds, never less than given before. Return 1 where they may be trusted: the time was set since the
 * start, and was not set back to before what was given already. Where it was never set, they are 0. */
int tag_clock_utc(tag_clock *clock, uint32_t *utc);

/* Samples of a stretch without gaps, and the time they took. */
typedef struct {
    uint32_t samples; /* after its begin */
    uint32_t begin[2]; /* seconds and fraction of the clock at its begin */
    uint32_t end[2]; /* and when the last samples were read */
    uint8_t running;
} tag_rate;

/* Forget the stretch, as at the start and at a gap. */
void tag_rate_reset(tag_rate *rate);

/* Take samples that were read from the sensor just now. A stretch begins with the first that are read, which are
 * not counted: how long they took is not known. */
void tag_rate_samples(tag_rate *rate, const tag_clock *clock, uint32_t samples);

/* Give the samples of the stretch and the time they took, as seconds and fraction, and begin the next one at its
 * end; return 0 where there is none. */
int tag_rate_take(tag_rate *rate, uint32_t *samples, uint32_t took[2]);

#ifdef __cplusplus
}
#endif

#endif
