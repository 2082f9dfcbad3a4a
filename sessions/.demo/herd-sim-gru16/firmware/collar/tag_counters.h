/* tag_counters.h - results counted by class over a period of any length. */
#ifndef TAG_COUNTERS_H
#define TAG_COUNTERS_H

#include "tag_config.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The class of results that are too close to call. */
#define TAG_UNKNOWN TAG_CLASSES

/* As the payload of a TAG_LOG_PERIOD record. */
typedef struct {
    uint32_t start; /* seconds of the clock */
    uint32_t gaps; /* times at which samples were lost */
    uint32_t lost; /* samples, as far as known */
    uint32_t results[TAG_CLASSES + 1u]; /* by class; the last is TAG_UNKNOWN */
} tag_counters;

/* Begin a period. */
void tag_counters_start(tag_counters *counters, uint32_t seconds);

/* Count a result; return 0, and count nothing, where its counter is full: the period then has to end. */
int tag_counters_result(tag_counters *counters, uint32_t class_found);

/* Count a gap in which some samples were lost; return 0, and count nothing, where a counter is full. */
int tag_counters_gap(tag_counters *counters, uint32_t samples_lost);

#ifdef __cplusplus
}
#endif

#endif
