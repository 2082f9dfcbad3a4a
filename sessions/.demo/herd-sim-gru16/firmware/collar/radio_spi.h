/* radio_spi.h - what the SX1272's driver needs of a port: an SPI bus with one device. */
#ifndef RADIO_SPI_H
#define RADIO_SPI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Power the bus up; needed before a transfer and after radio_spi_off. */
void radio_spi_on(void);

/* Power it down; the select line stays high. */
void radio_spi_off(void);

/* Send bytes while the select line is low; those that came take their places, 0xFF for one that did not come. */
void radio_spi_transfer(uint8_t *bytes, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
