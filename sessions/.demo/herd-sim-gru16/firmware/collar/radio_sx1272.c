/* radio_sx1272.c - Semtech's SX1272 in LoRa mode: it wakes, is set up, takes a packet, sends it and sleeps.
 *
 * UNVERIFIED: written from the SX1272/73 data sheet, rev. 2, never run on hardware. It is set up anew for each
 * packet, so that one that lost its settings sends as it should all the same.
 */
#include "radio.h"

#include "radio_driver_config.h"
#include "radio_frame.h"
#include "radio_spi.h"
#include "tag_port.h"

/* Section 6.3: registers in LoRa mode. */
#define REG_FIFO 0x00u
#define REG_OP_MODE 0x01u
#define REG_FRF_MSB 0x06u
#define REG_FRF_MID 0x07u
#define REG_FRF_LSB 0x08u
#define REG_PA_CONFIG 0x09u
#define REG_OCP 0x0Bu
#define REG_FIFO_ADDR_PTR 0x0Du
#define REG_FIFO_TX_BASE_ADDR 0x0Eu
#define REG_IRQ_FLAGS 0x12u
#define REG_MODEM_CONFIG_1 0x1Du
#define REG_MODEM_CONFIG_2 0x1Eu
#define REG_PREAMBLE_MSB 0x20u
#define REG_PREAMBLE_LSB 0x21u
#define REG_PAYLOAD_LENGTH 0x22u
#define REG_SYNC_WORD 0x39u
#define REG_VERSION 0x42u
#define REG_PA_DAC 0x5Au

#define OP_MODE_LONG_RANGE (1u << 7)
#define OP_MODE_SLEEP 0u
#define OP_MODE_STANDBY 1u
#define OP_MODE_TX 3u
#define IRQ_FLAGS_TX_DONE (1u << 3)
#define PA_CONFIG_BOOST (RADIO_BOOST << 7 | RADIO_POWER)
#define PA_DAC_DEFAULT 0x84u
#define PA_DAC_20_DBM 0x87u
#define OCP_100_MA 0x2Bu
#define OCP_150_MA 0x32u
#define MODEM_CONFIG_1 (RADIO_BANDWIDTH << 6 | RADIO_CODING_RATE << 3 | 1u << 1 | RADIO_LOW_DATA_RATE) /* and a CRC */
#define MODEM_CONFIG_2 (RADIO_SPREADING_FACTOR << 4 | 1u << 2)

#define SX1272_VERSION 0x22u
#define WRITE 0x80u /* section 4.3: the first byte's highest bit */
#define CRYSTAL_TICKS 17u /* .5 ms; section 2.5.2: it starts within .25 ms */
#define CRYSTAL_PATIENCE 100000u /* polls */
#define POLL_AFTER 33u /* ticks, 1 ms: synthesizer and amplifier start */
#define POLL_EVERY 328u
#define PATIENCE (2u * RADIO_AIRTIME + 3277u)

typedef struct {
    uint8_t reg;
    uint8_t value;
} setting;

static const setting settings[] = {
    { REG_PA_CONFIG, PA_CONFIG_BOOST },
    { REG_OCP, RADIO_20_DBM ? OCP_150_MA : OCP_100_MA },
    { REG_PA_DAC, RADIO_20_DBM ? PA_DAC_20_DBM : PA_DAC_DEFAULT },
    { REG_FIFO_TX_BASE_ADDR, 0 },
    { REG_MODEM_CONFIG_1, MODEM_CONFIG_1 },
    { REG_MODEM_CONFIG_2, MODEM_CONFIG_2 },
    { REG_PREAMBLE_MSB, RADIO_PREAMBLE >> 8 },
    { REG_PREAMBLE_LSB, RADIO_PREAMBLE & 0xFFu },
    { REG_PAYLOAD_LENGTH, RADIO_FRAME_BYTES },
    { REG_SYNC_WORD, RADIO_SYNC_WORD },
};

static uint32_t woken; /* reading of the clock when the crystal was started */
static uint32_t began; /* reading of the clock when it was told to send */
static uint32_t poll_at;
static uint32_t detail;

static uint8_t read(uint8_t reg)
{
    uint8_t bytes[2] = { reg, 0 };
    radio_spi_transfer(bytes, sizeof bytes);
    return bytes[1];
}

static void write(uint32_t reg, uint32_t value)
{
    uint8_t bytes[2] = { (uint8_t)(reg | WRITE), (uint8_t)value };
    radio_spi_transfer(bytes, sizeof bytes);
}

