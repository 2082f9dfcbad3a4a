/* app_still.c - sums of the sensor's own counts, along its own axes, from which a host finds its calibration. */
#include "app_still.h"

static app_still still;
static uint8_t wanted;

void app_still_begin(void)
{
    still = (app_still) { 0 };
    wanted = 1;
}

void app_still_take(const int16_t counts[3])
{
    if (!wanted || still.samples == APP_STILL_MOST) {
        return;
    }
    for (uint32_t axis = 0; axis < 3u; axis++) {
        still.sum[axis] += counts[axis];
        if (still.samples == 0 || counts[axis] < still.least[axis]) {
            still.least[axis] = counts[axis];
        }
        if (still.samples == 0 || counts[axis] > still.most[axis]) {
            still.most[axis] = counts[axis];
        }
    }
    still.samples++;
}

const app_still *app_still_get(void)
{
    return &still;
}
