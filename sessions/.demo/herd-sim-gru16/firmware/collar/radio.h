/* radio.h - what a tag needs of a radio: it sends a payload, then sleeps. */
#ifndef RADIO_H
#define RADIO_H

#include "payload.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    RADIO_SENT = 0,        /* what was to be done is done, and it sleeps */
    RADIO_SENDS,           /* it has to be polled */
    RADIO_ABSENT,          /* it does not answer */
    RADIO_WRONG_IDENTITY,  /* another part answers */
    RADIO_SETTINGS,        /* settings do not read back as they were written */
    RADIO_NO_KEYS,         /* the tag was told no keys to encrypt with */
    RADIO_TIMEOUT          /* it did not say in time that it had sent, or did not start */
} radio_result;

/* Find it and let it sleep: RADIO_SENT, or what is wrong. */
radio_result radio_init(void);

/* Wake it and begin to send: RADIO_SENDS, or what is wrong. counter: of the frame, where frames are counted. */
radio_result radio_start(const uint8_t payload[PAYLOAD_BYTES], uint32_t counter);

/* Go on, when radio_left says so: RADIO_SENDS until all was sent. After an error it sleeps, if it answers. */
radio_result radio_poll(void);

/* Ticks until it has to be polled. */
uint32_t radio_left(uint32_t now);

/* Of the latest error: a foreign identity, or the register whose setting was wrong. */
uint32_t radio_detail(void);

#ifdef __cplusplus
}
#endif

#endif
