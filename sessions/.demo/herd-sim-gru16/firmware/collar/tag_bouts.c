/* tag_bouts.c - uninterrupted runs of one class. */
#include "tag_bouts.h"

void tag_bouts_reset(tag_bout *bout)
{
    bout->length = 0;
}

int tag_bouts_result(tag_bout *bout, uint32_t class_found, uint32_t seconds, tag_bout *ended, uint32_t *why)
{
    const int same = bout->length != 0 && bout->class_found == class_found;
    if (same && bout->length != UINT32_MAX) {
        bout->length++;
        return 0;
    }
    *why = same ? TAG_BOUT_FULL : TAG_BOUT_CHANGED;
    const int ends = tag_bouts_end(bout, ended);
    bout->start = seconds;
    bout->class_found = class_found;
    bout->length = 1;
    return ends;
}

int tag_bouts_end(tag_bout *bout, tag_bout *ended)
{
    if (bout->length == 0) {
        return 0;
    }
    *ended = *bout;
    bout->length = 0;
    return 1;
}
