/* What is under test by names that the integer model, a stream of its results and the float baseline have. */
#ifndef BENCH_ADAPTER_H
#define BENCH_ADAPTER_H

#ifdef BENCH_FLOAT
#include "float_gru.h"
typedef float_gru_state bench_state;
typedef float bench_logit;
#define BENCH_CHANNELS FLOAT_GRU_CHANNELS
#define BENCH_CLASSES FLOAT_GRU_CLASSES
#define BENCH_STATE_BYTES 0 /* not compared bit for bit */
#define bench_reset float_gru_reset
#define bench_step float_gru_step
#define bench_classify float_gru_classify
#elif defined(BENCH_STREAM)
#include "app_stream.h"
typedef app_stream bench_state;
typedef int16_t bench_logit;
#define BENCH_CHANNELS MCUKD_MODEL_CHANNELS
#define BENCH_CLASSES MCUKD_MODEL_CLASSES
#define BENCH_STATE_BYTES 0 /* results are compared */
#define bench_reset app_stream_reset
#define bench_step(stream, sample) (void)app_stream_push(stream, sample)
#define bench_classify app_stream_latest
static inline void app_stream_latest(const app_stream *stream, int16_t logits[MCUKD_MODEL_CLASSES])
{
    for (uint32_t k = 0; k < MCUKD_MODEL_CLASSES; k++) {
        logits[k] = stream->latest_logits[k];
    }
}
#else
#include "mcukd_model.h"
typedef mcukd_state bench_state;
typedef int16_t bench_logit;
#define BENCH_CHANNELS MCUKD_MODEL_CHANNELS
#define BENCH_CLASSES MCUKD_MODEL_CLASSES
#define BENCH_STATE_BYTES (2 * MCUKD_MODEL_HIDDEN)
#define bench_reset mcukd_model_reset
#define bench_step mcukd_model_step
#define bench_classify mcukd_model_classify
#endif

#endif
