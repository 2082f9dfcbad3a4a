/* app_stream.c - overlapping windows without a window buffer: each window under way is one state. */
#include "app_stream.h"

void app_stream_restart(app_stream *stream)
{
    for (uint32_t s = 0; s < APP_STREAM_STATES; s++) {
        stream->steps_left[s] = 0;
    }
    stream->next_state = 0;
    stream->until_start = 0;
}

void app_stream_reset(app_stream *stream)
{
    stream->samples = 0;
    stream->results = 0;
    stream->latest_class = APP_STREAM_NO_CLASS;
    for (uint32_t k = 0; k < MCUKD_MODEL_CLASSES; k++) {
        stream->latest_logits[k] = 0;
        stream->ethogram[k] = 0;
    }
    app_stream_restart(stream);
}

int app_stream_push(app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS])
{
    int ended = 0;
    if (stream->until_start == 0) {
        mcukd_model_reset(&stream->states[stream->next_state]);
        stream->steps_left[stream->next_state] = MCUKD_MODEL_WINDOW;
        stream->next_state = stream->next_state + 1u < APP_STREAM_STATES ? stream->next_state + 1u : 0u;
        stream->until_start = MCUKD_MODEL_HOP;
    }
    stream->until_start--;
    for (uint32_t s = 0; s < APP_STREAM_STATES; s++) {
        if (stream->steps_left[s] == 0) {
            continue;
        }
        mcukd_model_step(&stream->states[s], sample);
        stream->steps_left[s]--;
        if (stream->steps_left[s] == 0) {
            stream->latest_class = mcukd_model_classify(&stream->states[s], stream->latest_logits);
            stream->ethogram[stream->latest_class]++;
            stream->results++;
            ended = 1;
        }
    }
    stream->samples++;
    return ended;
}
