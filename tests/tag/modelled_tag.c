/* modelled_tag.c - the tag's C on this computer: a modelled flash whose supply fails at will, and calls for tests. */
#include "tag.h"
#include "tag_port.h"
#include "tag_provision.h"

#define WORDS ((TAG_LOG_PAGES + TAG_PROVISION_PAGES) * TAG_LOG_PAGE_WORDS)
#define ROW_WORDS 64u

/* Flash, how often each word was programmed since its page was erased, and bits that read differently every time. */
uint32_t flash_words[WORDS];
uint32_t flash_writes[WORDS];
uint32_t flash_weak[WORDS];
uint32_t flash_erases[TAG_LOG_PAGES + TAG_PROVISION_PAGES];

/* The operation in which the supply fails, counted from 1, and what it leaves. */
uint32_t operations;
uint32_t cut_at;
uint32_t torn_bits;
uint32_t torn_page; /* 0: anything, 1: old content with bits set, 2: old content, 3: blank */
uint32_t torn_weak; /* bits that read differently every time: 0: none, 1: those to change, 2: one, 3: one of a whole word */
uint32_t without_power;

/* What the chip forbids. */
uint32_t writes_per_word = UINT32_MAX;
uint32_t writes_per_row = UINT32_MAX;
uint32_t rules_broken;

/* Flash that does not take a word: bits that stay at 1. */
uint32_t stuck_word = UINT32_MAX;
uint32_t stuck_bits;

/* The operations of a run: page or word, value, and whether it is an erase. */
uint32_t journal[1u << 21];
uint32_t journal_count;

uint32_t ticks_now;
static uint32_t random_state = 1;

void seed(uint32_t value)
{
    random_state = value * 2654435761u | 1u;
}

static uint32_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

uint32_t tag_ticks(void)
{
    return ticks_now;
}

uint32_t tag_flash_read(uint32_t word)
{
    return (flash_words[word] & ~flash_weak[word]) | (random_word() & flash_weak[word]);
}

static int begin(uint32_t at, uint32_t value, uint32_t erase)
{
    operations++;
    if (journal_count + 3u <= sizeof journal / sizeof journal[0]) {
        journal[journal_count] = at;
        journal[journal_count + 1u] = value;
        journal[journal_count + 2u] = erase;
        journal_count += 3u;
    }
    if (operations == cut_at) {
        without_power = 1;
        return 1;
    }
    return 0;
}

void tag_flash_program(uint32_t word, uint32_t value)
{
    if (without_power) {
        return;
    }
    const uint32_t row = word / ROW_WORDS * ROW_WORDS;
    uint32_t of_row = 0;
    flash_writes[word]++;
    for (uint32_t i = row; i < row + ROW_WORDS; i++) {
        of_row += flash_writes[i];
    }
    rules_broken += flash_writes[word] > writes_per_word || of_row > writes_per_row;
    if (begin(word, value, 0)) {
        const uint32_t changing = flash_words[word] & ~value;
        const uint32_t one = changing & (0u - changing);
        const uint32_t weak[4] = { 0, changing, one, one };
        const uint32_t left[4] = { torn_bits, torn_bits, UINT32_MAX, 0 };
        flash_words[word] &= value | left[torn_weak];
        flash_weak[word] |= weak[torn_weak];
        return;
    }
    flash_words[word] &= value | (word == stuck_word ? stuck_bits : 0u);
    flash_weak[word] &= value;
}

void tag_flash_erase(uint32_t page)
{
    if (without_power) {
        return;
    }
    const int cut = begin(page, 0, 1);
    flash_erases[page]++;
    for (uint32_t i = page * TAG_LOG_PAGE_WORDS; i < (page + 1u) * TAG_LOG_PAGE_WORDS; i++) {
        const uint32_t old = flash_words[i];
        const uint32_t torn[4] = { random_word(), old | random_word(), old, UINT32_MAX };
        flash_words[i] = cut ? torn[torn_page] : UINT32_MAX;
        flash_weak[i] = cut && torn_weak ? ~old & random_word() : 0u;
        flash_writes[i] = 0;
    }
}

/* Power returns: RAM holds anything, and the program starts. */
void power_on(uint32_t reset_cause)
{
    uint8_t *ram = (uint8_t *)(uintptr_t)tag_get();
    for (uint32_t i = 0; i < sizeof(tag_state); i++) {
        ram[i] = (uint8_t)random_word();
    }
    without_power = 0;
    cut_at = 0;
    tag_start(reset_cause, 0x12345678u, 0x9ABCDEF0u);
}

/* Many results, one every `ticks`. */
void run_results(const uint8_t *classes, const int16_t *logits, uint32_t count, uint32_t ticks)
{
    for (uint32_t i = 0; i < count; i++) {
        ticks_now += ticks;
        tag_on_result(classes[i], logits + i * TAG_CLASSES);
    }
}

static const tag_log_ring ring = { 0, TAG_LOG_PAGES, TAG_LOG_FORMAT | (uint32_t)TAG_CLASSES << 8 };

/* Records from the oldest to the newest as the tag reads them: type and trust, sequence, seconds, first word and
 * words of the payload. */
uint32_t list_records(uint32_t *out, uint32_t room)
{
    tag_log_cursor cursor = { 0, 0 };
    tag_log_record record;
    uint32_t count = 0;
    const tag_log log = { .ring = &ring };
    while (count < room && tag_log_next(&log, &cursor, &record)) {
        uint32_t *row = out + 5u * count++;
        row[0] = record.type | record.trusted << 8;
        row[1] = record.sequence;
        row[2] = record.seconds;
        row[3] = record.payload_at;
        row[4] = record.words;
    }
    return count;
}

/* The log alone. */
tag_log log_alone;

void log_open(void)
{
    tag_log_open(&log_alone, &ring);
}

int log_append(uint32_t type, uint32_t trusted, uint32_t seconds, const uint32_t *payload, uint32_t words)
{
    return tag_log_append(&log_alone, type, trusted, seconds, payload, words);
}
