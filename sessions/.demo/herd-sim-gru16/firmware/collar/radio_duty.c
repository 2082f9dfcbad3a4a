/* radio_duty.c - how much of any hour the tag may be on the air: when its last packets began. */
#include "radio_duty.h"

void radio_duty_start(radio_duty *duty, uint32_t now)
{
    for (uint32_t k = 0; k < RADIO_DUTY_SLOTS; k++) {
        duty->begun[k] = now;
    }
    duty->oldest = 0;
    duty->used = RADIO_DUTY_SLOTS;
}

uint32_t radio_duty_wait(radio_duty *duty, uint32_t now)
{
    const uint32_t window = RADIO_DUTY_WINDOW;

    while (duty->used != 0) {
        const uint32_t ago = now - duty->begun[duty->oldest];
        if (ago < window) {
            return duty->used < RADIO_DUTY_SLOTS ? 0u : window - ago;
        }
        duty->oldest = (uint8_t)((duty->oldest + 1u) % RADIO_DUTY_SLOTS);
        duty->used--;
    }
    return 0;
}

void radio_duty_note(radio_duty *duty, uint32_t now)
{
    duty->begun[(duty->oldest + (uint32_t)duty->used) % RADIO_DUTY_SLOTS] = now;
    duty->used++;
}
