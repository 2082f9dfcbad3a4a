/* tag_log.c - append-only log in a ring of flash pages.
 *
 * A word is programmed once, in rising order, and the commit word last. A header is 16 bits and their complement:
 * flash that was interrupted keeps bits at 1 that should be 0, and then the halves no longer differ in every bit.
 * A page counts only once its own header is committed, which is after its erase has ended.
 */
#include "tag_log.h"

#include "app_crc32.h"
#include "tag_port.h"

/* Payload of a page's header. */
enum { FIRST_SEQUENCE, READ_SEQUENCE, BOOTS, ERASES, FORMAT, PAGE_PAYLOAD };

#define TYPE_MASK 0xFFu
#define WORDS_SHIFT 8u
#define WORDS_MASK 0x3Fu
#define TRUSTED 0x4000u

/* Pages that one append tries to open, so that a flash that takes nothing does not hold up the tag for long. */
#define PAGES_TRIED 3u

static uint32_t crc_of_word(uint32_t crc, uint32_t word)
{
    const uint8_t bytes[4] = { (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16), (uint8_t)(word >> 24) };
    return app_crc32(crc, bytes, 4);
}

/* What lies at a word: no header, a header alone, or the whole of a record that ends before `end`. */
enum { NOTHING, BEGUN, COMMITTED };

static int look(uint32_t at, uint32_t end, tag_log_record *record)
{
    const uint32_t header = tag_flash_read(at);
    if (((header ^ (header >> 16)) & 0xFFFFu) != 0xFFFFu) {
        return NOTHING;
    }
    record->type = header & TYPE_MASK;
    record->words = (header >> WORDS_SHIFT) & WORDS_MASK;
    record->trusted = (header & TRUSTED) != 0;
    record->payload_at = at + TAG_LOG_PAYLOAD_AT;
    const uint32_t crc_at = record->payload_at + record->words;
    if (crc_at + 1u >= end || tag_flash_read(crc_at + 1u) != TAG_LOG_COMMITTED) {
        return BEGUN;
    }
    uint32_t crc = 0;
    for (uint32_t word = at; word < crc_at; word++) {
        crc = crc_of_word(crc, tag_flash_read(word));
    }
    record->sequence = tag_flash_read(at + 1u);
    record->seconds = tag_flash_read(at + 2u);
    return crc == tag_flash_read(crc_at) ? COMMITTED : BEGUN;
}

/* The first word of a page of the ring. */
static uint32_t start_of(const tag_log_ring *ring, uint32_t page)
{
    return (ring->first_page + page) * TAG_LOG_PAGE_WORDS;
}

static int find_page(const tag_log_ring *ring, uint32_t page, tag_log_record *header)
{
    const uint32_t start = start_of(ring, page);
    return look(start, start + TAG_LOG_PAGE_WORDS, header) == COMMITTED && header->type == TAG_LOG_PAGE
        && header->words == PAGE_PAYLOAD && tag_flash_read(header->payload_at + FORMAT) == ring->format;
}

/* The next record of a page at or behind `at`. What power interrupted is passed over word by word. */
static int find_from(uint32_t at, uint32_t end, tag_log_record *record)
{
    for (; at < end; at++) {
        if (look(at, end, record) == COMMITTED && record->type != TAG_LOG_PAGE) {
            return 1;
        }
    }
    return 0;
}

static uint32_t behind(const tag_log_record *record)
{
    return record->payload_at + record->words + 2u;
}

/* The first word from which on a page is blank. */
static uint32_t blank_from(uint32_t at, uint32_t end)
{
    while (end > at && tag_flash_read(end - 1u) == TAG_LOG_BLANK) {
        end--;
    }
    return end;
}

/* Return the first word behind all that was written in a page. A word whose programming was interrupted may
 * read as blank, and differently every time. It is the one behind the last that is not blank, or in the extent
 * of a record that was begun. */
static uint32_t find_free(uint32_t at, uint32_t end)
{
    const uint32_t blank = blank_from(at, end);
    uint32_t free = blank + 1u;
    while (at < blank) {
        tag_log_record record;
        const int state = look(at, end, &record);
        if (state == BEGUN && behind(&record) > free) {
            free = behind(&record);
        }
        at = state == COMMITTED ? behind(&record) : at + 1u;
    }
    return free < end ? free : end;
}

