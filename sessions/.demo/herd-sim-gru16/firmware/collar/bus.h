/* bus.h - what a sensor's driver needs of a port: a bus to registers, waiting, the sensor's interrupt pin.
 *
 * Every function ends: a port bounds each of its loops.
 */
#ifndef BUS_H
#define BUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    BUS_OK = 0,
    BUS_NO_ANSWER, /* nobody acknowledged the address */
    BUS_REFUSED,   /* a byte behind the address was not acknowledged */
    BUS_STUCK,     /* a line is held low, so that nothing could be sent */
    BUS_TIMEOUT    /* a transfer did not end in its time, and was ended */
} bus_result;

/* Power the bus up; needed before any other function and after bus_off. */
void bus_on(void);

/* Power the bus down between transfers. */
void bus_off(void);

/* Read `count` bytes, at most 1022, from register `first` on, in one transfer. What `bytes` holds after an
 * error is undefined. */
bus_result bus_read(uint8_t address, uint8_t first, uint8_t *bytes, uint32_t count);

/* Write one register. */
bus_result bus_write(uint8_t address, uint8_t reg, uint8_t value);

/* Free a bus on which a device holds SDA low: nine pulses of SCL and a stop condition. BUS_STUCK where that
 * did not help. */
bus_result bus_recover(void);

/* Wait at least so long, between transfers of a bus that is on. */
void bus_wait_ms(uint32_t milliseconds);

/* Let the sensor's interrupt pin wake the core while it is high, and forget an earlier rise. */
void bus_signal_arm(void);

/* Let the sensor's interrupt pin wake nobody, and forget an earlier rise. */
void bus_signal_ignore(void);

/* Whether the sensor's interrupt pin is high; 0 on a board without one. */
uint32_t bus_signal(void);

#ifdef __cplusplus
}
#endif

#endif
