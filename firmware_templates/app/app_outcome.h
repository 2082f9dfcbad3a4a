/* app_outcome.h - what a window comes to: a class, or unknown where the model refuses to name one. */
#ifndef APP_OUTCOME_H
#define APP_OUTCOME_H

#include "mcukd_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef MCUKD_MODEL_UNKNOWN
#define APP_OUTCOMES (MCUKD_MODEL_CLASSES + 1) /* the last is MCUKD_MODEL_UNKNOWN */
#else
#define APP_OUTCOMES MCUKD_MODEL_CLASSES
#endif

/* Return the outcome of a window, below APP_OUTCOMES, and write its logits. */
static inline uint8_t app_outcome(const mcukd_state *state, int16_t logits[MCUKD_MODEL_CLASSES])
{
#ifdef MCUKD_MODEL_UNKNOWN
    return mcukd_model_decide(state, logits);
#else
    return mcukd_model_classify(state, logits);
#endif
}

#ifdef __cplusplus
}
#endif

#endif
