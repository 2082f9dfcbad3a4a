/* app_frames.c - COBS frames, and a second encoding that lets a receiver see and fill lost bytes. */
#include "app_frames.h"

#include "app_crc32.h"
#include "mcukd_port.h"

/* The robust header: length (3 nibbles), copies, filler; each nibble three times in a row. */
#define HEADER_NIBBLES 5u
#define HEADER_REPEATS 3u
#define HEADER_POSITIONS (HEADER_NIBBLES * HEADER_REPEATS)
#define FILLER_MAX 15u
#define DELIMITERS 3u

#define RAW_MAX \
    (HEADER_POSITIONS + APP_COPIES_MAX * 2u * APP_ROBUST_MESSAGE_MAX + (APP_COPIES_MAX - 1u) * FILLER_MAX)

static uint8_t raw[RAW_MAX];
static uint32_t raw_count;
static uint8_t assembled[APP_ROBUST_MESSAGE_MAX];

/* Undo COBS in place; return the length, or 0 where the bytes are no COBS. */
static uint32_t cobs_decode(uint8_t *bytes, uint32_t count)
{
    uint32_t in = 0;
    uint32_t out = 0;
    while (in < count) {
        const uint32_t code = bytes[in];
        if (code > count - in) {
            return 0;
        }
        for (uint32_t i = 1; i < code; i++) {
            bytes[out++] = bytes[in + i];
        }
        in += code;
        if (code < 255u && in < count) {
            bytes[out++] = 0;
        }
    }
    return out;
}

/* Each byte is 0x80 | (position mod 8) << 4 | nibble, so a jump in the positions shows what was lost.
 * Returns the message's length, or 0 where a nibble is lost in all copies. */
static uint32_t robust_decode(uint8_t *copies_found)
{
    uint8_t header[HEADER_NIBBLES] = { 0 };
    uint32_t header_seen = 0;
    uint8_t seen[APP_ROBUST_MESSAGE_MAX] = { 0 }; /* bit 0: low nibble is there, bit 4: high nibble */
    uint32_t length = 0;
    uint32_t stride = 0;
    uint32_t copies = 0;
    uint32_t copy = 0;
    uint32_t copy_start = HEADER_POSITIONS;
    uint32_t position = 0;
    uint32_t missing = 0;

    for (uint32_t i = 0; i < raw_count; i++) {
        const uint32_t nibble = raw[i] & 15u;
        position += ((uint32_t)(raw[i] >> 4) - position) & 7u;
        if (position < HEADER_POSITIONS) {
            header[position / HEADER_REPEATS] = (uint8_t)nibble;
            header_seen |= 1u << (position / HEADER_REPEATS);
            position++;
            continue;
        }
        if (stride == 0) {
            length = ((uint32_t)header[0] << 8) | ((uint32_t)header[1] << 4) | header[2];
            copies = header[3];
            if (header_seen != (1u << HEADER_NIBBLES) - 1u || length <= APP_CRC_BYTES
                || length > APP_ROBUST_MESSAGE_MAX || copies < APP_COPIES_MIN || copies > APP_COPIES_MAX) {
                return 0;
            }
            stride = 2u * length + header[4];
            missing = 2u * length;
        }
        while (position >= copy_start + stride) {
            copy_start += stride;
            copy++;
        }
        const uint32_t index = position - copy_start;
        position++;
        if (copy >= copies) {
            return 0;
        }
        if (index < 2u * length) {
            const uint32_t byte = index / 2u;
            const uint32_t shift = (index & 1u) != 0 ? 0u : 4u;
            const uint32_t mark = 1u << shift;
            if ((seen[byte] & mark) == 0) {
                assembled[byte] = (uint8_t)((assembled[byte] & ~(15u << shift)) | nibble << shift);
                seen[byte] = (uint8_t)(seen[byte] | mark);
                missing--;
            }
        }
    }
    *copies_found = (uint8_t)copies;
    return missing == 0 ? length : 0;
}

