/* tag_power.h - what a tag that sleeps needs of a chip: when to wake, a console that is off, a watchdog. */
#ifndef TAG_POWER_H
#define TAG_POWER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ticks ahead from which on tag_wake_at can wake. */
#define TAG_WAKE_LEAST 4u

/* Let the sleep end when tag_ticks reaches a reading, TAG_WAKE_LEAST to 2^23 - 1 ticks ahead. */
void tag_wake_at(uint32_t ticks);

/* Switch the console on, as port_init has done, or off. Off, an edge at its input ends the sleep. */
void port_console(uint32_t on);

/* Whether the input of a console that is off has seen an edge since it was switched off. */
uint32_t port_console_called(void);

/* Sleep with the console off until an interrupt: whatever can be without power is. */
void port_sleep(void);

/* Reset the chip where port_watchdog_feed is not called for a minute. */
void port_watchdog_start(void);
void port_watchdog_feed(void);

#ifdef __cplusplus
}
#endif

#endif
