/* radio_lorawan.c - unconfirmed uplinks of LoRaWAN 1.0.x (LoRaWAN Specification 1.0.2, sections 4.2 to 4.4). */
#include "radio_lorawan.h"

#define UNCONFIRMED_UP 0x40u
#define HEADER_BYTES 9u
#define MIC_BYTES 4u
#define BLOCK_OF_STREAM 0x01u
#define BLOCK_OF_CODE 0x49u

static uint8_t *put(uint8_t *to, uint32_t value, uint32_t bytes)
{
    while (bytes-- != 0) {
        *to++ = (uint8_t)value;
        value >>= 8;
    }
    return to;
}

/* Sections 4.3.3 and 4.4: an uplink's block. */
static void make_block(uint8_t block[AES128_BLOCK], uint32_t first, uint32_t address, uint32_t counter, uint32_t last)
{
    uint8_t *to = put(block, first, 1);
    to = put(to, 0, 4);
    to = put(to, 0, 1); /* up */
    to = put(to, address, 4);
    to = put(to, counter, 4);
    to = put(to, 0, 1);
    (void)put(to, last, 1);
}

/* RFC 4493, section 2.3: times x. */
static void double_block(uint8_t block[AES128_BLOCK])
{
    const uint32_t carry = block[0] >> 7;
    for (uint32_t k = 0; k < AES128_BLOCK; k++) {
        const uint32_t next = k + 1u < AES128_BLOCK ? block[k + 1u] : 0u;
        block[k] = (uint8_t)((uint32_t)block[k] << 1 | next >> 7);
    }
    block[AES128_BLOCK - 1u] ^= carry ? 0x87u : 0u;
}

/* RFC 4493: of the block and a message behind it, of a byte at least. */
static void authenticate(const uint8_t key[AES128_BLOCK], uint8_t block[AES128_BLOCK], const uint8_t *message,
                         uint32_t count)
{
    uint8_t subkey[AES128_BLOCK] = { 0 };

    aes128_encrypt(key, subkey);
    double_block(subkey);
    aes128_encrypt(key, block);
    for (; count > AES128_BLOCK; count -= AES128_BLOCK) {
        for (uint32_t k = 0; k < AES128_BLOCK; k++) {
            block[k] ^= *message++;
        }
        aes128_encrypt(key, block);
    }
    if (count < AES128_BLOCK) {
        double_block(subkey);
        block[count] ^= 0x80u;
    }
    for (uint32_t k = 0; k < AES128_BLOCK; k++) {
        block[k] ^= (uint8_t)((k < count ? message[k] : 0u) ^ subkey[k]);
    }
    aes128_encrypt(key, block);
}

void lorawan_uplink(const lorawan_session *session, uint32_t counter, uint32_t port, const uint8_t *payload,
                    uint32_t count, uint8_t *frame)
{
    uint8_t block[AES128_BLOCK];
    uint8_t *to = put(frame, UNCONFIRMED_UP, 1);

    to = put(to, session->address, 4);
    to = put(to, 0, 1); /* no adaptive rate, no options */
    to = put(to, counter, 2);
    to = put(to, port, 1);
    for (uint32_t k = 0; k < count; k++) {
        if (k % AES128_BLOCK == 0) {
            make_block(block, BLOCK_OF_STREAM, session->address, counter, 1u + k / AES128_BLOCK);
            aes128_encrypt(session->application_key, block);
        }
        *to++ = (uint8_t)(payload[k] ^ block[k % AES128_BLOCK]);
    }
    make_block(block, BLOCK_OF_CODE, session->address, counter, HEADER_BYTES + count);
    authenticate(session->network_key, block, frame, HEADER_BYTES + count);
    for (uint32_t k = 0; k < MIC_BYTES; k++) {
        *to++ = block[k];
    }
}
