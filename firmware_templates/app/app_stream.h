/* app_stream.h - classification as in operation: sample by sample, one result every hop. */
#ifndef APP_STREAM_H
#define APP_STREAM_H

#include "mcukd_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APP_STREAM_NO_CLASS 255u

typedef struct {
    uint32_t samples; /* taken so far: the index of the sample expected next */
    uint32_t results; /* windows classified so far */
    uint8_t latest_class; /* APP_STREAM_NO_CLASS before the first window is full */
    int16_t latest_logits[MCUKD_MODEL_CLASSES];
    uint32_t ethogram[MCUKD_MODEL_CLASSES]; /* windows per class; a byte would overflow at 256 */
} app_stream;

/* Forget all samples and counts. */
void app_stream_reset(void);

/* Take the next sample of raw sensor counts. A sensor driver calls this, or the PUSH request. */
void app_stream_push(const int16_t sample[MCUKD_MODEL_CHANNELS]);

/* Where the stream stands. */
const app_stream *app_stream_get(void);

#ifdef __cplusplus
}
#endif

#endif
