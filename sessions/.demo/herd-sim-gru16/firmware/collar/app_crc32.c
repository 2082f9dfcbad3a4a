/* app_crc32.c - CRC-32 by half bytes: 64 bytes of table instead of 1024. */
#include "app_crc32.h"

static const uint32_t half_byte[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
    0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
};

static uint32_t add(uint32_t crc, uint32_t byte)
{
    crc ^= byte;
    crc = (crc >> 4) ^ half_byte[crc & 15u];
    return (crc >> 4) ^ half_byte[crc & 15u];
}

uint32_t app_crc32(uint32_t crc, const uint8_t *bytes, uint32_t count)
{
    crc = ~crc;
    for (uint32_t i = 0; i < count; i++) {
        crc = add(crc, bytes[i]);
    }
    return ~crc;
}

uint32_t app_crc32_int16(uint32_t crc, const int16_t *values, uint32_t count)
{
    crc = ~crc;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t bits = (uint16_t)values[i];
        crc = add(add(crc, bits & 255u), bits >> 8);
    }
    return ~crc;
}
