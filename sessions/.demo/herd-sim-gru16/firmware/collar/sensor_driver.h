/* sensor_driver.h - between sensor.c and the driver of a part: bma400.c or mpu9250.c. */
#ifndef SENSOR_DRIVER_H
#define SENSOR_DRIVER_H

#include "bus.h"
#include "sensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bits of the part's counts. */
extern const uint8_t sensor_driver_bits;

/* The part's steps; the bus is on. */
sensor_result sensor_driver_reset(sensor *s);
sensor_result sensor_driver_self_test(sensor *s);
sensor_result sensor_driver_set_up(sensor *s);
sensor_result sensor_driver_drain(sensor *s, sensor_take take, void *context);
sensor_result sensor_driver_sleep(sensor *s);

/* Transfers of registers that may be repeated: once, after freeing a bus that is stuck. */
sensor_result sensor_read(sensor *s, uint8_t first, uint8_t *bytes, uint32_t count);
sensor_result sensor_write(sensor *s, uint8_t reg, uint8_t value);

/* A transfer out of the FIFO, which cannot be repeated: a failure leaves a gap. */
sensor_result sensor_read_fifo(sensor *s, uint8_t reg, uint8_t *bytes, uint32_t count);

/* Read a register that says which part it is, for as long as a part may start up. */
sensor_result sensor_identify(sensor *s, uint8_t reg, uint8_t identity);

/* Hand over one sample, in the part's counts along its own axes. */
void sensor_deliver(sensor *s, const int32_t counts[3], sensor_take take, void *context);

#ifdef __cplusplus
}
#endif

#endif