void tag_log_open(tag_log *log, const tag_log_ring *ring)
{
    tag_log_record record;
    uint32_t free = 0;

    *log = (tag_log) { 0 };
    log->ring = ring;
    log->page = ring->pages - 1u;
    for (uint32_t page = 0; page < ring->pages; page++) {
        const uint32_t end = start_of(ring, page + 1u);
        /* A header alone may have been interrupted at its commit word: such a page is erased again. */
        if (find_page(ring, page, &record) && record.sequence > log->page_number
            && blank_from(behind(&record), end) > behind(&record)) {
            log->page = page;
            log->page_number = record.sequence;
            log->next_sequence = tag_flash_read(record.payload_at + FIRST_SEQUENCE);
            log->read_sequence = tag_flash_read(record.payload_at + READ_SEQUENCE);
            log->boots = tag_flash_read(record.payload_at + BOOTS);
            log->erases = tag_flash_read(record.payload_at + ERASES);
            log->seconds = record.seconds;
            free = behind(&record);
        }
    }
    if (log->page_number == 0) {
        return;
    }
    const uint32_t end = start_of(ring, log->page + 1u);
    log->next_word = find_free(free, end) - (end - TAG_LOG_PAGE_WORDS);
    while (find_from(free, end, &record)) {
        free = behind(&record);
        log->next_sequence = record.sequence + 1u;
        log->seconds = record.seconds;
        if (record.type == TAG_LOG_BOOT) {
            log->boots = tag_flash_read(record.payload_at);
        } else if (record.type == TAG_LOG_READ) {
            log->read_sequence = tag_flash_read(record.payload_at);
        }
    }
}

/* Program a word and look whether the flash took it. */
static int program(tag_log *log, uint32_t word, uint32_t value)
{
    tag_flash_program(word, value);
    if (tag_flash_read(word) != value) {
        log->failures++;
        return 0;
    }
    return 1;
}

/* Write a record from `at` on. */
static int write(tag_log *log, uint32_t at, const uint32_t head[TAG_LOG_PAYLOAD_AT], const uint32_t *payload,
                 uint32_t words)
{
    uint32_t crc = 0;
    for (uint32_t i = 0; i < TAG_LOG_PAYLOAD_AT + words; i++) {
        const uint32_t value = i < TAG_LOG_PAYLOAD_AT ? head[i] : payload[i - TAG_LOG_PAYLOAD_AT];
        crc = crc_of_word(crc, value);
        if (!program(log, at++, value)) {
            return 0;
        }
    }
    return program(log, at, crc) && program(log, at + 1u, TAG_LOG_COMMITTED);
}

static uint32_t header_of(uint32_t type, uint32_t trusted, uint32_t words)
{
    const uint32_t low = type | words << WORDS_SHIFT | (trusted != 0 ? TRUSTED : 0u);
    return low | (low ^ 0xFFFFu) << 16;
}

/* Erase the page behind the newest one, which holds the oldest records, and make it the newest. */
static int open_page(tag_log *log, uint32_t seconds)
{
    tag_log_record old;
    const uint32_t newest_erases = log->erases;
    const uint32_t page = log->page + 1u < log->ring->pages ? log->page + 1u : 0u;
    const uint32_t start = start_of(log->ring, page);
    uint32_t erases = 1u;

    if (find_page(log->ring, page, &old)) {
        erases = tag_flash_read(old.payload_at + ERASES) + 1u;
    } else if (log->page_number != 0) {
        /* Its header is lost: pages are erased in turn, so its count is that of the page before it. */
        erases = newest_erases + (page == 0 ? 1u : 0u);
    }
    log->page = page;
    log->next_word = TAG_LOG_PAGE_WORDS; /* full, until its header is committed */
    log->erases = erases;
    tag_flash_erase(log->ring->first_page + page);
    for (uint32_t i = 0; i < TAG_LOG_PAGE_WORDS; i++) {
        if (tag_flash_read(start + i) != TAG_LOG_BLANK) {
            log->failures++;
            return 0;
        }
    }
    const uint32_t head[TAG_LOG_PAYLOAD_AT] = { header_of(TAG_LOG_PAGE, 0, PAGE_PAYLOAD), log->page_number + 1u,
                                                seconds };
    uint32_t payload[PAGE_PAYLOAD];
    payload[FIRST_SEQUENCE] = log->next_sequence;
    payload[READ_SEQUENCE] = log->read_sequence;
    payload[BOOTS] = log->boots;
    payload[ERASES] = erases;
    payload[FORMAT] = log->ring->format;
    if (!write(log, start, head, payload, PAGE_PAYLOAD)) {
        return 0;
    }
    log->page_number++;
    log->next_word = TAG_LOG_OVERHEAD + PAGE_PAYLOAD;
    return 1;
}

