/* app_crc32.h - CRC-32 as zlib computes it (reflected polynomial 0xEDB88320). */
#ifndef APP_CRC32_H
#define APP_CRC32_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Continue `crc` (0 at the start) over `count` bytes. */
uint32_t app_crc32(uint32_t crc, const uint8_t *bytes, uint32_t count);

/* The same over `count` integers, each as two bytes, low byte first. */
uint32_t app_crc32_int16(uint32_t crc, const int16_t *values, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
