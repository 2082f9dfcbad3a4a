/* tag_smoothing.h - results that are too close to call, and the majority of the last results. */
#ifndef TAG_SMOOTHING_H
#define TAG_SMOOTHING_H

#include "tag_config.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint8_t last[TAG_SMOOTHING]; /* classes, a ring */
    uint8_t newest; /* place in the ring */
    uint8_t count; /* of results since the start or the last gap, up to TAG_SMOOTHING */
    uint8_t smoothed; /* the class given last */
} tag_smoothing;

/* Return the class, or TAG_CLASSES (unknown) where it is that already, or where its logit is less than
 * TAG_UNKNOWN_MARGIN above any other. */
uint32_t tag_with_unknown(uint32_t class_found, const int16_t logits[TAG_CLASSES]);

/* Forget all results, as at the start and at a gap. */
void tag_smoothing_reset(tag_smoothing *smoothing);

/* Take a result; return the most frequent class of the last TAG_SMOOTHING ones. Of classes that are equally
 * frequent the one given last stays; where it is none of them, the one seen last is taken. */
uint32_t tag_smoothing_result(tag_smoothing *smoothing, uint32_t class_found);

#ifdef __cplusplus
}
#endif

#endif
