/* payload_period.c - what a payload says of a tag and of a period that has ended. */
#include "payload_period.h"

/* Only checks the compiler: both count the same classes. */
typedef char payload_counts_the_tags_classes[PAYLOAD_CLASSES == TAG_CLASSES ? 1 : -1];

/* Place of the model in tag_state.boot. */
#define BOOT_MODEL 3

void payload_pack_period(const tag_state *tag, const tag_counters *ended, uint32_t sequence, uint32_t battery_mv,
                         uint32_t sensor_failed, uint8_t out[PAYLOAD_BYTES])
{
    payload_values values;

    values.value[PAYLOAD_MODEL] = tag->boot[BOOT_MODEL];
    values.value[PAYLOAD_STARTS] = tag->log.boots + (tag->boot_logged ? 0u : 1u);
    values.value[PAYLOAD_SEQUENCE] = sequence;
    values.value[PAYLOAD_BATTERY_MV] = battery_mv;
    values.value[PAYLOAD_GAP] = ended->gaps;
    values.value[PAYLOAD_FAULT] = sensor_failed | tag->records_lost;
    values.value[PAYLOAD_TIME_SET] = tag->clock.set;
    values.value[PAYLOAD_BEGIN_S] = ended->start;
    values.value[PAYLOAD_DURATION_S] = tag->clock.seconds - ended->start;
    values.value[PAYLOAD_GAPS] = ended->gaps;
    values.value[PAYLOAD_SAMPLES_LOST] = ended->lost;
    for (uint32_t k = 0; k <= TAG_CLASSES; k++) {
        values.results[k] = ended->results[k];
    }
    payload_pack(&values, out);
}
