/* Locks of shared variables: many readers or one writer. As a Python object a Lock is exclusive and re-entrant, with
   the methods of threading.RLock; calls of compiled functions also take it shared. */
#include "module.h"
#include <stdatomic.h>

static _Thread_local Held *innermost;
static atomic_uint generation = 1;

static void in_child(void)
{
    atomic_fetch_add(&generation, 1);
}

/* After a fork the other threads are gone, and with them whatever they held. */
static void renew(Lock *self)
{
    unsigned current = atomic_load_explicit(&generation, memory_order_relaxed);
    if (self->generation == current) return;
    int mine = self->depth > 0 && self->owner == PyThread_get_thread_ident();
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->readers = self->writers_waiting = 0;
    if (!mine) self->depth = 0;
    self->generation = current;
    for (Held *held = innermost; held; held = held->outer)
        for (int i = 0; i < held->count; i++)
            if (held->locks[i] == self && !held->exclusive[i]) self->readers++;
}

/* Whether this thread's outer calls hold the lock: 0 no, 1 shared, 2 exclusive. */
static int held_by_me(Lock *self)
{
    int found = 0;
    for (Held *held = innermost; held; held = held->outer)
        for (int i = 0; i < held->count; i++)
            if (held->locks[i] == self) found = held->exclusive[i] ? 2 : found ? found : 1;
    return found;
}

static int wait_for(Lock *self, int write, unsigned long me, const struct timespec *until)
{
    int late = 0;
    if (write) self->writers_waiting++;
    while (!late && (self->depth || (write ? self->readers : self->writers_waiting)))
        late = until ? pthread_cond_timedwait(&self->changed, &self->mutex, until) != 0
                     : pthread_cond_wait(&self->changed, &self->mutex) != 0;
    late = late && (self->depth || (write && self->readers));
    if (write) self->writers_waiting--;
    if (late) {
        pthread_cond_broadcast(&self->changed);
        return 0;
    }
    if (write) {
        self->owner = me;
        self->depth = 1;
    } else {
        self->readers++;
    }
    return 1;
}

enum { SHARED, CALL, OBJECT };  /* how: shared, exclusive by a function call, exclusive by Python code */

/* 1: acquired; 0: not in time; -1: exception. `until` NULL: wait for ever. */
static int acquire(Lock *self, int how, int blocking, const struct timespec *until)
{
    unsigned long me = PyThread_get_thread_ident();
    int done = 1, write = how != SHARED;
    renew(self);
    pthread_mutex_lock(&self->mutex);  /* held for instants only, or by waiters that give it back */
    if (self->depth && self->owner == me) {
        self->depth++;  /* a read by the writer counts as another write */
    } else if (!self->depth && !write && (!self->writers_waiting || (innermost && held_by_me(self)))) {
        self->readers++;
    } else if (!self->depth && write && !self->readers) {
        self->owner = me;
        self->depth = 1;
    } else if (write && innermost && held_by_me(self) == 1) {
        if (how == CALL) done = -1;
        else self->readers++;  /* replacing the value is harmless: the calls hold the old one */
    } else if (!blocking) {
        done = 0;
    } else {
        pthread_mutex_unlock(&self->mutex);
        Py_BEGIN_ALLOW_THREADS
        pthread_mutex_lock(&self->mutex);
        done = wait_for(self, write, me, until);
        pthread_mutex_unlock(&self->mutex);
        Py_END_ALLOW_THREADS
        return done;
    }
    pthread_mutex_unlock(&self->mutex);
    if (done < 0)
        PyErr_SetString(PyExc_RuntimeError, "a shared variable cannot be changed from inside a call of a function "
                                            "that is reading it; change it after the call has returned");
    return done;
}

/* A shared hold by the thread that has the lock exclusively was counted in depth. */
static int release(Lock *self, int how)
{
    renew(self);
    int fine = 1;
    pthread_mutex_lock(&self->mutex);
    if (self->depth && self->owner == PyThread_get_thread_ident()) {
        self->depth--;
    } else if (self->readers && (how == SHARED || (how == OBJECT && held_by_me(self)))) {
        self->readers--;
    } else {
        fine = 0;
    }
    if (fine && !self->depth && !self->readers) pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    return fine;
}

static int take(Held *held, int index, int blocking)
{
    return acquire(held->locks[index], held->exclusive[index] ? CALL : SHARED, blocking, NULL);
}

/* Waits only while it holds none of them: callers that already hold locks, in whatever order, are not deadlocked. */
int lock_acquire_all(Held *held, int count)
{
    held->outer = innermost;
    held->count = 0;
    for (int first = 0, done = 0; !done;) {
        if (take(held, first, 1) < 0) return -1;
        int next = 0, got = 1;
        while (next < count && (next == first || (got = take(held, next, 0)) == 1)) next++;
        done = next == count;
        if (done) break;
        for (int i = 0; i < next; i++)
            if (i != first) release(held->locks[i], held->exclusive[i]);
        release(held->locks[first], held->exclusive[first]);
        if (got < 0) return -1;
        first = next;
    }
    held->count = count;
    innermost = held;
    return 0;
}

void lock_release_all(Held *held)
{
    innermost = held->outer;
    for (int i = held->count; i--;) release(held->locks[i], held->exclusive[i]);
}

static PyObject *lock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Lock", names)) return NULL;
    Lock *self = (Lock *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->generation = atomic_load(&generation);
    return (PyObject *)self;
}

static void lock_dealloc(Lock *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *lock_acquire(Lock *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"blocking", "timeout", NULL};
    int blocking = 1;
    double timeout = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|pd:acquire", names, &blocking, &timeout)) return NULL;
    struct timespec until;
    if (blocking && timeout >= 0) {
        clock_gettime(CLOCK_REALTIME, &until);
        double whole = timeout < 1e9 ? timeout : 1e9;
        until.tv_sec += (time_t)whole;
        until.tv_nsec += (long)((whole - (double)(time_t)whole) * 1e9);
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
    }
    int done = acquire(self, OBJECT, blocking, timeout >= 0 ? &until : NULL);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *lock_release(Lock *self, PyObject *Py_UNUSED(none))
{
    if (!release(self, OBJECT)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release a lock that this thread has not acquired");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *lock_enter(Lock *self, PyObject *Py_UNUSED(none))
{
    return acquire(self, OBJECT, 1, NULL) < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *lock_exit(Lock *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(n))
{
    return lock_release(self, NULL);
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire, METH_VARARGS | METH_KEYWORDS,
     "acquire(blocking=True, timeout=-1) -> bool: take the lock for this thread alone; again if it has it."},
    {"release", (PyCFunction)lock_release, METH_NOARGS, "Undo one acquire; RuntimeError where there was none."},
    {"__enter__", (PyCFunction)lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Lock, weakrefs), READONLY},
    {"readers", T_INT, offsetof(Lock, readers), READONLY, "Calls that are reading."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A shared variable's lock: many readers (function calls), or one writer, which may acquire it again."},
    {Py_tp_new, lock_new},
    {Py_tp_dealloc, lock_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec symtensor_lock_spec = {
    "symtensor.link.runtime._runtime.Lock", sizeof(Lock), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

void symtensor_lock_at_import(void);
void symtensor_lock_at_import(void)
{
    pthread_atfork(NULL, NULL, in_child);
}
