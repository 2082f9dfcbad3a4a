/* app_stream.h - classification as in operation: sample by sample, one result every hop. */
#ifndef APP_STREAM_H
#define APP_STREAM_H

#include "app_outcome.h"
#include "mcukd_model.h"
#include "mcukd_pair.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APP_STREAM_NO_CLASS 255u

/* ceil(T / hop): a state is free again before the window that needs it begins. */
#define APP_STREAM_STATES ((MCUKD_MODEL_WINDOW + MCUKD_MODEL_HOP - 1) / MCUKD_MODEL_HOP)

typedef struct {
    uint32_t samples; /* taken so far: the index of the sample expected next */
    uint32_t results; /* windows classified so far */
    uint8_t latest_class; /* or MCUKD_MODEL_UNKNOWN; APP_STREAM_NO_CLASS before the first window is full */
    int16_t latest_logits[MCUKD_MODEL_CLASSES];
    uint32_t ethogram[APP_OUTCOMES]; /* windows per outcome; a byte would overflow at 256 */
    /* Windows under way: lane s % 2 of pair s / 2, the last one alone. One begins every hop, and they end in turn. */
    mcukd_pair pairs[APP_STREAM_STATES / 2];
    mcukd_state single;
    uint32_t next_state; /* begins next */
    uint32_t until_start; /* samples before it does */
    uint32_t ending; /* ends next */
    uint32_t until_end; /* samples before it has ended */
} app_stream;

/* Forget all samples and counts. */
void app_stream_reset(app_stream *stream);

/* Forget the windows under way, as where samples were lost: no window bridges a gap. */
void app_stream_restart(app_stream *stream);

/* Take the next sample of raw sensor counts; return 1 where a window ended with it, else 0. No two windows end
 * with one sample. */
int app_stream_push(app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS]);

#ifdef __cplusplus
}
#endif

#endif
