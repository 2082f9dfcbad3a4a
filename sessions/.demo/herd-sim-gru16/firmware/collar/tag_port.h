/* tag_port.h - what log and clock need of a chip: flash of the log, and a counter that never stops. */
#ifndef TAG_PORT_H
#define TAG_PORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ticks of tag_ticks in a second. */
#define TAG_TICKS_PER_SECOND 32768u

/* The 32-bit word `word` of the log's flash, counted from the log's first page; behind the log's are the pages of
 * tag_provision.h. */
uint32_t tag_flash_read(uint32_t word);

/* Clear the bits of a word that are 0 in `value`; return when the flash has done it. No word is programmed
 * twice, except after a power failure. Whether it worked is found out by reading. */
void tag_flash_program(uint32_t word, uint32_t value);

/* Set all bits of a page to 1; return when the flash has done it. */
void tag_flash_erase(uint32_t page);

/* The number that the factory gave the chip, low word first; zeros where it has none. */
void tag_chip_id(uint32_t id[2]);

/* Start what drives tag_ticks; return the cause of the reset as the chip's register gives it. */
uint32_t tag_port_start(void);

/* Ticks of the low-frequency clock since any moment, modulo 2^32: it is read at least once in 36 hours. */
uint32_t tag_ticks(void);

#ifdef __cplusplus
}
#endif

#endif
