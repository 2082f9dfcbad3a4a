/* radio_frame.h - what a LoRa packet carries, and where. */
#ifndef RADIO_FRAME_H
#define RADIO_FRAME_H

#include "radio_driver_config.h"
#include "payload.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Make the frame of a payload; return 0 where the tag has no keys for it. counter: of LoRaWAN's frame. */
int radio_frame(const uint8_t payload[PAYLOAD_BYTES], uint32_t counter, uint8_t frame[RADIO_FRAME_BYTES]);

/* The frequency that a frame is sent at, in steps of 32 MHz / 2^19. */
uint32_t radio_frequency(const uint8_t frame[RADIO_FRAME_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
