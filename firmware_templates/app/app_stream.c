/* app_stream.c - overlapping windows without a window buffer: each window under way is one state. */
#include "app_stream.h"

/* ceil(T / hop): a state is free again before the window that needs it begins. */
#define STATES ((MCUKD_MODEL_WINDOW + MCUKD_MODEL_HOP - 1) / MCUKD_MODEL_HOP)

static app_stream stream;
static mcukd_state states[STATES];
static uint32_t steps_left[STATES]; /* 0: no window under way */
static uint32_t next_state;
static uint32_t until_start; /* samples before the next window begins */

void app_stream_reset(void)
{
    stream.samples = 0;
    stream.results = 0;
    stream.latest_class = APP_STREAM_NO_CLASS;
    for (uint32_t k = 0; k < MCUKD_MODEL_CLASSES; k++) {
        stream.latest_logits[k] = 0;
        stream.ethogram[k] = 0;
    }
    for (uint32_t s = 0; s < STATES; s++) {
        steps_left[s] = 0;
    }
    next_state = 0;
    until_start = 0;
}

void app_stream_push(const int16_t sample[MCUKD_MODEL_CHANNELS])
{
    if (until_start == 0) {
        mcukd_model_reset(&states[next_state]);
        steps_left[next_state] = MCUKD_MODEL_WINDOW;
        next_state = next_state + 1u < STATES ? next_state + 1u : 0u;
        until_start = MCUKD_MODEL_HOP;
    }
    until_start--;
    for (uint32_t s = 0; s < STATES; s++) {
        if (steps_left[s] == 0) {
            continue;
        }
        mcukd_model_step(&states[s], sample);
        steps_left[s]--;
        if (steps_left[s] == 0) {
            stream.latest_class = mcukd_model_classify(&states[s], stream.latest_logits);
            stream.ethogram[stream.latest_class]++;
            stream.results++;
        }
    }
    stream.samples++;
}

const app_stream *app_stream_get(void)
{
    return &stream;
}
