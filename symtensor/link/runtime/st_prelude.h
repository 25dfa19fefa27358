/* What emitted programs use besides the ABI: element types, failures, running a kernel. */
typedef uint8_t st_bool;
typedef float _Complex st_complex64;
typedef double _Complex st_complex128;
#ifdef __FLT16_MAX__
typedef _Float16 st_half;
#endif

/* Functions for rare arguments: the vectorizer calls them with whole vectors, and they look at one element after the other. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define ST_LANES static __attribute__((simd("notinbranch"), noinline, unused))
#define ST_CALLED ST_LANES /* called with whole vectors, to be compiled once instead of many times */
#else
#define ST_LANES static __attribute__((noinline, unused))
#define ST_CALLED static inline __attribute__((always_inline, unused))
#endif

/* Passes that take a fifth of the time and gain nothing on loops like ours. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-thread-jumps", "no-gcse", "no-tree-vrp", "no-tree-dominator-opts", "no-rerun-cse-after-loop", "no-tree-pta", "no-cse-follow-jumps")
#endif

/* A large program is compiled in units, side by side; ST_TU says which one this is. */
#ifdef ST_TU
#define ST_IN(unit) (ST_TU == (unit))
#define ST_LINKAGE __attribute__((noinline, visibility("hidden")))
#else
#define ST_IN(unit) 1
#define ST_LINKAGE static __attribute__((noinline))
#endif
#define ST_KERNEL ST_LINKAGE void
#define ST_PART ST_LINKAGE int
#define ST_UNUSED __attribute__((unused))
#ifdef __clang__
#define ST_LONG __attribute__((optnone))
#else
#define ST_LONG __attribute__((optimize("O0")))
#endif

/* The first failure wins; iterations on other threads may still run. */
ST_UNUSED static int st_fail(st_call *call, int32_t code, int32_t node, const int64_t *values)
{
    int32_t none = 0;
    if (__atomic_compare_exchange_n(&call->error.code, &none, code, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        call->error.node = node;
        for (int k = 0; k < ST_ERROR_VALUES; k++) call->error.values[k] = values[k];
    }
    return ST_FAILED;
}
/* Of a call that fails: loop `node` was in a step, counted from 0; -1: it did not run. */
ST_UNUSED static void st_in_step(st_call *call, int32_t node, int64_t step)
{
    st_steps *steps = &call->steps;
    if (step < 0 || steps->count >= ST_STEPS) return;
    steps->node[steps->count] = node;
    steps->step[steps->count++] = step;
}
#ifdef __cplusplus
struct st_values { int64_t list[ST_ERROR_VALUES]; };
#define ST_VALUES(...) (st_values{{__VA_ARGS__}}.list)
#else
#define ST_VALUES(...) (const int64_t[ST_ERROR_VALUES]){__VA_ARGS__}
#endif
#define FAIL(code, ...) do { st_fail(st_call_, (code), st_node, ST_VALUES(__VA_ARGS__)); return; } while (0)

ST_UNUSED static __attribute__((noinline)) void st_run(const st_runtime *rt, st_body body, const void *context, int64_t n, int64_t grain)
{
    if (n > grain && rt->threads > 1) rt->parallel(body, (void *)context, n, grain);
    else if (n > 0) body((void *)context, 0, n);
}

ST_UNUSED static inline int64_t st_least(int64_t a, int64_t b) { return a < b ? a : b; }
ST_UNUSED static inline int64_t st_most(int64_t a, int64_t b) { return a > b ? a : b; }
ST_UNUSED static inline int64_t st_blocks(int64_t n, int64_t size) { return n / size + (n % size != 0); }
/* rows of `width` elements that are worth `grain` elements */
ST_UNUSED static inline int64_t st_rows(int64_t grain, int64_t width) { return width < grain ? grain / st_most(width, 1) : 1; }
/* iterations worth `grain` elements, where n iterations touch `total` */
ST_UNUSED static inline int64_t st_grain(int64_t grain, int64_t n, int64_t total) { return st_rows(grain, total / st_most(n, 1)); }
/* elements of each of at most `parts` chunks, a multiple of `least` */
ST_UNUSED static inline int64_t st_chunk(int64_t n, int64_t least, int64_t parts) { return least * st_most(1, st_blocks(st_blocks(n, least), parts)); }

/* columns of a block: at most `most`, fewer where there are not enough for each thread; what a column gives does not depend on it */
ST_UNUSED static inline int64_t st_columns(int64_t n, int64_t most, int64_t threads) { return st_least(most, st_most(8, st_blocks(n, threads))); }

/* Calls that touch different memory share one parallel region: its iterations are their pieces of `grain`. */
typedef struct { st_body body; const void *context; int64_t n, grain; } st_job;
typedef struct { const st_job *jobs; int count; } st_jobs;
ST_UNUSED static void st_pieces(void *context, int64_t begin, int64_t end)
{
    const st_jobs *const all = (const st_jobs *)context;
    int64_t first = 0;
    for (int k = 0; k < all->count && first < end; k++) {
        const st_job *const job = all->jobs + k;
        const int64_t pieces = st_blocks(job->n, job->grain);
        const int64_t low = st_most(begin - first, 0), high = st_least(end - first, pieces);
        if (low < high) job->body((void *)job->context, low * job->grain, st_least(high * job->grain, job->n));
        first += pieces;
    }
}
ST_UNUSED static __attribute__((noinline)) void st_together(const st_runtime *rt, const st_job *jobs, int count)
{
    int64_t pieces = 0, work = 0;
    for (int k = 0; k < count; k++) {
        pieces += st_blocks(jobs[k].n, jobs[k].grain);
        work += st_least(16 * st_blocks(jobs[k].n, jobs[k].grain), st_blocks(16 * jobs[k].n, jobs[k].grain));
    }
    st_jobs all = {jobs, count};
    if (work > 16 && rt->threads > 1) rt->parallel(st_pieces, &all, pieces, 1);
    else if (pieces > 0) st_pieces(&all, 0, pieces);
}

/* Sizes in bytes that saturate instead of wrapping: asking for that much memory fails cleanly. */
#define ST_TOO_MUCH ((int64_t)1 << 60)
ST_UNUSED static inline int64_t st_times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > ST_TOO_MUCH ? ST_TOO_MUCH : product;
}
ST_UNUSED static inline int64_t st_slot(int64_t at, int64_t bytes) { return st_least(at + ((bytes + 63) & ~(int64_t)63), ST_TOO_MUCH); }
ST_UNUSED static void *st_take(const st_runtime *rt, int64_t bytes)
{
    return bytes >= ST_TOO_MUCH ? NULL : rt->alloc(bytes > 0 ? (size_t)bytes : 1);
}
