/* sensor.h - an accelerometer: find, test, start, drain, stop.
 *
 * Samples come in the counts that the model was trained with, along its axes. Where samples were lost, or may
 * have been, the first one behind them carries a gap; a gap is never filled.
 * Times are ticks of a clock of SENSOR_TICKS_HZ that wraps at 2^32.
 */
#ifndef SENSOR_H
#define SENSOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SENSOR_TICKS_HZ 32768u

typedef enum {
    SENSOR_OK = 0,
    SENSOR_ABSENT,         /* nobody answers at its address */
    SENSOR_REFUSED,        /* it answers and does not take what is sent */
    SENSOR_BUS_STUCK,      /* a line of the bus is held low */
    SENSOR_BUS_TIMEOUT,    /* a transfer did not end */
    SENSOR_WRONG_IDENTITY, /* another part answers at its address */
    SENSOR_SETTINGS,       /* settings do not read back as they were written */
    SENSOR_SELF_TEST,      /* it failed its self-test */
    SENSOR_RESTARTED,      /* it had lost its settings and was set up anew: the next sample has a gap */
    SENSOR_UNREADABLE,     /* its FIFO held what is no frame, and was emptied: the next sample has a gap */
    SENSOR_OVERRUN,        /* its FIFO was full and samples were lost: a sample has a gap */
    SENSOR_SILENT,         /* no sample for a long time; it is set up anew */
    SENSOR_STOPPED,        /* it was not started */
    SENSOR_MISSING         /* by its own clock it gave too few samples, though its FIFO had room */
} sensor_result;

enum { SENSOR_MODE_NORMAL = 0, SENSOR_MODE_CYCLE = 1 };

/* Why a sample does not follow the one before it; several may hold. */
enum {
    SENSOR_GAP_START = 1,       /* the first sample since the start */
    SENSOR_GAP_OVERRUN = 2,     /* the FIFO had no room */
    SENSOR_GAP_RESET = 4,       /* the sensor was set up anew */
    SENSOR_GAP_BUS = 8,         /* a transfer of samples failed */
    SENSOR_GAP_UNREADABLE = 16, /* the FIFO was emptied, as it held what is no frame */
    SENSOR_GAP_MISSING = 32     /* samples are missing here, or between here and the next such gap */
};

/* What seems wrong though samples come; a bit stays until the next start. */
enum {
    SENSOR_WARNS_FROZEN = 1,    /* an axis gave one count SENSOR_RUN times in a row */
    SENSOR_WARNS_SATURATED = 2, /* an axis was at an end of its range for SENSOR_RUN samples in a row */
    SENSOR_WARNS_RATE = 4       /* the rate is off by more than the sensor's tolerance */
};
#define SENSOR_RUN 1024u

/* How a sensor is set up; sensor_config.h has the board's. */
typedef struct {
    uint8_t address;
    uint8_t mode;
    uint8_t range;         /* code of its range: 0 to 3 for 2, 4, 8, 16 g */
    uint8_t rate;          /* code of its rate, as its driver says */
    uint8_t filter;        /* code of its filter, as its driver says */
    uint8_t shift;         /* bits of a count that are not used */
    int8_t axes[3];        /* its axis that is the model's x, y, z: 1, 2, 3; negative: turned round */
    uint16_t watermark;    /* samples in the FIFO when it is drained */
    uint32_t sample_ticks; /* from one sample to the next, in 256ths of a tick */
    uint16_t tolerance;    /* of the rate, in thousandths */
    /* Calibration of its axes: a count less the offset, in 16ths of a count, times the gain, of which 2^14 is 1.
     * 0: none. */
    const int32_t *offset;
    const int32_t *gain;
} sensor_config;

/* What happened since the start. */
typedef struct {
    uint32_t samples;
    uint32_t gaps;       /* samples that carried one, the first among them */
    uint32_t lost;       /* samples known to be lost, where the sensor's own clock tells */
    uint32_t overruns;
    uint32_t restarts;
    uint32_t bus_errors; /* transfers that failed, those that succeeded when repeated among them */
    uint32_t unreadable;
    uint32_t silences;
} sensor_counts;

typedef struct {
    const sensor_config *config;
    sensor_counts counts;
    uint32_t warnings;
    uint32_t detail; /* of the latest error: axes that failed the self-test, a bit each; a foreign identity */
    /* The rate as measured last: samples in so many ticks, a minute or more without a gap; 0 before. */
    uint32_t rate_samples;
    uint32_t rate_ticks;
    /* The rest is the drivers'. */
    uint8_t running;
    uint8_t set_up;
    uint8_t synchronous;  /* whether `clock` and `due` hold */
    uint8_t gap;          /* for the next sample */
    uint32_t last_ticks;  /* when a sample came last */
    uint32_t from_ticks;  /* beginning of the rate's measurement */
    uint32_t from_samples;
    uint32_t clock;       /* the sensor's, at the last drain */
    int32_t due;          /* samples by its clock that did not come */
    int16_t latest[3];
    uint16_t equal[3];
    uint16_t at_end[3];
} sensor;

/* Takes a sample and the gap before it (0: none). */
typedef void (*sensor_take)(void *context, const int16_t sample[3], uint32_t gap);

/* Find the sensor and reset it. */
sensor_result sensor_init(sensor *s, const sensor_config *config);

/* Let it test itself; it needs some tenths of a second and a new start. A tag that moves may fail once, so
 * the test is made up to three times. */
sensor_result sensor_self_test(sensor *s);

/* Set it up and let it sample. */
sensor_result sensor_start(sensor *s, uint32_t now);

/* Hand over what its FIFO holds, oldest first. Call it at the interrupt or when the watermark is due, and
 * after an error as before: the sensor goes on by itself, and is set up anew where it has to be. */
sensor_result sensor_drain(sensor *s, uint32_t now, sensor_take take, void *context);

/* Put it to sleep. */
sensor_result sensor_stop(sensor *s);

/* Ticks from one drain to the next by its nominal rate: the watermark's. */
uint32_t sensor_drain_ticks(const sensor *s);

#ifdef __cplusplus
}
#endif

#endif
