// Counts requests for heap memory, whichever library makes them.
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H
#include <stdint.h>

/// Whether requests are seen at all: not in builds with a sanitizer that has the functions for itself.
int allocation_counter_sees(void);
/// Starts to count the calling thread's requests.
void allocation_counter_start(void);
/// Stops; how many there were since the start.
int64_t allocation_counter_stop(void);
/// Stops for a while; whether requests were being counted.
int allocation_counter_pause(void);
/// Goes on counting if `was_counting`.
void allocation_counter_resume(int was_counting);
#endif
