/* radio_frame.c - the tag's number, then the payload. */
#include "radio_frame.h"

#include "tag_provision.h"

int radio_frame(const uint8_t payload[PAYLOAD_BYTES], uint32_t counter, uint8_t frame[RADIO_FRAME_BYTES])
{
    const uint32_t told = tag_provision_get()->radio_id;
    const uint32_t id = told != UINT32_MAX ? told : RADIO_ID;

    (void)counter;
    frame[0] = (uint8_t)(id >> 8);
    frame[1] = (uint8_t)id;
    for (uint32_t k = 0; k < PAYLOAD_BYTES; k++) {
        frame[2u + k] = payload[k];
    }
    return 1;
}

uint32_t radio_frequency(const uint8_t frame[RADIO_FRAME_BYTES])
{
    (void)frame;
    return 0xE53333u;
}
