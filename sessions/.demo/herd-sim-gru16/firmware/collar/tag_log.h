/* tag_log.h - append-only log in a ring of flash pages; docs/tag.md specifies its format. */
#ifndef TAG_LOG_H
#define TAG_LOG_H

#include "tag_config.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAG_LOG_FORMAT 1u
#define TAG_LOG_COMMITTED 0x3C5AA5C3u
#define TAG_LOG_BLANK 0xFFFFFFFFu

/* Words of a record around its payload: header, sequence, seconds; CRC-32, commit word. */
#define TAG_LOG_PAYLOAD_AT 3u
#define TAG_LOG_OVERHEAD 5u
#define TAG_LOG_PAYLOAD_MAX 63u

enum {
    TAG_LOG_PAGE = 1, /* first in each page */
    TAG_LOG_BOOT = 2,
    TAG_LOG_PERIOD = 3,
    TAG_LOG_BOUT = 4,
    TAG_LOG_TIME = 5,
    TAG_LOG_RATE = 6,
    TAG_LOG_EVENT = 7,
    TAG_LOG_READ = 8, /* what the host has confirmed */
    TAG_LOG_PROVISION = 9 /* in a ring of its own: tag_provision.h */
};

/* Pages of flash that keep one log. format: what the headers of its pages say; others do not count. */
typedef struct {
    uint32_t first_page;
    uint32_t pages;
    uint32_t format;
} tag_log_ring;

/* Where the log stands. Everything in it is found in flash again by tag_log_open. */
typedef struct {
    uint32_t page; /* of the ring: the newest, or the last one tried */
    uint32_t page_number; /* pages opened so far: the newest one's number; 0 before the first */
    uint32_t next_word; /* in the newest page, behind all that was written */
    uint32_t next_sequence; /* of the next record; the first is 0 */
    uint32_t seconds; /* of the newest record */
    uint32_t erases; /* of the newest page since the log began */
    uint32_t boots; /* of the newest boot record */
    uint32_t read_sequence; /* records below it are confirmed by the host */
    uint32_t failures; /* words or pages that the flash did not take, since the start */
    const tag_log_ring *ring;
} tag_log;

/* A record as tag_log_next finds it. */
typedef struct {
    uint32_t type;
    uint32_t trusted; /* whether the clock was set since the start */
    uint32_t sequence;
    uint32_t seconds;
    uint32_t words; /* of payload */
    uint32_t payload_at; /* word of the log's flash where the payload begins */
} tag_log_record;

/* A place in the log; zeros are before its oldest record. */
typedef struct {
    uint32_t page_number; /* pages up to it were gone through */
    uint32_t word; /* of the log's flash, to be looked at next; 0 at the start of a page */
} tag_log_cursor;

/* A page of the ring. */
typedef struct {
    uint32_t number; /* pages opened up to it */
    uint32_t at; /* its first word of the log's flash */
    uint32_t words; /* of it that are written */
    uint32_t first_sequence; /* of its first record */
} tag_log_page;

/* Find the newest page, the next free word and the next sequence number, whatever the RAM holds. */
void tag_log_open(tag_log *log, const tag_log_ring *ring);

/* Append a record; return 0 where no page takes it, and 1 when it is committed. words: up to 63. */
int tag_log_append(tag_log *log, uint32_t type, uint32_t trusted, uint32_t seconds, const uint32_t *payload,
                   uint32_t words);

/* Find the page with the smallest number from `number` on; return 0 where there is none. */
int tag_log_page_from(const tag_log *log, uint32_t number, tag_log_page *page);

/* Find the next committed record from the oldest to the newest; return 0 behind the last.
 * A record whose sequence number a later one repeats was never confirmed: the later one counts. */
int tag_log_next(const tag_log *log, tag_log_cursor *cursor, tag_log_record *record);

#ifdef __cplusplus
}
#endif

#endif
