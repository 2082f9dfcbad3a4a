/* ble_port.h - what advertising needs of a chip's radio. */
#ifndef BLE_PORT_H
#define BLE_PORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start what the radio needs, its crystal above all; 0 where it does not start. */
uint32_t ble_port_on(void);

/* Send a PDU: type, length, data. channel: its index; megahertz: above 2400. 0 where it was not sent in time. */
uint32_t ble_port_send(const uint8_t *pdu, uint32_t channel, uint32_t megahertz);

/* Switch the radio off, and the crystal where nobody else needs it. */
void ble_port_off(void);

/* The chip's own static random address, the lowest byte first. */
void ble_port_address(uint8_t address[6]);

#ifdef __cplusplus
}
#endif

#endif