static int crc_is_right(const uint8_t *bytes, uint32_t count)
{
    if (count <= APP_CRC_BYTES) {
        return 0;
    }
    const uint8_t *end = bytes + count - APP_CRC_BYTES;
    const uint32_t sent = (uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
    return app_crc32(0, bytes, count - APP_CRC_BYTES) == sent;
}

static int decode(app_message *message)
{
    uint8_t all_high = 0x80u;
    for (uint32_t i = 0; i < raw_count; i++) {
        all_high &= raw[i];
    }
    message->copies = 0;
    message->bytes = assembled;
    message->count = all_high ? robust_decode(&message->copies) : 0;
    /* The robust attempt leaves the raw bytes alone, the plain one does not: so this order. */
    if (!crc_is_right(message->bytes, message->count)) {
        message->copies = 0;
        message->bytes = raw;
        message->count = cobs_decode(raw, raw_count);
        if (!crc_is_right(message->bytes, message->count)) {
            return 0;
        }
    }
    message->count -= APP_CRC_BYTES;
    return 1;
}

int app_frames_receive(uint8_t byte, app_message *message)
{
    if (byte != 0) {
        if (raw_count < RAW_MAX) {
            raw[raw_count] = byte;
        }
        if (raw_count <= RAW_MAX) {
            raw_count++; /* one past the end marks a frame that is too long */
        }
        return 0;
    }
    const int good = raw_count > 0 && raw_count <= RAW_MAX && decode(message);
    raw_count = 0;
    return good;
}

static void send_plain(const uint8_t *message, uint32_t count)
{
    const uint8_t delimiter = 0;
    uint32_t start = 0;
    port_write(&delimiter, 1);
    for (;;) {
        uint32_t run = 0;
        while (run < 254u && start + run < count && message[start + run] != 0) {
            run++;
        }
        const uint8_t code = (uint8_t)(run + 1u);
        port_write(&code, 1);
        if (run > 0) {
            port_write(message + start, run);
        }
        start += run;
        if (start >= count) {
            break;
        }
        if (run < 254u) {
            start++; /* the zero that the code stands for */
        }
    }
    port_write(&delimiter, 1);
}

static struct {
    uint8_t bytes[32];
    uint32_t count;
    uint32_t position;
} staged;

static void flush(void)
{
    port_write(staged.bytes, staged.count);
    staged.count = 0;
}

static void stage(uint8_t byte)
{
    staged.bytes[staged.count++] = byte;
    if (staged.count == sizeof staged.bytes) {
        flush();
    }
}

static void send_nibble(uint32_t nibble)
{
    stage((uint8_t)(0x80u | (staged.position & 7u) << 4 | (nibble & 15u)));
    staged.position++;
}

/* Copies lie a number of positions apart that 2, 3, 5 and 7 do not divide: no loss of a period up to
 * ten bytes hits one nibble twice. Successive frames take different ones, against longer periods. */
static uint32_t choose_filler(uint32_t nibbles)
{
    static uint32_t last = FILLER_MAX;
    for (;;) {
        last = last >= FILLER_MAX ? 0u : last + 1u;
        const uint32_t stride = nibbles + last;
        if (stride % 2u != 0 && stride % 3u != 0 && stride % 5u != 0 && stride % 7u != 0) {
            return last;
        }
    }
}

static void send_robust(uint32_t copies, const uint8_t *message, uint32_t count)
{
    const uint32_t filler = choose_filler(2u * count);
    const uint32_t header[HEADER_NIBBLES] = { count >> 8, count >> 4, count, copies, filler };

    staged.position = 0;
    for (uint32_t i = 0; i < DELIMITERS; i++) {
        stage(0);
    }
    for (uint32_t i = 0; i < HEADER_POSITIONS; i++) {
        send_nibble(header[i / HEADER_REPEATS]);
    }
    for (uint32_t copy = 0; copy < copies; copy++) {
        for (uint32_t i = 0; copy > 0 && i < filler; i++) {
            send_nibble(0);
        }
        for (uint32_t i = 0; i < count; i++) {
            send_nibble((uint32_t)message[i] >> 4);
            send_nibble(message[i]);
        }
    }
    for (uint32_t i = 0; i < DELIMITERS; i++) {
        stage(0);
    }
    flush();
}

void app_frames_send(uint8_t copies, uint8_t *message, uint32_t count)
{
    const uint32_t crc = app_crc32(0, message, count);
    for (uint32_t i = 0; i < APP_CRC_BYTES; i++) {
        message[count + i] = (uint8_t)(crc >> (8u * i));
    }
    if (copies == 0) {
        send_plain(message, count + APP_CRC_BYTES);
    } else {
        send_robust(copies, message, count + APP_CRC_BYTES);
    }
}
