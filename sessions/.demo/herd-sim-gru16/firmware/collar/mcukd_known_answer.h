/* mcukd_known_answer.h - windows with known answers, so that a board can test itself. Generated. */
#ifndef MCUKD_KNOWN_ANSWER_H
#define MCUKD_KNOWN_ANSWER_H

#include "mcukd_model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MCUKD_KNOWN_ANSWERS 2

extern const int16_t mcukd_known_windows[MCUKD_KNOWN_ANSWERS][MCUKD_MODEL_WINDOW][MCUKD_MODEL_CHANNELS];
extern const int16_t mcukd_known_logits[MCUKD_KNOWN_ANSWERS][MCUKD_MODEL_CLASSES];
/* CRC-32 over the states after each step, each as little-endian int16. */
extern const uint32_t mcukd_known_state_crc[MCUKD_KNOWN_ANSWERS];

#ifdef __cplusplus
}
#endif

#endif
