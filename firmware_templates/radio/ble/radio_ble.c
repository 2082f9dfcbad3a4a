/* radio_ble.c - advertisements of Bluetooth Low Energy that nobody can connect to, on the three channels for them.
 *
 * UNVERIFIED: written from the Bluetooth Core Specification 5.4, volume 6, part B, never run on hardware.
 */
#include "radio.h"

#include "ble_port.h"
#include "radio_driver_config.h"
#include "tag_port.h"

#define PDU_NONCONNECTABLE 0x02u /* section 2.3: ADV_NONCONN_IND */
#define PDU_RANDOM_ADDRESS 0x40u
#define ADDRESS_BYTES 6u
#define ELEMENT_BYTES 4u /* length, type, company */
#define MANUFACTURER_DATA 0xFFu
#define DATA_BYTES (ADDRESS_BYTES + ELEMENT_BYTES + PAYLOAD_BYTES)
#define DELAYS 328u /* advDelay of section 4.4.2.2 is 0 to 10 ms */

/* Section 1.4.1: index, and frequency in MHz above 2400. */
static const uint8_t channels[3][2] = { { 37, 2 }, { 38, 26 }, { 39, 80 } };

static uint8_t pdu[2u + DATA_BYTES];
static uint32_t delays; /* state of a random number */
static uint32_t left;
static uint32_t send_at;

radio_result radio_init(void)
{
#ifdef RADIO_ADDRESS
    static const uint8_t address[ADDRESS_BYTES] = RADIO_ADDRESS;
#else
    uint8_t address[ADDRESS_BYTES];
    ble_port_address(address);
#endif
    pdu[0] = PDU_NONCONNECTABLE | PDU_RANDOM_ADDRESS;
    pdu[1] = DATA_BYTES;
    for (uint32_t k = 0; k < ADDRESS_BYTES; k++) {
        pdu[2u + k] = address[k];
    }
    uint8_t *element = &pdu[2u + ADDRESS_BYTES];
    element[0] = ELEMENT_BYTES - 1u + PAYLOAD_BYTES;
    element[1] = MANUFACTURER_DATA;
    element[2] = RADIO_COMPANY & 0xFFu;
    element[3] = RADIO_COMPANY >> 8;
    delays = (uint32_t)address[3] << 24 | (uint32_t)address[2] << 16 | (uint32_t)address[1] << 8 | address[0];
    return RADIO_SENT;
}

radio_result radio_start(const uint8_t payload[PAYLOAD_BYTES], uint32_t counter)
{
    (void)counter;
    for (uint32_t k = 0; k < PAYLOAD_BYTES; k++) {
        pdu[2u + ADDRESS_BYTES + ELEMENT_BYTES + k] = payload[k];
    }
    left = RADIO_REPEATS;
    send_at = tag_ticks();
    return RADIO_SENDS;
}

static uint32_t advertise(void)
{
    uint32_t sent = ble_port_on();
    for (uint32_t k = 0; k < sizeof channels / sizeof channels[0] && sent; k++) {
        sent = ble_port_send(pdu, channels[k][0], channels[k][1]);
    }
    ble_port_off();
    return sent;
}

radio_result radio_poll(void)
{
    if (!advertise()) {
        return RADIO_TIMEOUT;
    }
    left--;
    if (left == 0) {
        return RADIO_SENT;
    }
    delays = delays * 1664525u + 1013904223u;
    send_at = tag_ticks() + RADIO_INTERVAL + ((delays >> 16) * DELAYS >> 16);
    return RADIO_SENDS;
}

uint32_t radio_left(uint32_t now)
{
    return send_at - now <= INT32_MAX ? send_at - now : 0u;
}

uint32_t radio_detail(void)
{
    return 0;
}
