/* app_tag.c - the tag's own work: it reads its sensor, classifies, keeps what it found, and sleeps in between. */
#include "app_tag.h"

#include "app_still.h"
#include "app_watch.h"
#include "bus.h"
#include "mcukd_port.h"
#include "radio_sender.h"
#include "sensor_config.h"
#include "tag.h"
#include "tag_port.h"
#include "tag_power.h"
#include "tag_provision.h"

#define SECOND TAG_TICKS_PER_SECOND
#define SLEEP_MOST (16u * SECOND) /* a counter of 24 bits has to be read more often than every 512 s */
#define RETRY_FIRST (1u * SECOND)
#define RETRY_MOST (64u * SECOND)
/* A host that is connected when the tag starts is heard before the sensor is looked for. */
#define FIRST_LOOK (2u * SECOND)
/* The sensor is left alone so long after a host's message: its bytes would be lost while samples are classified. */
#define HOST_TALKS (2u * SECOND)
/* The sensor is looked at so often while a host watches. */
#define WATCH_LOOKS (SECOND / 2u)
/* The console listens so long after an edge at its input, which was a byte that is lost. */
#define HOST_CALLS (5u * SECOND)

/* Tasks that have to report before the watchdog is fed: no byte waits, the sensor is not overdue, time goes on. */
enum { TASK_CONSOLE = 1, TASK_SENSOR = 2, TASK_CLOCK = 4, TASKS = 7 };

/* What is logged of a result of the sensor; 0: nothing. */
static const uint8_t event_of[] = {
    [SENSOR_OK] = 0,
    [SENSOR_ABSENT] = TAG_EVENT_SENSOR_ABSENT,
    [SENSOR_REFUSED] = TAG_EVENT_SENSOR_REFUSED,
    [SENSOR_BUS_STUCK] = TAG_EVENT_BUS_STUCK,
    [SENSOR_BUS_TIMEOUT] = TAG_EVENT_BUS_TIMEOUT,
    [SENSOR_WRONG_IDENTITY] = TAG_EVENT_SENSOR_IDENTITY,
    [SENSOR_SETTINGS] = TAG_EVENT_SENSOR_SETTINGS,
    [SENSOR_SELF_TEST] = TAG_EVENT_SENSOR_SELF_TEST,
    [SENSOR_RESTARTED] = TAG_EVENT_SENSOR_RESET,
    [SENSOR_UNREADABLE] = TAG_EVENT_SENSOR_UNREADABLE,
    [SENSOR_OVERRUN] = TAG_EVENT_SENSOR_OVERRUN,
    [SENSOR_SILENT] = TAG_EVENT_SENSOR_SILENT,
    [SENSOR_STOPPED] = 0,
    [SENSOR_MISSING] = TAG_EVENT_SENSOR_MISSING,
};

static sensor accelerometer;
static sensor_config config; /* of the board, with what this tag was told */
static app_stream stream;

static struct {
    uint32_t due;           /* when the sensor is looked at next */
    uint32_t failures;      /* in a row */
    uint32_t taken;         /* samples of the present drain */
    uint32_t lost;          /* samples lost by the sensor's own clock that were passed on */
    uint32_t missed;        /* samples lost by the tag's clock, of the gap before the next sample */
    uint32_t emptied;       /* when the FIFO was read to its end, or emptied */
    uint32_t warned;        /* warnings of the sensor that were logged */
    uint32_t told;          /* events logged in the present period, a bit each */
    uint32_t told_period;   /* its beginning */
    uint32_t message;       /* when a host talked last */
    uint32_t listens_until; /* when the console is switched off */
    uint32_t fed;           /* reading of the clock when the watchdog was fed last */
    uint8_t event;          /* logged last since the start; 0: none */
    uint8_t reported;       /* tasks */
    uint8_t listens;        /* whether the console is on */
    uint8_t host_talks;
    uint8_t samples;        /* whether the sensor was started */
    uint8_t began;          /* whether a sample ever came */
    uint8_t signal_was_low; /* since the last drain: only then does a high pin say anything */
} app;

