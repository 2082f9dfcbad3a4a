/* app_reply.h - the reply that is being made: its fields, little-endian, or an error. */
#ifndef APP_REPLY_H
#define APP_REPLY_H

#include "app_frames.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version, type, sequence number: what each message begins with. */
#define APP_HEADER_BYTES 4u

/* Begin the reply to a request. */
void app_reply_begin(const app_message *request);

/* Send the reply in the request's encoding, and begin another one to the same request. */
void app_reply_send(void);

/* Copies of the encoding in which the reply will be sent, as in app_message. */
uint8_t app_reply_copies(void);

/* Append to the reply. */
void app_put(uint32_t value, uint32_t bytes);
void app_put_bytes(const uint8_t *bytes, uint32_t count);
void app_put_values(const int16_t *values, uint32_t count);

/* Make the reply an error, whatever was appended to it. */
void app_fail(uint8_t code, uint32_t detail);

/* Return the number in the next bytes of a request. */
uint32_t app_get(const uint8_t *bytes, uint32_t count);

/* Put a number into the next bytes of a message. */
void app_set(uint8_t *bytes, uint32_t value, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
