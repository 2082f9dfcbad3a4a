/* tag_bouts.h - uninterrupted runs of one class. */
#ifndef TAG_BOUTS_H
#define TAG_BOUTS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why a bout ended. */
enum {
    TAG_BOUT_CHANGED = 0, /* another class followed */
    TAG_BOUT_GAP = 1, /* samples were lost: how long it went on is not known */
    TAG_BOUT_FULL = 2, /* its length cannot count further; the next bout continues it */
    TAG_BOUT_STOPPED = 3 /* the tag stopped */
};

typedef struct {
    uint32_t start; /* seconds of the clock at its first result */
    uint32_t class_found;
    uint32_t length; /* in results; 0: none is under way */
} tag_bout;

/* Forget the bout under way. */
void tag_bouts_reset(tag_bout *bout);

/* Take a result. Where it ends the bout under way, copy that to `ended`, set why and return 1. */
int tag_bouts_result(tag_bout *bout, uint32_t class_found, uint32_t seconds, tag_bout *ended, uint32_t *why);

/* End the bout under way, at a gap or where the tag stops; copy it to `ended` and return 1 where there is one. */
int tag_bouts_end(tag_bout *bout, tag_bout *ended);

#ifdef __cplusplus
}
#endif

#endif
