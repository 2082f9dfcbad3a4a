/* tag_counters.c - results counted by class over a period of any length. */
#include "tag_counters.h"

void tag_counters_start(tag_counters *counters, uint32_t seconds)
{
    counters->start = seconds;
    counters->gaps = 0;
    counters->lost = 0;
    for (uint32_t k = 0; k <= TAG_CLASSES; k++) {
        counters->results[k] = 0;
    }
}

int tag_counters_result(tag_counters *counters, uint32_t class_found)
{
    if (counters->results[class_found] == UINT32_MAX) {
        return 0;
    }
    counters->results[class_found]++;
    return 1;
}

int tag_counters_gap(tag_counters *counters, uint32_t samples_lost)
{
    if (counters->gaps == UINT32_MAX || samples_lost > UINT32_MAX - counters->lost) {
        return 0;
    }
    counters->gaps++;
    counters->lost += samples_lost;
    return 1;
}
