/* radio_aes128.h - AES with keys of 128 bits (FIPS 197), encryption alone. */
#ifndef RADIO_AES128_H
#define RADIO_AES128_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AES128_BLOCK 16u

/* Encrypt a block in its place. */
void aes128_encrypt(const uint8_t key[AES128_BLOCK], uint8_t block[AES128_BLOCK]);

#ifdef __cplusplus
}
#endif

#endif
