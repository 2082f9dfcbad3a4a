/* tag_provision.h - what a tag is told before it goes out: its id, axes, calibration, period and keys.
 *
 * It is kept as the records of a ring of its own, behind the log's pages, which no flashing of a firmware erases:
 * the newest committed record counts. docs/provisioning.md specifies it.
 */
#ifndef TAG_PROVISION_H
#define TAG_PROVISION_H

#include "tag_config.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAG_PROVISION_FORMAT 1u
/* Of the first word, beside the format. */
#define TAG_PROVISION_HAS_KEYS 0x100u
#define TAG_PROVISION_KEEPS_KEYS 0x200u /* in what a host sends: the keys stay as they are */
#define TAG_PROVISION_HAS_RADIO_ID 0x400u /* bits 16 to 31 */

/* Words of the record's payload. */
enum {
    TAG_PROVISION_FLAGS = 0,
    TAG_PROVISION_ID = 1, /* 4 words: 16 bytes, zeros behind the text */
    TAG_PROVISION_AXES = 5, /* a byte each: the sensor's axis that is the model's x, y, z; 0: the board's */
    TAG_PROVISION_OFFSET = 6, /* of the sensor's x, y, z, in 16ths of its counts */
    TAG_PROVISION_GAIN = 9, /* 2^14 is 1; 0 in all: not calibrated */
    TAG_PROVISION_PERIOD = 12, /* seconds; 0: the firmware's */
    TAG_PROVISION_ADDRESS = 13, /* LoRaWAN's device address, then its two session keys of 4 words */
    TAG_PROVISION_KEYS = 14,
    TAG_PROVISION_WORDS = 22
};

#define TAG_PROVISION_GAIN_LEAST 12288
#define TAG_PROVISION_GAIN_MOST 20480
#define TAG_PROVISION_PERIOD_MOST 31622400u

/* What the tag goes by; zeros, and no number, where it was never provisioned. */
typedef struct {
    uint32_t generation; /* times it was provisioned */
    uint32_t period_s;
    uint32_t radio_id; /* the tag's number on the air; UINT32_MAX: the board's */
    int32_t offset[3];
    int32_t gain[3]; /* 0: not calibrated */
    int8_t axes[3]; /* 0: the board's */
} tag_provision;

/* Find the newest record, whatever the RAM holds. */
void tag_provision_start(void);

const tag_provision *tag_provision_get(void);

/* Read the newest record's words, keys included; zeros, and return 0, where it says nothing. */
int tag_provision_read(uint32_t words[TAG_PROVISION_WORDS]);

/* The first word with a value that is not allowed; TAG_PROVISION_WORDS where all are. */
uint32_t tag_provision_wrong(const uint32_t words[TAG_PROVISION_WORDS]);

/* Append a record and go by it; return 0 where the flash did not take it: the one before counts on.
 * trusted, seconds: as in tag_log_append. */
int tag_provision_write(const uint32_t words[TAG_PROVISION_WORDS], uint32_t trusted, uint32_t seconds);

#ifdef __cplusplus
}
#endif

#endif
