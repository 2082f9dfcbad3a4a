/* The model under test by names that both the integer model and the float baseline have. */
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