int tag_log_append(tag_log *log, uint32_t type, uint32_t trusted, uint32_t seconds, const uint32_t *payload,
                   uint32_t words)
{
    const uint32_t head[TAG_LOG_PAYLOAD_AT] = { header_of(type, trusted, words), log->next_sequence, seconds };
    uint32_t pages_left = PAGES_TRIED;

    for (;;) {
        if (log->next_word + TAG_LOG_OVERHEAD + words > TAG_LOG_PAGE_WORDS || log->page_number == 0) {
            if (pages_left-- == 0) {
                return 0;
            }
            if (!open_page(log, seconds)) {
                continue;
            }
        }
        const uint32_t at = start_of(log->ring, log->page) + log->next_word;
        log->next_word += TAG_LOG_OVERHEAD + words; /* what was programmed is not touched again */
        if (write(log, at, head, payload, words)) {
            break;
        }
    }
    log->next_sequence++;
    log->seconds = seconds;
    if (type == TAG_LOG_BOOT) {
        log->boots = payload[0];
    } else if (type == TAG_LOG_READ) {
        log->read_sequence = payload[0];
    }
    return 1;
}

/* The page with the smallest number above `number`: where it lies in the ring, or the ring's pages. */
static uint32_t find_page_after(const tag_log_ring *ring, uint32_t number, tag_log_record *header)
{
    uint32_t nearest = UINT32_MAX;
    uint32_t found = ring->pages;
    for (uint32_t page = 0; page < ring->pages; page++) {
        if (find_page(ring, page, header) && header->sequence > number && header->sequence < nearest) {
            nearest = header->sequence;
            found = page;
        }
    }
    /* Where a header reads differently every time, it counts only if it does so twice. */
    return found < ring->pages && find_page(ring, found, header) ? found : ring->pages;
}

int tag_log_page_from(const tag_log *log, uint32_t number, tag_log_page *page)
{
    tag_log_record header;
    const uint32_t found = find_page_after(log->ring, number != 0 ? number - 1u : 0u, &header);
    /* A larger number than the newest page's is that of a header alone, which is erased again. */
    if (found == log->ring->pages || header.sequence > log->page_number) {
        return 0;
    }
    page->number = header.sequence;
    page->at = start_of(log->ring, found);
    page->words = header.sequence == log->page_number ? log->next_word : TAG_LOG_PAGE_WORDS;
    page->first_sequence = tag_flash_read(header.payload_at + FIRST_SEQUENCE);
    return 1;
}

static int next_of_any(const tag_log_ring *ring, tag_log_cursor *cursor, tag_log_record *record)
{
    for (;;) {
        if (cursor->word != 0) {
            const uint32_t page = (cursor->word - 1u) / TAG_LOG_PAGE_WORDS;
            if (find_from(cursor->word, (page + 1u) * TAG_LOG_PAGE_WORDS, record)) {
                cursor->word = behind(record);
                return 1;
            }
            cursor->word = 0;
        }
        tag_log_record header;
        if (find_page_after(ring, cursor->page_number, &header) == ring->pages) {
            return 0;
        }
        cursor->page_number = header.sequence;
        cursor->word = behind(&header);
    }
}

int tag_log_next(const tag_log *log, tag_log_cursor *cursor, tag_log_record *record)
{
    while (next_of_any(log->ring, cursor, record)) {
        tag_log_cursor ahead = *cursor;
        tag_log_record later;
        if (!next_of_any(log->ring, &ahead, &later) || later.sequence > record->sequence) {
            return 1;
        }
    }
    return 0;
}
