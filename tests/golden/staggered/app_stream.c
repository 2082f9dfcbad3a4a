/* app_stream.c - overlapping windows without a window buffer: each window under way is one state. */
#include "app_stream.h"

/* Not on the stack, whose size a board fixes: networks may be large. */
static mcukd_sums sums;

static uint32_t after(uint32_t state)
{
    return state + 1u < APP_STREAM_STATES ? state + 1u : 0u;
}

static void begin_window(app_stream *stream)
{
    const uint32_t state = stream->next_state;
    if (state + 1u == APP_STREAM_STATES) {
        mcukd_model_reset(&stream->single);
    } else {
        mcukd_pair_reset(&stream->pairs[state / 2u], state % 2u);
    }
    stream->next_state = after(state);
    stream->until_start = MCUKD_MODEL_HOP;
}

void app_stream_restart(app_stream *stream)
{
    stream->next_state = 0;
    stream->until_start = 0;
    stream->ending = 0;
    stream->until_end = MCUKD_MODEL_WINDOW;
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

static void end_window(app_stream *stream)
{
    const uint32_t state = stream->ending;
    if (state + 1u == APP_STREAM_STATES) {
        classify(stream, &stream->single);
    } else {
        mcukd_state ended;
        mcukd_pair_get(&stream->pairs[state / 2u], state % 2u, &ended);
        classify(stream, &ended);
    }
    stream->ending = after(state);
    stream->until_end = MCUKD_MODEL_HOP;
}

int app_stream_push(app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS])
{
    int ended = 0;
    if (stream->until_start == 0) {
        begin_window(stream);
    }
    stream->until_start--;
    /* States that no window has at present are stepped, too; each is set to zero where one begins. */
    mcukd_model_sums(&sums, sample);
    for (uint32_t p = 0; p < APP_STREAM_STATES / 2u; p++) {
        mcukd_model_step_pair(&stream->pairs[p], &sums);
    }
    mcukd_model_step(&stream->single, sample);
    stream->until_end--;
    if (stream->until_end == 0) {
        end_window(stream);
        ended = 1;
    }
    stream->samples++;
    return ended;
}
