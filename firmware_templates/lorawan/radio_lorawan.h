/* radio_lorawan.h - unconfirmed uplinks of LoRaWAN 1.0.x, of a device that was activated by personalisation. */
#ifndef RADIO_LORAWAN_H
#define RADIO_LORAWAN_H

#include "radio_aes128.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes beside the payload. */
#define LORAWAN_EXTRA 13u

typedef struct {
    uint32_t address; /* the device's */
    uint8_t network_key[AES128_BLOCK];
    uint8_t application_key[AES128_BLOCK];
} lorawan_session;

/* Make the frame of up to 242 bytes of payload: encrypted, with its code behind it, LORAWAN_EXTRA bytes more.
 * Two frames of a session never have the same counter, or what both say can be found out. */
void lorawan_uplink(const lorawan_session *session, uint32_t counter, uint32_t port, const uint8_t *payload,
                    uint32_t count, uint8_t *frame);

#ifdef __cplusplus
}
#endif

#endif
