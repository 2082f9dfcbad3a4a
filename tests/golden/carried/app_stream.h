/* app_stream.h - classification as in operation: sample by sample, one result every hop. */
#ifndef APP_STREAM_H
#define APP_STREAM_H

#include "app_outcome.h"
#include "mcukd_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APP_STREAM_NO_CLASS 255u

typedef struct {
    uint32_t samples; /* taken so far: the index of the sample expected next */
    uint32_t results; /* windows classified so far */
    uint8_t latest_class; /* or MCUKD_MODEL_UNKNOWN; APP_STREAM_NO_CLASS before the first window is full */
    int16_t latest_logits[MCUKD_MODEL_CLASSES];
    uint32_t ethogram[APP_OUTCOMES]; /* windows per outcome; a byte would overflow at 256 */
    mcukd_state state; /* carried since the start or the latest gap */
    uint32_t until_result; /* samples before the next result */
} app_stream;

/* Forget all samples and counts. */
void app_stream_reset(app_stream *stream);

/* Begin with the zero state, as where samples were lost: no state bridges a gap. A result comes after a window. */
void app_stream_restart(app_stream *stream);

/* Take the next sample of raw sensor counts; return 1 where a result came with it, else 0. */
int app_stream_push(app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS]);

#ifdef __cplusplus
}
#endif

#endif
