/* tag_smoothing.c - results that are too close to call, and the majority of the last results. */
#include "tag_smoothing.h"

uint32_t tag_with_unknown(uint32_t class_found, const int16_t logits[TAG_CLASSES])
{
    for (uint32_t k = 0; k < TAG_CLASSES && class_found < TAG_CLASSES; k++) {
        if (k != class_found && logits[class_found] - logits[k] < TAG_UNKNOWN_MARGIN) {
            return TAG_CLASSES;
        }
    }
    return class_found;
}

void tag_smoothing_reset(tag_smoothing *smoothing)
{
    smoothing->newest = 0;
    smoothing->count = 0;
    smoothing->smoothed = UINT8_MAX;
}

/* The class given `age` results ago. */
static uint8_t earlier(const tag_smoothing *smoothing, uint32_t age)
{
    const uint32_t place = smoothing->newest;
    return smoothing->last[place >= age ? place - age : place + TAG_SMOOTHING - age];
}

uint32_t tag_smoothing_result(tag_smoothing *smoothing, uint32_t class_found)
{
    uint32_t most = 0;
    uint8_t winner = 0;

    smoothing->newest = (uint8_t)(smoothing->newest + 1u < TAG_SMOOTHING ? smoothing->newest + 1u : 0u);
    smoothing->last[smoothing->newest] = (uint8_t)class_found;
    if (smoothing->count < TAG_SMOOTHING) {
        smoothing->count++;
    }
    for (uint32_t i = 0; i < smoothing->count; i++) {
        const uint8_t candidate = earlier(smoothing, i);
        uint32_t votes = 0;
        for (uint32_t j = 0; j < smoothing->count; j++) {
            votes += earlier(smoothing, j) == candidate;
        }
        if (votes > most || (votes == most && candidate == smoothing->smoothed)) {
            most = votes;
            winner = candidate;
        }
    }
    smoothing->smoothed = winner;
    return winner;
}
