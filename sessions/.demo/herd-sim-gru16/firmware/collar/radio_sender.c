/* radio_sender.c - sends the payload of each period: one waits at most, and a newer one takes its place. */
#include "radio_sender.h"

#include "payload_period.h"
#include "radio.h"
#include "radio_battery.h"
#include "radio_duty.h"
#include "tag.h"
#include "tag_port.h"

#define SECOND TAG_TICKS_PER_SECOND
#define RETRY_FIRST (1u * SECOND)
#define RETRY_DOUBLES 6u
/* After a start; a radio that wakes up with the tag has started by then. */
#define FIRST_LOOK (1u * SECOND)
/* Events that say that the sensor has failed; those of lost samples and of its return do not. */
#define SENSOR_FAILURES 0x1BEDEu

static const uint8_t event_of[] = {
    [RADIO_SENT] = 0,
    [RADIO_SENDS] = 0,
    [RADIO_ABSENT] = TAG_EVENT_RADIO_ABSENT,
    [RADIO_WRONG_IDENTITY] = TAG_EVENT_RADIO_IDENTITY,
    [RADIO_SETTINGS] = TAG_EVENT_RADIO_SETTINGS,
    [RADIO_NO_KEYS] = TAG_EVENT_RADIO_NO_KEYS,
    [RADIO_TIMEOUT] = TAG_EVENT_RADIO_TIMEOUT,
};

static struct {
    radio_duty duty;
    uint32_t sequence; /* payloads since the start */
    uint32_t counter;  /* of the frame that the payload is sent in */
    uint32_t tried;    /* when the radio failed, or the tag started */
    uint32_t pause;    /* from then until it is looked for */
    uint32_t failures; /* in a row */
    uint8_t payload[PAYLOAD_BYTES];
    uint8_t found;     /* whether the radio was found and sleeps */
    uint8_t waits;     /* whether the payload is to be sent */
    uint8_t sends;
    uint8_t sensor_failed;
} sender;

void tag_send_period(const tag_state *tag)
{
    payload_pack_period(tag, &tag->counters, sender.sequence, port_battery_mv(), sender.sensor_failed,
                        sender.payload);
    sender.sequence++;
    sender.waits = 1;
}

void radio_sender_start(uint32_t now)
{
    radio_duty_start(&sender.duty, now);
    sender.tried = now;
    sender.pause = FIRST_LOOK;
}

uint32_t radio_sender_left(uint32_t now)
{
    const uint32_t allowed = radio_duty_wait(&sender.duty, now);

    if (sender.sends) {
        return radio_left(now);
    }
    if (sender.found) {
        return sender.waits ? allowed : UINT32_MAX;
    }
    return now - sender.tried < sender.pause ? sender.pause - (now - sender.tried) : 0u;
}

static radio_result attend(void)
{
    radio_result result;
    if (sender.sends) {
        result = radio_poll();
    } else if (!sender.found) {
        return radio_init();
    } else {
        result = radio_start(sender.payload, sender.counter);
        if (result == RADIO_SENDS) {
            radio_duty_note(&sender.duty, tag_ticks());
        }
        sender.waits = 0;
    }
    sender.sends = result == RADIO_SENDS;
    return result;
}

uint32_t radio_sender_run(uint32_t now, uint32_t *detail)
{
    if (radio_sender_left(now) != 0) {
        return 0;
    }
    const int sent = sender.sends;
    const radio_result result = attend();
    *detail = 0;
    if (result == RADIO_SENDS) {
        return 0;
    }
    if (result != RADIO_SENT) {
        /* It is sent again, or what has come in its place. */
        sender.waits = sender.waits || sender.found;
        sender.found = 0;
        sender.tried = tag_ticks();
        sender.pause = RETRY_FIRST << (sender.failures < RETRY_DOUBLES ? sender.failures : RETRY_DOUBLES);
        sender.failures++;
        *detail = radio_detail();
        return event_of[result];
    }
    sender.found = 1;
    if (sent && sender.failures != 0) {
        *detail = sender.failures;
        sender.failures = 0;
        return TAG_EVENT_RADIO_BACK;
    }
    return 0;
}

void radio_sender_on_event(uint32_t code)
{
    if (SENSOR_FAILURES >> code & 1u) {
        sender.sensor_failed = 1;
    }
}
