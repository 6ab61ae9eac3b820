// Exposes what Swift's Glibc module leaves out: long options, epoll, and signals and wake-ups
// as descriptors; and what Swift has no word for.
#pragma once

#include <features.h>

#include <getopt.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

// getopt's globals, which Swift does not let a program read: it cannot know that one thread
// alone uses them.

static inline void getopt_be_silent(void) { opterr = 0; }

static inline const char *getopt_argument(void) { return optarg; }

static inline int getopt_refused(void) { return optopt; }

static inline int getopt_position(void) { return optind; }

// Asks the processor to fetch memory that is to be read and written soon.
static inline void prefetch_memory(const void *memory) { __builtin_prefetch(memory, 1, 3); }
