/* app_protocol.h - requests of docs/protocol.md. Every request may be repeated without harm. */
#ifndef APP_PROTOCOL_H
#define APP_PROTOCOL_H

#include "app_frames.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APP_PROTOCOL_VERSION 1u

enum {
    APP_WHO = 0x01,
    APP_WRITE = 0x02,
    APP_RUN = 0x03,
    APP_TRACE = 0x04,
    APP_SELFTEST = 0x05,
    APP_PUSH = 0x06,
    APP_ETHOGRAM = 0x07,
    APP_RESET = 0x08,
    APP_LOG = 0x09, /* this and the next ones: where the board has [tag] */
    APP_TIME = 0x0A,
    APP_CONFIRM = 0x0B,
    APP_FETCH = 0x0C,
    APP_STATUS = 0x0D,
    APP_PROVISION = 0x0E,
    APP_SENSE = 0x0F, /* this and the next one: where the tag samples by itself */
    APP_WATCH = 0x10,
    APP_REPLY = 0x80, /* added to the request's type */
    APP_TELLS_RESULT = 0xC0, /* notifications of a tag that is watched */
    APP_TELLS_SAMPLES = 0xC1,
    APP_TELLS_GAP = 0xC2,
    APP_ERROR = 0xFF
};

enum {
    APP_ERROR_UNKNOWN_REQUEST = 1, /* detail: the type */
    APP_ERROR_LENGTH = 2, /* detail: bytes of payload found */
    APP_ERROR_RANGE = 3, /* detail: the first value allowed no more */
    APP_ERROR_WINDOW_CRC = 4, /* detail: CRC-32 of the window as it lies in the buffer */
    APP_ERROR_PASSES_DIFFER = 5, /* detail: class of the timed pass */
    APP_ERROR_GAP = 6, /* detail: index of the sample expected */
    APP_ERROR_VERSION = 7, /* detail: the version spoken here */
    APP_ERROR_PROVISIONED = 8, /* detail: times the tag was provisioned so far */
    APP_ERROR_FLASH = 9 /* detail: 0 */
};

/* Forget what a host has pushed; call it first. */
void app_protocol_start(void);

/* Carry out a request and send its reply in the request's encoding. */
void app_protocol_handle(const app_message *request);

#ifdef __cplusplus
}
#endif

#endif
