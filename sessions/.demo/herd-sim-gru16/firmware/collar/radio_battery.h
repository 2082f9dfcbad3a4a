/* radio_battery.h - what a payload needs of a port: the voltage of the supply. */
#ifndef RADIO_BATTERY_H
#define RADIO_BATTERY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Millivolts; UINT32_MAX, which payload.h calls PAYLOAD_UNKNOWN, where they could not be measured. */
uint32_t port_battery_mv(void);

#ifdef __cplusplus
}
#endif

#endif
