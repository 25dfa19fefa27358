/* Memory for results and temporaries: 64-byte aligned blocks in size classes, kept for reuse when they come back, so
   that a loop of calls makes neither system calls nor page faults. Small classes (to 4 KiB) keep up to 1 MiB each;
   the others share one limit, beyond which blocks go back to the system. */
#define _GNU_SOURCE
#include "support.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LINE = 64,
    SMALL_CLASSES = 16,            /* 64, 128 ... 1024 */
    STEPS = 8,                     /* classes per power of two above */
    CLASSES = SMALL_CLASSES + STEPS * 38,
    SMALL = 4096,
    SMALL_KEPT = 1 << 20,
    BIG = 1 << 20,                 /* mapped directly from here on */
    HUGE_PAGE = 2 << 20,
    COLOURS = 16
};

/* Lies in the cache line before the data. */
typedef struct block {
    struct block *next;
    void *raw;                     /* what the system gave */
    size_t raw_bytes;              /* of a mapping, else 0 */
    size_t bytes;                  /* usable */
    int32_t class;
    uint32_t mark;
} block;

typedef struct {
    atomic_flag busy;
    block *first;
    size_t kept;                   /* bytes, of small classes */
    char pad[LINE - sizeof(atomic_flag) - 2 * sizeof(void *)];
} bin;

static const uint32_t LIVE = 0x53594d54, FREE = 0x46524545;
static bin bins[CLASSES];
static atomic_llong kept_bytes;
static atomic_size_t kept_limit;
static atomic_uint colour;
static atomic_int watched;              /* whether the bytes in use are counted */
static atomic_llong in_use, most_in_use;

static void lock(bin *b)
{
    for (int tries = 0; atomic_flag_test_and_set_explicit(&b->busy, memory_order_acquire); tries++)
        if (tries >= 64) sched_yield();
}

static void unlock(bin *b)
{
    atomic_flag_clear_explicit(&b->busy, memory_order_release);
}

/* Class of a size, and the size of the class. */
static int class_of(size_t bytes, size_t *rounded)
{
    if (bytes <= LINE * SMALL_CLASSES) {
        int class = bytes ? (int)((bytes - 1) / LINE) : 0;
        *rounded = (size_t)(class + 1) * LINE;
        return class;
    }
    int top = 63 - __builtin_clzll((unsigned long long)(bytes - 1));
    size_t step = (size_t)1 << (top - 3);
    size_t sub = (bytes - 1 - ((size_t)1 << top)) / step;
    *rounded = ((size_t)1 << top) + (sub + 1) * step;
    return SMALL_CLASSES + (top - 10) * STEPS + (int)sub;
}

