/* hooks.c - what a modelled chip's engine calls: counts instructions, and answers accesses that were foreseen.
 * For mcukd/chips/hooks.py. */
#include <stdint.h>

enum { WRITE = 1, WAITS = 2, DATA = 4 };

struct access {
    uint32_t address, value; /* read from or written to a register; with DATA the next byte of `data` is read */
    uint32_t flags, cycles;  /* of a write: how long what it begins takes, which an access that WAITS waits for */
};

struct hooks {
    uint64_t cycles, limit, waited;  /* now, when the core has to stop and look, and time spent waiting */
    uint64_t address, size, stopped; /* of the block that is executed; whether the core was stopped */
    const uint32_t *counts;          /* by address / 2: size of a block << 16 | its instructions; 0: not known */
    uint64_t places;
    const struct access *accesses;   /* foreseen again and again */
    uint64_t period, position, end;  /* how many they are, the place of the next one, and behind the last */
    const uint8_t *data;
    uint64_t until, due;             /* before which all has to happen, and when what was begun is done */
    int (*stop)(void *engine);
    uint32_t (*attend)(uint64_t address, uint32_t size); /* a new block, or one that needs attention */
    uint64_t (*read)(uint64_t address, uint32_t size);
    void (*write)(uint64_t address, uint32_t size, uint64_t value);
};

struct stretch {
    struct hooks *hooks;
    uint64_t address;
};

void mcukd_block(void *engine, uint64_t address, uint32_t size, struct hooks *hooks)
{
    if (hooks->cycles >= hooks->limit) {
        hooks->stopped = 1;
        (void)hooks->stop(engine);
        return;
    }
    const uint64_t place = address >> 1;
    const uint32_t known = place < hooks->places ? hooks->counts[place] : 0;
    const uint32_t count = known >> 16 == size && size != 0 ? known & 0xFFFFu : hooks->attend(address, size);
    hooks->address = address;
    hooks->size = size;
    hooks->cycles += count;
}

/* The access that was foreseen next, where it is this one and nothing else has to happen before it. */
static const struct access *foreseen(struct hooks *hooks, uint64_t address, uint32_t size, uint32_t write)
{
    if (hooks->position >= hooks->end || size != 4 || hooks->cycles >= hooks->until) {
        return 0;
    }
    const struct access *access = &hooks->accesses[hooks->position % hooks->period];
    if (access->address != address || (access->flags & WRITE) != write) {
        return 0;
    }
    if (access->flags & WAITS && hooks->due > hooks->cycles) {
        if (hooks->due >= hooks->limit) {
            return 0;
        }
        hooks->waited += hooks->due - hooks->cycles;
        hooks->cycles = hooks->due;
    }
    return access;
}

uint64_t mcukd_read(void *engine, uint64_t offset, uint32_t size, struct stretch *stretch)
{
    struct hooks *hooks = stretch->hooks;
    const struct access *access = foreseen(hooks, stretch->address + offset, size, 0);
    (void)engine;
    if (!access) {
        return hooks->read(stretch->address + offset, size);
    }
    return access->flags & DATA ? hooks->data[hooks->position++ / hooks->period] : (hooks->position++, access->value);
}

void mcukd_write(void *engine, uint64_t offset, uint32_t size, uint64_t value, struct stretch *stretch)
{
    struct hooks *hooks = stretch->hooks;
    const struct access *access = foreseen(hooks, stretch->address + offset, size, WRITE);
    (void)engine;
    if (!access || access->value != value) {
        hooks->write(stretch->address + offset, size, value);
        return;
    }
    hooks->position++;
    hooks->due = hooks->cycles + access->cycles;
}
