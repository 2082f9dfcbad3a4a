/* mcukd_trace.h - the model's step with every tensor kept, to name the first that differs. Generated. */
#ifndef MCUKD_TRACE_H
#define MCUKD_TRACE_H

#include "mcukd_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MCUKD_TRACE_TENSORS 8
#define MCUKD_TRACE_VALUES MCUKD_MODEL_HIDDEN /* of each tensor */

typedef struct {
    int16_t z_pre[MCUKD_MODEL_HIDDEN]; /* fractional length 12 */
    int16_t r_pre[MCUKD_MODEL_HIDDEN]; /* fractional length 12 */
    int16_t z[MCUKD_MODEL_HIDDEN]; /* less 32768, fractional length 16 */
    int16_t r[MCUKD_MODEL_HIDDEN]; /* less 32768, fractional length 16 */
    int16_t h_rec[MCUKD_MODEL_HIDDEN]; /* fractional length 12 */
    int16_t h_pre[MCUKD_MODEL_HIDDEN]; /* fractional length 13 */
    int16_t h_cand[MCUKD_MODEL_HIDDEN]; /* fractional length 15 */
    int16_t h[MCUKD_MODEL_HIDDEN]; /* fractional length 15 */
} mcukd_trace;

/* The tensors in the order of their numbers. */
#define MCUKD_TRACE_LIST(trace) (trace).z_pre, (trace).r_pre, (trace).z, (trace).r, (trace).h_rec, (trace).h_pre, (trace).h_cand, (trace).h

void mcukd_model_step_traced(mcukd_state *state, const int16_t sample[MCUKD_MODEL_CHANNELS], mcukd_trace *trace);

#ifdef __cplusplus
}
#endif

#endif
