/* radio_duty.h - how much of any hour the tag may be on the air: when its last packets began. */
#ifndef RADIO_DUTY_H
#define RADIO_DUTY_H

#include "radio_config.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Times are ticks of the low-frequency clock, modulo 2^32. */
typedef struct {
    uint32_t begun[RADIO_DUTY_SLOTS]; /* a ring */
    uint8_t oldest;
    uint8_t used;
} radio_duty;

/* Begin as if all packets that are remembered had begun just now: what was sent before a reset is not known. */
void radio_duty_start(radio_duty *duty, uint32_t now);

/* Ticks until another packet may begin, 0 where it may at once. To be asked at least once in 18 hours. */
uint32_t radio_duty_wait(radio_duty *duty, uint32_t now);

/* A packet has begun, after radio_duty_wait gave 0. */
void radio_duty_note(radio_duty *duty, uint32_t now);

#ifdef __cplusplus
}
#endif

#endif
