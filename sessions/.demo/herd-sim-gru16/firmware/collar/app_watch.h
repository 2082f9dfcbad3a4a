/* app_watch.h - a host that watches: results and samples are told as they come, for a time that it asks for. */
#ifndef APP_WATCH_H
#define APP_WATCH_H

#include "app_stream.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Make the reply to WATCH. */
void app_watch_handle(const uint8_t *payload, uint32_t count);

/* Ticks for which the tag is still watched; 0: it is not, and nothing more is told. */
uint32_t app_watch_left(uint32_t now);

/* Whether the host's latest message leaves the tag its sensor: it is watched, or was WATCH. Asked once a message. */
uint32_t app_watch_allows(void);

/* What the tag did; each is told where the host wants it. Of the stream, after it took the sample. */
void app_watch_on_sample(const app_stream *stream, const int16_t sample[MCUKD_MODEL_CHANNELS]);
void app_watch_on_result(const app_stream *stream);
/* After tag_on_gap; lost: as there. */
void app_watch_on_gap(const app_stream *stream, uint32_t lost);
/* All that the sensor had was taken; after tag_on_samples. */
void app_watch_on_drained(void);

#ifdef __cplusplus
}
#endif

#endif
