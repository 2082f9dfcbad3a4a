/* app_still.h - sums of the sensor's own counts, along its own axes, from which a host finds its calibration. */
#ifndef APP_STILL_H
#define APP_STILL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No more are summed: the sums of counts of 16 bits stay within 32. */
#define APP_STILL_MOST 4096u

typedef struct {
    uint32_t samples;
    int32_t sum[3];
    int16_t least[3];
    int16_t most[3];
} app_still;

/* Forget all samples, and take those that follow. */
void app_still_begin(void);

/* Take a sample, where a host has asked for them since the start. */
void app_still_take(const int16_t counts[3]);

const app_still *app_still_get(void);

#ifdef __cplusplus
}
#endif

#endif
