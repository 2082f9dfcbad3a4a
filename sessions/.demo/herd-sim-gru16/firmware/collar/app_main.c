/* app_main.c - the main loop: bytes in, replies out; else the tag's own work, and sleep. */
#include "app_frames.h"
#include "app_protocol.h"
#include "app_tag.h"
#include "firmware_id.h"
#include "mcukd_model.h"
#include "mcukd_port.h"
#include "tag.h"
#include "tag_port.h"

static const uint8_t firmware_sha256[32] = { MCUKD_FIRMWARE_SHA256_BYTES };

static uint32_t first_four(const uint8_t sha256[32])
{
    return (uint32_t)sha256[0] << 24 | (uint32_t)sha256[1] << 16 | (uint32_t)sha256[2] << 8 | sha256[3];
}

int main(void)
{
    app_message message;

    port_init();
    app_protocol_start();
    tag_start(tag_port_start(), first_four(firmware_sha256), first_four(mcukd_model_sha256));
    app_tag_start();
    for (;;) {
        const int byte = app_tag_listens() ? port_read() : -1;
        if (byte < 0) {
            app_tag_run();
        } else if (app_frames_receive((uint8_t)byte, &message)) {
            app_protocol_handle(&message);
            app_tag_on_message();
        }
    }
}