/* Whether it is there: a line that nobody drives reads as all zeros or ones. */
static radio_result find(void)
{
    detail = read(REG_VERSION);
    if (detail == SX1272_VERSION) {
        return RADIO_SENT;
    }
    return detail == 0 || detail == UINT8_MAX ? RADIO_ABSENT : RADIO_WRONG_IDENTITY;
}

/* Section 4.1.3: LoRa mode can be chosen asleep alone. */
static void fall_asleep(void)
{
    write(REG_OP_MODE, read(REG_OP_MODE) & OP_MODE_LONG_RANGE);
    write(REG_OP_MODE, OP_MODE_LONG_RANGE | OP_MODE_SLEEP);
}

static void write_all(const setting *each, uint32_t count)
{
    for (; count != 0; count--, each++) {
        write(each->reg, each->value);
    }
}

static int all_read_back(const setting *each, uint32_t count)
{
    for (; count != 0; count--, each++) {
        if (read(each->reg) != each->value) {
            detail = each->reg;
            return 0;
        }
    }
    return 1;
}

static radio_result set_up(uint32_t frequency)
{
    const setting carrier[] = {
        { REG_FRF_MSB, (uint8_t)(frequency >> 16) },
        { REG_FRF_MID, (uint8_t)(frequency >> 8) },
        { REG_FRF_LSB, (uint8_t)frequency },
    };
    write_all(carrier, sizeof carrier / sizeof carrier[0]);
    write_all(settings, sizeof settings / sizeof settings[0]);
    if (!all_read_back(carrier, sizeof carrier / sizeof carrier[0])
        || !all_read_back(settings, sizeof settings / sizeof settings[0])) {
        return RADIO_SETTINGS;
    }
    return RADIO_SENDS;
}

/* bytes: a place for the register's address, then the frame. */
static void send(uint8_t bytes[1u + RADIO_FRAME_BYTES])
{
    bytes[0] = REG_FIFO | WRITE;
    for (uint32_t polls = 0; tag_ticks() - woken < CRYSTAL_TICKS && polls < CRYSTAL_PATIENCE; polls++) {
    }
    write(REG_FIFO_ADDR_PTR, 0);
    radio_spi_transfer(bytes, 1u + RADIO_FRAME_BYTES);
    write(REG_IRQ_FLAGS, UINT8_MAX); /* a one clears a flag */
    write(REG_OP_MODE, OP_MODE_LONG_RANGE | OP_MODE_TX);
    began = tag_ticks();
    poll_at = began + RADIO_AIRTIME + POLL_AFTER;
}

radio_result radio_init(void)
{
    radio_spi_on();
    radio_result result = find();
    if (result == RADIO_SENT) {
        fall_asleep();
        if (read(REG_OP_MODE) != (OP_MODE_LONG_RANGE | OP_MODE_SLEEP)) {
            detail = REG_OP_MODE;
            result = RADIO_SETTINGS;
        }
    }
    radio_spi_off();
    return result;
}

radio_result radio_start(const uint8_t payload[PAYLOAD_BYTES], uint32_t counter)
{
    uint8_t bytes[1u + RADIO_FRAME_BYTES];

    if (!radio_frame(payload, counter, bytes + 1)) {
        detail = 0;
        return RADIO_NO_KEYS;
    }
    radio_spi_on();
    radio_result result = find();
    if (result == RADIO_SENT) {
        fall_asleep();
        write(REG_OP_MODE, OP_MODE_LONG_RANGE | OP_MODE_STANDBY);
        woken = tag_ticks();
        result = set_up(radio_frequency(bytes + 1));
        if (result == RADIO_SENDS) {
            send(bytes);
        } else {
            fall_asleep();
        }
    }
    radio_spi_off();
    return result;
}

radio_result radio_poll(void)
{
    const uint32_t now = tag_ticks();
    radio_spi_on();
    radio_result result = find();
    if (result == RADIO_SENT && !(read(REG_IRQ_FLAGS) & IRQ_FLAGS_TX_DONE)) {
        detail = 0;
        result = now - began < PATIENCE ? RADIO_SENDS : RADIO_TIMEOUT;
        poll_at = now + POLL_EVERY;
    }
    if (result == RADIO_SENT || result == RADIO_TIMEOUT) {
        fall_asleep();
    }
    radio_spi_off();
    return result;
}

uint32_t radio_left(uint32_t now)
{
    return poll_at - now <= INT32_MAX ? poll_at - now : 0u;
}

uint32_t radio_detail(void)
{
    return detail;
}
