/* app_stream.c - one state, carried from sample to sample, and classified every hop. */
#include "app_stream.h"

void app_stream_restart(app_stream *stream)
{
    mcukd_model_reset(&stream->state);
    stream->until_result = MCUKD_MODEL_WINDOW;
}

void app_stream_reset(app_stream *stream)
{
    stream->samples = 0;
    stream->results = 0;
    stream->latest_class = APP_STREAM_NO_CLASS;
    for (uint32_t k = 0; k < MCUKD_MODEL_CLASSES; k++) {
        stream->latest_logits[k] = 0;
    }
    for (uint32_t k = 0; k < APP_OUTCOMES; k++) {
        stream->ethogram[k] = 0;
    }
    app_stream_restart(stream);
}

static void classify(app_stream *stream, const mcukd_state *state)
{
    stream->latest_class = app_outcome(state, stream->latest_logits);
    stream->ethogram[stream->latest_class]++;
    stream->results++;
}

int app_stream_push(app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS])
{
    int ended = 0;
    mcukd_model_step(&stream->state, sample);
    stream->until_result--;
    if (stream->until_result == 0) {
        stream->until_result = MCUKD_MODEL_HOP;
        classify(stream, &stream->state);
        ended = 1;
    }
    stream->samples++;
    return ended;
}