/* Ticks until a moment, 0 where it is past. */
static uint32_t ahead(uint32_t now, uint32_t when)
{
    return when - now <= INT32_MAX ? when - now : 0u;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Log an event, each kind once in a period, so that a sensor that fails for months does not fill the log. */
static void tell(uint32_t code, uint32_t detail)
{
    tag_on_tick();
    const uint32_t period = tag_get()->counters.start;
    if (period != app.told_period) {
        app.told_period = period;
        app.told = 0;
    }
    if ((app.told >> code & 1u) == 0) {
        app.told |= 1u << code;
        app.event = (uint8_t)code;
        tag_on_event(code, detail);
        radio_sender_on_event(code);
    }
}

static uint32_t detail_of(sensor_result result, uint32_t lost_before)
{
    switch (result) {
    case SENSOR_WRONG_IDENTITY:
    case SENSOR_SELF_TEST:
        return accelerometer.detail;
    case SENSOR_OVERRUN:
    case SENSOR_MISSING:
        return accelerometer.counts.lost - lost_before;
    default:
        return 0;
    }
}

static void take(void *context, const int16_t sample[3], uint32_t gap)
{
    (void)context;
    if (gap != 0 && app.began) {
        const uint32_t counted = accelerometer.counts.lost - app.lost;
        const uint32_t lost = counted > app.missed ? counted : app.missed;
        app_stream_restart(&stream);
        tag_on_gap(lost);
        app_watch_on_gap(&stream, lost);
        app.lost = accelerometer.counts.lost;
    }
    app.missed = 0;
    app.began = 1;
    app.taken++;
    app_still_take(accelerometer.latest);
    const int ended = app_stream_push(&stream, sample);
    app_watch_on_sample(&stream, sample);
    if (ended) {
        tag_on_result(stream.latest_class, stream.latest_logits);
        app_watch_on_result(&stream);
    }
}

/* Samples that come in some time at the sensor's nominal rate. */
static uint32_t samples_in(uint32_t ticks)
{
    const uint32_t period = SENSOR_CONFIG.sample_ticks; /* in 256ths of a tick, so of 256 samples in ticks */
    return ticks / period * 256u + (ticks % period >> 4) * 256u / (period >> 4);
}

/* Take note of what a drain that reached the end of the FIFO left out, unless the sensor's own clock has told. */
static void count_missed(uint32_t now, int told)
{
    if (app.taken == 0 && accelerometer.gap == 0) {
        return; /* silence is not loss; what comes behind it shows which it was */
    }
    const uint32_t due = samples_in(now - app.emptied);
    if (accelerometer.gap != 0 && !told && due > app.taken) {
        app.missed += due - app.taken;
    }
    app.emptied = now;
}

/* Whether a result leaves the sensor sampling. */
static int goes_on(sensor_result result)
{
    return result == SENSOR_OK || result == SENSOR_RESTARTED || result == SENSOR_UNREADABLE
        || result == SENSOR_OVERRUN || result == SENSOR_SILENT || result == SENSOR_MISSING;
}

static void choose_config(void)
{
    const tag_provision *told = tag_provision_get();
    config = SENSOR_CONFIG;
    for (uint32_t axis = 0; axis < 3u && told->axes[0] != 0; axis++) {
        config.axes[axis] = told->axes[axis];
    }
    if (told->gain[0] != 0) {
        config.offset = told->offset;
        config.gain = told->gain;
    }
}

/* Find it, let it test itself, start it. One that fails its self-test gives no samples: they would be wrong. */
static sensor_result start(void)
{
    choose_config();
    sensor_result result = sensor_init(&accelerometer, &config);
    if (result == SENSOR_OK) {
        result = sensor_self_test(&accelerometer);
    }
    if (result == SENSOR_OK) {
        result = sensor_start(&accelerometer, tag_ticks());
        app.samples = result == SENSOR_OK;
        app.lost = 0;
        app.warned = 0;
        app.emptied = tag_ticks();
    }
    return result;
}

static sensor_result drain(void)
{
    const uint32_t before = accelerometer.counts.lost;
    const uint32_t now = tag_ticks();
    app.taken = 0;
    const sensor_result result = sensor_drain(&accelerometer, now, take, 0);
    if (app.taken != 0) {
        tag_on_samples(app.taken);
        app_watch_on_drained();
    }
    if (goes_on(result)) {
        count_missed(now, accelerometer.counts.lost != before);
    }
    if (event_of[result] != 0) {
        tell(event_of[result], detail_of(result, before));
    }
    const uint32_t fresh = accelerometer.warnings & ~app.warned;
    app.warned |= fresh;
    if (fresh & SENSOR_WARNS_FROZEN) {
        tell(TAG_EVENT_SENSOR_FROZEN, 0);
    }
    if (fresh & SENSOR_WARNS_SATURATED) {
        tell(TAG_EVENT_SENSOR_SATURATED, 0);
    }
    if (fresh & SENSOR_WARNS_RATE) {
        tell(TAG_EVENT_SENSOR_RATE, 0);
    }
    return result;
}

/* Look at the sensor, and plan when to do so next: sooner or later as it fails once or again and again. */
static void attend(void)
{
    sensor_result result;
    if (app.samples) {
        result = drain();
    } else {
        app.taken = 0;
        result = start();
        if (event_of[result] != 0) {
            tell(event_of[result], detail_of(result, 0));
        }
    }
    uint32_t wait = sensor_drain_ticks(&accelerometer);
    if (goes_on(result)) {
        if (app.failures != 0 && app.taken != 0) {
            tell(TAG_EVENT_SENSOR_BACK, app.failures);
            app.failures = 0;
        }
        if (app_watch_left(tag_ticks()) != 0) {
            wait = least(wait, WATCH_LOOKS);
        }
    } else {
        wait = RETRY_MOST;
        if (app.failures < 6u) {
            wait = RETRY_FIRST << app.failures;
        }
        app.failures++;
    }
    app.due = tag_ticks() + wait;
    app.signal_was_low = bus_signal() == 0;
}

static void sleep(void)
{
    if (app.listens) {
        port_idle();
    } else {
        port_sleep();
    }
}

/* The tag's drivers wait asleep, with the bus off: a self-test takes nearly a second. */
void bus_wait_ms(uint32_t milliseconds)
{
    const uint32_t from = tag_ticks();
    const uint32_t ticks = (milliseconds * SECOND + 999u) / 1000u + 1u; /* the present one has begun */
    uint32_t passed = 0;

    bus_off();
    bus_signal_ignore();
    while (passed < ticks) {
        if (ticks - passed >= TAG_WAKE_LEAST) {
            tag_wake_at(from + ticks);
            sleep();
        }
        passed = tag_ticks() - from;
    }
    bus_on();
}

static void console_on(uint32_t until)
{
    if (!app.listens) {
        port_console(1);
        app.listens = 1;
    }
    app.listens_until = until;
}

/* Switch the console on where its input saw an edge, and off when nobody talked for long enough. */
static void attend_console(uint32_t now)
{
    (void)app_watch_left(now); /* nothing is told any more before the console is off */
    if (app.host_talks && now - app.message >= HOST_TALKS) {
        app.host_talks = 0;
    }
    if (!app.listens && port_console_called()) {
        console_on(now + HOST_CALLS);
    } else if (app.listens && TAG_CONSOLE_S != 0 && ahead(now, app.listens_until) == 0) {
        port_console(0);
        app.listens = 0;
    }
}

/* Feed the watchdog once every task has reported since it was fed last. */
static void feed_watchdog(uint32_t now)
{
    app.reported |= TASK_CONSOLE;
    if (app.host_talks || ahead(now, app.due) != 0) {
        app.reported |= TASK_SENSOR;
    }
    if (now != app.fed) {
        app.reported |= TASK_CLOCK;
    }
    if (app.reported == TASKS) {
        port_watchdog_feed();
        app.reported = 0;
        app.fed = now;
    }
}

static void attend_radio(uint32_t now)
{
    uint32_t detail;
    const uint32_t event = radio_sender_run(now, &detail);
    if (event != 0) {
        tell(event, detail);
    }
}

/* Until when nothing is due, at most SLEEP_MOST from now. */
static uint32_t next_due(uint32_t now)
{
    uint32_t left = ahead(now, app.host_talks ? app.message + HOST_TALKS : app.due);
    if (!app.host_talks) {
        left = least(left, radio_sender_left(now));
    }
    if (app.listens && TAG_CONSOLE_S != 0) {
        left = least(left, ahead(now, app.listens_until));
    }
    return now + least(left, SLEEP_MOST);
}

void app_tag_start(void)
{
    app_stream_reset(&stream);
    app.told_period = tag_get()->counters.start;
    const uint32_t now = tag_ticks();
    app.due = now + FIRST_LOOK;
    app.listens = 1;
    app.listens_until = now + TAG_CONSOLE_S * SECOND;
    radio_sender_start(now);
    port_watchdog_start();
}

void app_tag_run(void)
{
    uint32_t now = tag_ticks();
    attend_console(now);
    if (!app.host_talks) {
        const uint32_t asks = bus_signal();
        if (ahead(now, app.due) == 0 || (app.samples && asks && app.signal_was_low)) {
            attend();
        } else if (!asks) {
            app.signal_was_low = 1;
        }
    }
    tag_on_tick();
    now = tag_ticks();
    if (!app.host_talks) {
        attend_radio(now);
        now = tag_ticks();
    }
    feed_watchdog(now);
    const uint32_t until = next_due(now);
    if (until - now < TAG_WAKE_LEAST) {
        return;
    }
    tag_wake_at(until);
    /* The pin of a sensor that was not started yet, as after a reset of the tag alone, says nothing. */
    if (app.samples && !app.host_talks && app.signal_was_low) {
        bus_signal_arm();
        if (bus_signal()) {
            return;
        }
    } else {
        bus_signal_ignore();
    }
    sleep();
}

void app_tag_on_message(void)
{
    const uint32_t usual = TAG_CONSOLE_S * SECOND;
    app.message = tag_ticks();
    const uint32_t watched = app_watch_left(app.message);
    app.host_talks = app_watch_allows() == 0;
    if (watched != 0 && app.samples && app.failures == 0) {
        app.due = app.message + least(ahead(app.message, app.due), WATCH_LOOKS);
    }
    console_on(app.message + (watched > usual ? watched : usual));
}

uint32_t app_tag_listens(void)
{
    return app.listens;
}

void app_tag_on_provision(void)
{
    app.samples = 0;
    app.failures = 0;
    app.due = tag_ticks();
}

void app_tag_look(void)
{
    if (app.samples || ahead(tag_ticks(), app.due) == 0) {
        attend();
    }
}

uint32_t app_tag_sensor(void)
{
    return app.samples ? APP_TAG_SENSOR_SAMPLES : APP_TAG_SENSOR_SOUGHT;
}

uint32_t app_tag_sensor_failures(void)
{
    return app.failures;
}

uint32_t app_tag_event(void)
{
    return app.event;
}

const app_stream *app_tag_stream(void)
{
    return &stream;
}
