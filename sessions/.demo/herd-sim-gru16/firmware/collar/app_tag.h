/* app_tag.h - the tag's own work: it reads its sensor, classifies, keeps what it found, and sleeps in between. */
#ifndef APP_TAG_H
#define APP_TAG_H

#include "app_stream.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begin, after tag_start: the sensor is looked for a little later, or when no host talks any more. */
void app_tag_start(void);

/* Do what is due, then sleep until a byte arrives, the sensor asks or something else is due. */
void app_tag_run(void);

/* A host's message was answered: the console stays on, and the sensor is left alone while the host talks, unless
 * it watches. */
void app_tag_on_message(void);

/* Whether the console is on. */
uint32_t app_tag_listens(void);

/* The tag was provisioned anew: the sensor is started again, with the axes and the calibration that hold now. */
void app_tag_on_provision(void);

/* Look at the sensor now, as a host asks for its samples. */
void app_tag_look(void);

/* How the sensor stands. */
enum {
    APP_TAG_SENSOR_NONE = 0, /* of a firmware that reads no sensor */
    APP_TAG_SENSOR_SOUGHT = 1, /* it was not found yet, or failed its self-test */
    APP_TAG_SENSOR_SAMPLES = 2
};
uint32_t app_tag_sensor(void);

/* Times in a row that it failed. */
uint32_t app_tag_sensor_failures(void);

/* The event that was logged last since the start; 0: none. */
uint32_t app_tag_event(void);

/* The windows of the sensor's samples. */
const app_stream *app_tag_stream(void);

#ifdef __cplusplus
}
#endif

#endif
