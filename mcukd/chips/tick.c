/* tick.c - counts the instructions of a modelled chip, block by block, for mcukd/chips/tick.py. */
#include <stdint.h>

struct tick {
    uint64_t cycles, limit;          /* now, and when the core has to stop and look */
    uint64_t address, size, stopped; /* of the block that is executed; whether the core was stopped */
    const uint32_t *counts;          /* by address / 2: size of a block << 16 | its instructions; 0: not known */
    uint64_t places;
    int (*stop)(void *engine);
    uint32_t (*attend)(uint64_t address, uint32_t size); /* a new block, or one that needs attention */
};

void mcukd_tick(void *engine, uint64_t address, uint32_t size, struct tick *tick)
{
    if (tick->cycles >= tick->limit) {
        tick->stopped = 1;
        (void)tick->stop(engine);
        return;
    }
    const uint64_t place = address >> 1;
    const uint32_t known = place < tick->places ? tick->counts[place] : 0;
    const uint32_t count = known >> 16 == size && size != 0 ? known & 0xFFFFu : tick->attend(address, size);
    tick->address = address;
    tick->size = size;
    tick->cycles += count;
}
