/* Runs a stream through the integer model and through the same GRU in double precision, state carried. */
#include <math.h>
#include <stddef.h>
#include "mcukd_model.h"

enum { H = MCUKD_MODEL_HIDDEN, C = MCUKD_MODEL_CHANNELS };

static void float_step(const double *kernel, const double *recurrent, const double *bias, const double *x, double *h)
{
    double next[H];
    for (int j = 0; j < H; j++) {
        double sums[6];
        for (int g = 0; g < 3; g++) {
            double from_x = bias[g * H + j];
            double from_h = bias[3 * H + g * H + j];
            for (int c = 0; c < C; c++) {
                from_x += x[c] * kernel[c * 3 * H + g * H + j];
            }
            for (int i = 0; i < H; i++) {
                from_h += h[i] * recurrent[i * 3 * H + g * H + j];
            }
            sums[2 * g] = from_x;
            sums[2 * g + 1] = from_h;
        }
        const double z = 1 / (1 + exp(-(sums[0] + sums[1])));
        const double r = 1 / (1 + exp(-(sums[2] + sums[3])));
        next[j] = z * h[j] + (1 - z) * tanh(sums[4] + r * sums[5]);
    }
    for (int j = 0; j < H; j++) {
        h[j] = next[j];
    }
}

/* Writes, for each of `samples` moments, the largest difference of a unit's state. reset: samples between
   two starts from the zero state, 0 for never. */
void mcukd_stream(const int16_t *counts, size_t samples, size_t reset, const double *mean, const double *std,
                  const double *kernel, const double *recurrent, const double *bias, double unit, float *errors)
{
    mcukd_state state;
    double h[H] = { 0 };
    mcukd_model_reset(&state);
    for (size_t t = 0; t < samples; t++) {
        if (reset != 0 && t % reset == 0) {
            mcukd_model_reset(&state);
            for (int j = 0; j < H; j++) {
                h[j] = 0;
            }
        }
        double x[C];
        for (int c = 0; c < C; c++) {
            x[c] = (counts[t * C + (size_t)c] - mean[c]) / std[c];
        }
        mcukd_model_step(&state, counts + t * C);
        float_step(kernel, recurrent, bias, x, h);
        double worst = 0;
        for (int j = 0; j < H; j++) {
            worst = fmax(worst, fabs(state.h[j] * unit - h[j]));
        }
        errors[t] = (float)worst;
    }
}
