/* app_reply.c - the reply that is being made: its fields, little-endian, or an error. */
#include "app_reply.h"

#include "app_protocol.h"
#include "mcukd_model.h"

/* The longest replies are FETCH, and RUN, PUSH and ETHOGRAM of models with many classes. */
#define REPLY_MAX (APP_HEADER_BYTES + 256u + 4u * MCUKD_MODEL_CLASSES)

static uint8_t reply[REPLY_MAX + APP_CRC_BYTES];
static uint32_t reply_count;
static uint8_t reply_type;
static uint8_t reply_copies;

void app_reply_begin(const app_message *request)
{
    reply_type = (uint8_t)(request->bytes[1] | APP_REPLY);
    reply_copies = request->copies;
    reply[0] = APP_PROTOCOL_VERSION;
    reply[1] = reply_type;
    reply[2] = request->bytes[2];
    reply[3] = request->bytes[3];
    reply_count = APP_HEADER_BYTES;
}

void app_reply_send(void)
{
    app_frames_send(reply_copies, reply, reply_count);
    reply[1] = reply_type;
    reply_count = APP_HEADER_BYTES;
}

uint8_t app_reply_copies(void)
{
    return reply_copies;
}

void app_set(uint8_t *bytes, uint32_t value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(value >> (8u * i));
    }
}

void app_put(uint32_t value, uint32_t bytes)
{
    app_set(reply + reply_count, value, bytes);
    reply_count += bytes;
}

void app_put_bytes(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        reply[reply_count++] = bytes[i];
    }
}

void app_put_values(const int16_t *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        app_put((uint16_t)values[i], 2);
    }
}

void app_fail(uint8_t code, uint32_t detail)
{
    reply[1] = APP_ERROR;
    reply_count = APP_HEADER_BYTES;
    app_put(code, 1);
    app_put(detail, 4);
}

uint32_t app_get(const uint8_t *bytes, uint32_t count)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < count; i++) {
        value |= (uint32_t)bytes[i] << (8u * i);
    }
    return value;
}
