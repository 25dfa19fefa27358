/* Shared by the pages of the Python extension. */
#ifndef SYMTENSOR_MODULE_H
#define SYMTENSOR_MODULE_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL symtensor_array_api
#ifndef SYMTENSOR_MODULE_MAIN
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>
#include <pthread.h>
#include "support.h"

_Static_assert(sizeof(npy_intp) == sizeof(int64_t), "64-bit platforms only");

/* What an array of the program is: dtype, rank, and for each dimension its size or -1. */
typedef struct {
    PyArray_Descr *descr;
    int typenum, ndim;
    npy_intp itemsize;
    npy_intp shape[ST_MAX_NDIM];
} Spec;

typedef struct {
    int n_inputs, n_outputs;
    Spec *inputs, *outputs;
} HostSpec;

typedef struct {
    PyObject_HEAD
    int (*entry)(st_call *);
    int n_inputs, n_given, n_outputs, n_hosts;   /* inputs: given by the caller, then constants */
    PyObject *constants;       /* tuple of arrays */
    Spec *inputs, *outputs;
    HostSpec *hosts;
    int *inplace;              /* for each output the input whose memory it takes, or -1 */
    PyObject *host, *keep, *code, *path;
    PyObject *Failure, *General;
} Program;

/* A readers-writer lock; the writer may acquire it again. */
typedef struct {
    PyObject_HEAD
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int readers, writers_waiting, depth;
    unsigned long owner;       /* thread that writes, while depth > 0 */
    unsigned generation;       /* of forks */
    PyObject *weakrefs;
} Lock;

/* The calls that a thread is in, innermost first: a nested call must not wait for locks its own thread holds. */
typedef struct Held {
    Lock **locks;
    const char *exclusive;
    int count;                 /* locks acquired */
    struct Held *outer;
} Held;

enum { TAKES_FLOATS = 1, TAKES_EXACT = 2, TAKES_WRITEABLE = 4 };

/* What `_setup` was told. A plan lives as long as its Caller: calls in flight may be using one that was exchanged. */
typedef struct Plan {
    Program *program;
    PyObject *containers, *storages;   /* tuples; the storages are the containers' lists */
    int n_args, n_shared, n_results, unpack;
    int *targets;                      /* for each output after the results the container it updates */
    Lock **locks;                      /* of the containers, in the order of acquiring, each once */
    char *exclusive;
    int n_locks;
    char *takes;                       /* for each explicit input: TAKES_FLOATS, ... */
    PyObject *names, *defaults;        /* tuple of the inputs' names (None: no keyword), list of values; or NULL */
    int *default_at;                   /* for each explicit input its place in `defaults` */
    char *written;                     /* for each container whether the program writes into its memory */
    int n_written;
    struct Plan *previous;
} Plan;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Plan *plan;
    PyObject *weakrefs;
    char trust_input;
} Caller;

PyObject *symtensor_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames);

typedef struct {
    PyTypeObject *Program, *Lock, *Caller;
} State;

extern struct PyModuleDef symtensor_runtime_module;
extern PyType_Spec symtensor_lock_spec, symtensor_program_spec, symtensor_caller_spec;
extern PyObject *symtensor_memory_handler;  /* NumPy's handle of our allocator: a constant after import */

int lock_acquire_all(Held *held, int count);    /* in order; on failure none is held; pushes `held` */
void lock_release_all(Held *held);

/* What a call that failed left. */
typedef struct {
    st_error error;
    st_steps steps;
} Report;

/* Run with the GIL released. results: new references, NULL for in-place outputs. Returns the status; with ST_PYTHON an
   exception is set (also for ST_MEMORY). */
int program_execute(Program *self, const st_input *inputs, PyObject **owners, PyObject **results, Report *report);
void program_constants(Program *self, st_input *inputs, PyObject **owners);  /* fill in the last inputs */
int program_usable(const Spec *spec, PyObject *value);    /* an ndarray that the program takes as it is */
PyArrayObject *program_ready(const Spec *spec, PyObject *value);  /* likewise, after a copy; NULL with TypeError */
PyObject *program_values(const Report *report);
#endif
