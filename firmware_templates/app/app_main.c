/* app_main.c - the main loop: bytes in, replies out. */
#include "app_frames.h"
#include "app_protocol.h"
#include "app_stream.h"
#include "mcukd_port.h"

int main(void)
{
    app_message message;

    port_init();
    app_stream_reset();
    for (;;) {
        const int byte = port_read();
        if (byte < 0) {
            port_idle();
        } else if (app_frames_receive((uint8_t)byte, &message)) {
            app_protocol_handle(&message);
        }
    }
}
