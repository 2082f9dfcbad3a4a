/* app_frames.h - messages on a serial line, in the two encodings of docs/protocol.md. */
#ifndef APP_FRAMES_H
#define APP_FRAMES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define APP_CRC_BYTES 4u

/* Longest message, CRC included, that the device takes in the robust encoding. */
#define APP_ROBUST_MESSAGE_MAX 64u
#define APP_COPIES_MIN 2u
#define APP_COPIES_MAX 4u

typedef struct {
    const uint8_t *bytes; /* without the CRC; valid until the next byte is received */
    uint32_t count;
    uint8_t copies; /* of the robust encoding it came in; 0 for the plain one */
} app_message;

/* Take one received byte; return 1 when it ends a message whose CRC is right, else 0. */
int app_frames_receive(uint8_t byte, app_message *message);

/* Send a message; the buffer must have APP_CRC_BYTES to spare behind it. `copies` as in app_message. */
void app_frames_send(uint8_t copies, uint8_t *message, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