static block *from_system(size_t bytes)
{
    block *made;
    if (bytes < BIG) {
        void *raw;
        if (posix_memalign(&raw, LINE, bytes + LINE)) return NULL;
        made = raw;
        made->raw = raw;
        made->raw_bytes = 0;
        return made;
    }
    /* Arrays that start at the same offset in a page slow each other down (loads wait for stores 4 KiB apart): the
       offsets take turns. */
    size_t offset = LINE * (1 + 3 * (atomic_fetch_add_explicit(&colour, 1, memory_order_relaxed) % COLOURS));
    size_t size = (bytes + offset + 4095) & ~(size_t)4095;
    size_t spare = bytes >= 2 * (size_t)HUGE_PAGE ? HUGE_PAGE : 0;
    char *raw = mmap(NULL, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    char *start = raw;
    if (spare) {
        start = (char *)(((uintptr_t)raw + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
#ifdef MADV_HUGEPAGE
        madvise(start, size, MADV_HUGEPAGE);
#endif
    }
    made = (block *)(start + offset - LINE);
    made->raw = raw;
    made->raw_bytes = size + spare;
    return made;
}

static void to_system(block *b)
{
    if (b->raw_bytes)
        munmap(b->raw, b->raw_bytes);
    else
        free(b->raw);
}

static void count(long long bytes)
{
    long long now = atomic_fetch_add(&in_use, bytes) + bytes, most = atomic_load(&most_in_use);
    while (now > most && !atomic_compare_exchange_weak(&most_in_use, &most, now)) {}
}

int64_t st_memory_watch(int on)
{
    atomic_store(&watched, on);
    if (!on) return atomic_load(&most_in_use);
    atomic_store(&in_use, 0);
    atomic_store(&most_in_use, 0);
    return 0;
}

void *st_alloc(size_t bytes)
{
    if (bytes > (size_t)1 << 46) return NULL;
    size_t rounded;
    int class = class_of(bytes, &rounded);
    bin *b = &bins[class];
    lock(b);
    block *found = b->first;
    if (found) {
        b->first = found->next;
        if (rounded <= SMALL) b->kept -= rounded;
    }
    unlock(b);
    if (found) {
        if (rounded > SMALL) atomic_fetch_sub_explicit(&kept_bytes, (long long)rounded, memory_order_relaxed);
    } else {
        found = from_system(rounded);
        if (!found) {
            st_memory_trim();
            found = from_system(rounded);
            if (!found) return NULL;
        }
        found->class = class;
        found->bytes = rounded;
    }
    found->mark = LIVE;
    if (atomic_load_explicit(&watched, memory_order_relaxed)) count((long long)found->bytes);
    return (char *)found + LINE;
}

static size_t limit(void)
{
    size_t bytes = atomic_load_explicit(&kept_limit, memory_order_relaxed);
    if (!bytes) {
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        bytes = pages > 0 && page > 0 ? (size_t)pages / 8 * (size_t)page : (size_t)256 << 20;
        atomic_store_explicit(&kept_limit, bytes, memory_order_relaxed);
    }
    return bytes;
}

void st_release(void *data)
{
    if (!data) return;
    block *old = (block *)((char *)data - LINE);
    if (old->mark != LIVE) abort();  /* released twice, or memory overrun: going on would corrupt results */
    old->mark = FREE;
    bin *b = &bins[old->class];
    size_t bytes = old->bytes;
    if (atomic_load_explicit(&watched, memory_order_relaxed)) count(-(long long)bytes);
    if (bytes > SMALL) {
        long long kept = atomic_fetch_add_explicit(&kept_bytes, (long long)bytes, memory_order_relaxed);
        if ((size_t)(kept < 0 ? 0 : kept) + bytes > limit()) {
            atomic_fetch_sub_explicit(&kept_bytes, (long long)bytes, memory_order_relaxed);
            to_system(old);
            return;
        }
    }
    lock(b);
    if (bytes <= SMALL && b->kept + bytes > SMALL_KEPT) {
        unlock(b);
        to_system(old);
        return;
    }
    if (bytes <= SMALL) b->kept += bytes;
    old->next = b->first;
    b->first = old;
    unlock(b);
}

void *st_resize(void *data, size_t bytes)
{
    if (!data) return st_alloc(bytes);
    block *old = (block *)((char *)data - LINE);
    if (bytes <= old->bytes) return data;
    void *fresh = st_alloc(bytes);
    if (fresh) {
        memcpy(fresh, data, old->bytes);
        st_release(data);
    }
    return fresh;
}

void st_memory_limit(size_t bytes)
{
    atomic_store_explicit(&kept_limit, bytes ? bytes : 1, memory_order_relaxed);
}

int64_t st_memory_cached(void)
{
    return atomic_load_explicit(&kept_bytes, memory_order_relaxed);
}

void st_memory_trim(void)
{
    for (int class = 0; class < CLASSES; class++) {
        bin *b = &bins[class];
        lock(b);
        block *all = b->first;
        b->first = NULL;
        b->kept = 0;
        unlock(b);
        while (all) {
            block *next = all->next;
            if (all->bytes > SMALL)
                atomic_fetch_sub_explicit(&kept_bytes, (long long)all->bytes, memory_order_relaxed);
            to_system(all);
            all = next;
        }
    }
}

/* Threads that held a bin at the fork do not exist in the child; the lists are whole at every instant. */
void st_memory_child(void)
{
    for (int class = 0; class < CLASSES; class++) atomic_flag_clear(&bins[class].busy);
}

/* Temporaries of one call. The next-pointer of the block's header is free while the block is in use: it chains them. */
char *st_arena(st_call *call, size_t bytes)
{
    st_frame *frame = (st_frame *)call;
    char *data = st_alloc(bytes);
    if (!data) return NULL;
    ((block *)(data - LINE))->next = frame->arenas;
    frame->arenas = data - LINE;
    return data;
}

void st_arena_release(st_frame *frame)
{
    block *b = frame->arenas;
    frame->arenas = NULL;
    while (b) {
        block *next = b->next;
        st_release((char *)b + LINE);
        b = next;
    }
}
