/* radio_sender.h - sends the payload of each period: one waits at most, and a newer one takes its place. */
#ifndef RADIO_SENDER_H
#define RADIO_SENDER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begin, after tag_start. The radio is looked for a little later. */
void radio_sender_start(uint32_t now);

/* Do what is due. Returns the event that is to be logged, 0 for none. */
uint32_t radio_sender_run(uint32_t now, uint32_t *detail);

/* Ticks until something is due; UINT32_MAX where nothing is. */
uint32_t radio_sender_left(uint32_t now);

/* An event was logged: whether the sensor has failed since the start is part of a payload. */
void radio_sender_on_event(uint32_t code);

#ifdef __cplusplus
}
#endif

#endif
