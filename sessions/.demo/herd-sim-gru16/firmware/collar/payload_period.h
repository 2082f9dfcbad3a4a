/* payload_period.h - what a payload says of a tag and of a period that has ended. */
#ifndef PAYLOAD_PERIOD_H
#define PAYLOAD_PERIOD_H

#include "payload.h"
#include "tag.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Pack a period at its end, when the tag's clock has been advanced. ended: its counters.
 * sequence: payloads since the start, this one left out. battery_mv: PAYLOAD_UNKNOWN where it was not measured.
 * sensor_failed: whether it has since the start. */
void payload_pack_period(const tag_state *tag, const tag_counters *ended, uint32_t sequence, uint32_t battery_mv,
                         uint32_t sensor_failed, uint8_t out[PAYLOAD_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
