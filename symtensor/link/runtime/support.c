/* Threads of compiled programs, and the table a program calls. */
#define _GNU_SOURCE
#include "support.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORKERS = 255, SPIN_NS = 30000, OWNER_SPIN_NS = 200000, PIECES_PER_THREAD = 4, FEW_CPUS = 16 };

/* One job at a time: `owned` is held by the thread that posted it. A worker raises `inside` before it looks at `open`,
   the owner lowers `open` before it looks at `inside`: so no worker reads the fields of a job that is over. */
static struct {
    atomic_int owned, open, inside, sleepers;
    atomic_uint epoch;
    st_body body;
    void *context;
    int64_t n, piece;
    int helpers;                    /* workers that may join */
    _Atomic int64_t next;
    int workers;                    /* threads that exist */
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    int owner_waits;
#ifdef __linux__
    pthread_t threads[FEW_CPUS];
    int placed, away_from;          /* workers kept off the processor `away_from` */
#endif
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static st_runtime table = {ST_ABI, 0, st_alloc, st_release, st_parallel, st_gemm, st_gemv, st_factor,
                           st_triangle};
static pthread_once_t once = PTHREAD_ONCE_INIT;

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void take_pieces(void)
{
    int64_t n = pool.n, piece = pool.piece;
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&pool.next, piece, memory_order_relaxed);
        if (begin >= n) return;
        pool.body(pool.context, begin, begin + piece < n ? begin + piece : n);
    }
}

static unsigned wait_for_job(unsigned seen)
{
    int64_t start = now();
    for (int turn = 1;; turn++) {
        unsigned epoch = atomic_load(&pool.epoch);
        if (epoch != seen) return epoch;
        relax();
        if (turn % 32 == 0 && now() - start > SPIN_NS) break;
    }
    pthread_mutex_lock(&pool.mutex);
    atomic_fetch_add(&pool.sleepers, 1);
    while (atomic_load(&pool.epoch) == seen) pthread_cond_wait(&pool.wake, &pool.mutex);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.mutex);
    return atomic_load(&pool.epoch);
}

static void *work(void *argument)
{
    int index = (int)(intptr_t)argument;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_job(seen);
        atomic_fetch_add(&pool.inside, 1);
        if (atomic_load(&pool.open) && index < pool.helpers) take_pieces();
        if (atomic_fetch_sub(&pool.inside, 1) == 1 && !atomic_load(&pool.open)) {
            pthread_mutex_lock(&pool.mutex);
            if (pool.owner_waits) pthread_cond_signal(&pool.done);
            pthread_mutex_unlock(&pool.mutex);
        }
    }
    return NULL;
}

static void start_workers(int wanted)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  /* signals belong to the threads of the host program */
    while (pool.workers < wanted) {
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attributes, (size_t)4 << 20);
        int failed = pthread_create(&thread, &attributes, work, (void *)(intptr_t)pool.workers);
        pthread_attr_destroy(&attributes);
        if (failed) break;
#ifdef __linux__
        if (pool.workers < FEW_CPUS) pool.threads[pool.workers] = thread;
#endif
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Linux likes to wake a thread on the processor of the one that wakes it, where it waits while that one computes: where
   processors are few, workers are kept off the owner's. */
static void keep_off(int workers)
{
#ifdef __linux__
    int here = sched_getcpu();
    if (here < 0 || workers > FEW_CPUS || (here == pool.away_from && workers <= pool.placed)) return;
    cpu_set_t others;
    if (sched_getaffinity(0, sizeof others, &others)) return;
    CPU_CLR(here, &others);
    int count = CPU_COUNT(&others);
    if (count < workers || count >= FEW_CPUS) return;
    for (int i = 0; i < workers; i++) pthread_setaffinity_np(pool.threads[i], sizeof others, &others);
    pool.placed = workers;
    pool.away_from = here;
#else
    (void)workers;
#endif
}

/* After the owner has closed the job: until no worker is in it. */
static void wait_for_workers(void)
{
    int64_t start = now();
    for (int turn = 1; atomic_load(&pool.inside); turn++) {
        relax();
        if (turn % 32 == 0 && now() - start > OWNER_SPIN_NS) {
            pthread_mutex_lock(&pool.mutex);
            pool.owner_waits = 1;
            while (atomic_load(&pool.inside)) pthread_cond_wait(&pool.done, &pool.mutex);
            pool.owner_waits = 0;
            pthread_mutex_unlock(&pool.mutex);
            return;
        }
    }
}

/* Pieces start at multiples of `grain`. A call from inside a body, or while another thread has the pool, runs inline. */
void st_parallel(st_body body, void *context, int64_t n, int64_t grain)
{
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    int threads = st_thread_count();
    if (n <= grain || threads <= 1 || atomic_exchange(&pool.owned, 1)) {
        body(context, 0, n);
        return;
    }
    int64_t pieces = (n - 1) / grain + 1;
    int64_t wanted = (int64_t)threads * PIECES_PER_THREAD;
    int64_t grains = pieces > wanted ? (pieces - 1) / wanted + 1 : 1;
    int helpers = (int)(pieces < threads ? pieces - 1 : threads - 1);
    if (helpers > MAX_WORKERS) helpers = MAX_WORKERS;
    if (pool.workers < helpers) start_workers(helpers);
    keep_off(helpers < pool.workers ? helpers : pool.workers);
    pool.body = body;
    pool.context = context;
    pool.n = n;
    pool.piece = grains * grain;
    pool.helpers = helpers;
    atomic_store(&pool.next, 0);
    atomic_store(&pool.open, 1);
    atomic_fetch_add(&pool.epoch, 1);
    if (atomic_load(&pool.sleepers)) {
        pthread_mutex_lock(&pool.mutex);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.mutex);
    }
    take_pieces();
    atomic_store(&pool.open, 0);
    wait_for_workers();
    atomic_store(&pool.owned, 0);
}

/* The child of a fork has none of the threads: it starts over. */
static void in_child(void)
{
    memset(&pool, 0, sizeof pool);
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.done, NULL);
    st_memory_child();
}

static int usable_cpus(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

static void begin(void)
{
    pthread_atfork(NULL, NULL, in_child);
    if (!table.threads) table.threads = usable_cpus();
}

const st_runtime *st_runtime_table(void)
{
    pthread_once(&once, begin);
    return &table;
}

void st_set_threads(int32_t threads)
{
    __atomic_store_n(&table.threads, threads > 0 ? threads : usable_cpus(), __ATOMIC_RELAXED);
}

int32_t st_thread_count(void)
{
    return __atomic_load_n(&table.threads, __ATOMIC_RELAXED);
}
