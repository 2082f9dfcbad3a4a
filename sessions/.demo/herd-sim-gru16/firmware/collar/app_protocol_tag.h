/* app_protocol_tag.h - requests of docs/protocol.md about a tag: its log, time, state and provisioning. */
#ifndef APP_PROTOCOL_TAG_H
#define APP_PROTOCOL_TAG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Make the reply to a request; return 0 where its type is none of these. */
int app_protocol_tag_handle(uint32_t type, const uint8_t *payload, uint32_t count);

/* Copy words from the beginning of the window buffer, where WRITE has put them, and clear it there; return their
 * CRC-32. There is room for `count` words where it returns anything but 0. app_protocol.c has it. */
uint32_t app_protocol_take(uint32_t *words, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
