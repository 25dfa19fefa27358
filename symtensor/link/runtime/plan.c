/* The base class of compiled functions, and what its `_setup` prepares for the calls. */
#include "module.h"

static State *state_of(PyObject *self)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &symtensor_runtime_module);
    return module ? PyModule_GetState(module) : NULL;
}

static void free_plan(Plan *plan)
{
    for (int i = 0; plan->locks && i < plan->n_locks; i++) Py_XDECREF(plan->locks[i]);
    Py_XDECREF(plan->program);
    Py_XDECREF(plan->containers);
    Py_XDECREF(plan->storages);
    PyMem_Free(plan->targets);
    PyMem_Free(plan->locks);
    PyMem_Free(plan->exclusive);
    PyMem_Free(plan->takes);
    PyMem_Free(plan->default_at);
    Py_XDECREF(plan->names);
    Py_XDECREF(plan->defaults);
    PyMem_Free(plan->written);
    PyMem_Free(plan);
}

/* The container's lock, of our kind: whoever holds the old one is waited for. */
static Lock *lock_of(PyObject *container, PyTypeObject *type)
{
    PyObject *old = PyObject_GetAttrString(container, "lock");
    if (!old || Py_TYPE(old) == type) return (Lock *)old;
    PyObject *fresh = NULL, *done = PyObject_CallMethod(old, "acquire", NULL);
    if (done) {
        PyObject *current = PyObject_GetAttrString(container, "lock");
        if (current && Py_TYPE(current) == type) fresh = Py_NewRef(current);
        else if (current) fresh = PyObject_CallNoArgs((PyObject *)type);
        if (fresh && fresh != current && PyObject_SetAttrString(container, "lock", fresh) < 0) Py_CLEAR(fresh);
        Py_XDECREF(current);
        Py_DECREF(done);
        done = PyObject_CallMethod(old, "release", NULL);
        if (!done) Py_CLEAR(fresh);
        Py_XDECREF(done);
    }
    Py_DECREF(old);
    return (Lock *)fresh;
}

static int add_lock(Plan *plan, Lock *lock, int exclusive)
{
    int at = 0;
    while (at < plan->n_locks && (uintptr_t)plan->locks[at] < (uintptr_t)lock) at++;
    if (at < plan->n_locks && plan->locks[at] == lock) {
        plan->exclusive[at] |= (char)exclusive;
        Py_DECREF(lock);
        return 0;
    }
    size_t rest = (size_t)(plan->n_locks - at);
    memmove(plan->locks + at + 1, plan->locks + at, rest * sizeof *plan->locks);
    memmove(plan->exclusive + at + 1, plan->exclusive + at, rest);
    plan->locks[at] = lock;
    plan->exclusive[at] = (char)exclusive;
    plan->n_locks++;
    return 0;
}

static int fill_containers(Plan *plan, PyTypeObject *lock_type)
{
    for (int i = 0; i < plan->n_shared; i++) {
        PyObject *container = PyTuple_GET_ITEM(plan->containers, i);
        PyObject *storage = PyObject_GetAttrString(container, "storage");
        if (!storage) return -1;
        PyTuple_SET_ITEM(plan->storages, i, storage);
        if (!PyList_CheckExact(storage) || PyList_GET_SIZE(storage) != 1) {
            PyErr_SetString(PyExc_TypeError, "a container's storage must be a list of one value");
            return -1;
        }
        int exclusive = 0;
        for (int k = plan->n_results; k < plan->program->n_outputs; k++)
            if (plan->targets[k - plan->n_results] == i) exclusive = 1;
        for (int k = 0; k < plan->program->n_outputs; k++)
            if (plan->program->inplace[k] == plan->n_args + i) exclusive = plan->written[i] = 1;
        plan->n_written += plan->written[i];
        Lock *lock = lock_of(container, lock_type);
        if (!lock || add_lock(plan, lock, exclusive) < 0) return -1;
    }
    return 0;
}

static int fill_targets(Plan *plan, PyObject *targets)
{
    for (int k = 0; k < PyTuple_GET_SIZE(targets); k++) {
        long target = PyLong_AsLong(PyTuple_GET_ITEM(targets, k));
        if (target == -1 && PyErr_Occurred()) return -1;
        int from = plan->program->inplace[plan->n_results + k];
        if (target < 0 || target >= plan->n_shared || (from >= 0 && from != plan->n_args + target)) {
            PyErr_Format(PyExc_ValueError, "update %d cannot go to container %ld of %d", k, target, plan->n_shared);
            return -1;
        }
        plan->targets[k] = (int)target;
    }
    return 0;
}

static int fill_takes(Plan *plan, PyObject *takes)
{
    for (int i = 0; i < plan->n_args; i++) {
        long flags = plan->program->inputs[i].typenum == NPY_DOUBLE ? TAKES_FLOATS : 0;
        if (takes != Py_None) {
            PyObject *item = PySequence_GetItem(takes, i);
            flags = item ? PyLong_AsLong(item) : -1;
            Py_XDECREF(item);
            if (flags == -1 && PyErr_Occurred()) return -1;
        }
        plan->takes[i] = (char)flags;
    }
    return 0;
}

/* names: None, or (names, list of defaults, the place in it of each input). */
static int fill_names(Plan *plan, PyObject *names)
{
    PyObject *places;
    if (names == Py_None) return 0;
    if (!PyArg_ParseTuple(names, "O!O!O!", &PyTuple_Type, &plan->names, &PyList_Type, &plan->defaults, &PyTuple_Type,
                          &places)) {
        plan->names = plan->defaults = NULL;
        return -1;
    }
    Py_INCREF(plan->names);
    Py_INCREF(plan->defaults);
    if (PyTuple_GET_SIZE(plan->names) != plan->n_args || PyTuple_GET_SIZE(places) != plan->n_args) {
        PyErr_Format(PyExc_ValueError, "%zd names for %d inputs", PyTuple_GET_SIZE(plan->names), plan->n_args);
        return -1;
    }
    for (int i = 0; i < plan->n_args; i++) {
        plan->default_at[i] = (int)PyLong_AsLong(PyTuple_GET_ITEM(places, i));
        if (PyErr_Occurred()) return -1;
    }
    return 0;
}

static int fill(Plan *plan, PyObject *targets, PyObject *takes, PyObject *names, PyTypeObject *lock_type)
{
    Program *program = plan->program;
    plan->n_shared = (int)PyTuple_GET_SIZE(plan->containers);
    plan->n_args = program->n_given - plan->n_shared;
    plan->n_results = program->n_outputs - (int)PyTuple_GET_SIZE(targets);
    if (plan->n_args < 0 || plan->n_results < 0 || plan->unpack < 0 || plan->unpack > 3
        || (plan->unpack == 1 && plan->n_results != 1) || (plan->unpack == 2 && plan->n_results)) {
        PyErr_Format(PyExc_ValueError, "a program of %d inputs and %d outputs does not fit %d containers, %zd targets, "
                     "unpack=%d", program->n_given, program->n_outputs, plan->n_shared, PyTuple_GET_SIZE(targets),
                     plan->unpack);
        return -1;
    }
    for (int k = 0; k < plan->n_results; k++)
        if (program->inplace[k] >= 0) {
            PyErr_SetString(PyExc_ValueError, "a result cannot be in place");
            return -1;
        }
    plan->targets = PyMem_Calloc((size_t)PyTuple_GET_SIZE(targets) + 1, sizeof(int));
    plan->locks = PyMem_Calloc((size_t)plan->n_shared + 1, sizeof(Lock *));
    plan->exclusive = PyMem_Calloc((size_t)plan->n_shared + 1, 1);
    plan->written = PyMem_Calloc((size_t)plan->n_shared + 1, 1);
    plan->takes = PyMem_Calloc((size_t)plan->n_args + 1, 1);
    plan->default_at = PyMem_Calloc((size_t)plan->n_args + 1, sizeof(int));
    plan->storages = PyTuple_New(plan->n_shared);
    if (!plan->targets || !plan->locks || !plan->exclusive || !plan->written || !plan->takes || !plan->default_at
        || !plan->storages) {
        if (!PyErr_Occurred()) PyErr_NoMemory();
        return -1;
    }
    return fill_targets(plan, targets) < 0 || fill_containers(plan, lock_type) < 0
           || fill_takes(plan, takes) < 0 || fill_names(plan, names) < 0 ? -1 : 0;
}

static PyObject *caller_setup(Caller *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"program", "containers", "targets", "unpack", "takes", "names", NULL};
    PyObject *program, *containers = NULL, *targets = NULL, *takes = Py_None, *by_name = Py_None;
    int unpack = 0;
    State *state = state_of((PyObject *)self);
    if (!state) return NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|OOiOO:_setup", names, state->Program, &program, &containers,
                                     &targets, &unpack, &takes, &by_name))
        return NULL;
    Plan *plan = PyMem_Calloc(1, sizeof(Plan));
    if (!plan) return PyErr_NoMemory();
    plan->program = (Program *)Py_NewRef(program);
    plan->unpack = unpack;
    plan->containers = containers ? PySequence_Tuple(containers) : PyTuple_New(0);
    PyObject *where = targets ? PySequence_Tuple(targets) : PyTuple_New(0);
    if (!plan->containers || !where || fill(plan, where, takes, by_name, state->Lock) < 0) {
        Py_XDECREF(where);
        free_plan(plan);
        return NULL;
    }
    Py_DECREF(where);
    plan->previous = self->plan;
    __atomic_store_n(&self->plan, plan, __ATOMIC_RELEASE);
    Py_RETURN_NONE;
}

static PyObject *caller_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Caller *self = (Caller *)type->tp_alloc(type, 0);
    if (self) self->vectorcall = symtensor_call;
    return (PyObject *)self;
}

static int caller_init(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    return 0;
}

static int caller_traverse(Caller *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    for (Plan *plan = self->plan; plan; plan = plan->previous) {
        Py_VISIT(plan->program);
        Py_VISIT(plan->containers);
        Py_VISIT(plan->storages);
        Py_VISIT(plan->defaults);
    }
    return 0;
}

static int caller_clear(Caller *self)
{
    Plan *plan = self->plan;
    self->plan = NULL;
    while (plan) {
        Plan *previous = plan->previous;
        free_plan(plan);
        plan = previous;
    }
    return 0;
}

static void caller_dealloc(Caller *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) PyObject_ClearWeakRefs((PyObject *)self);
    caller_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *get_program(Caller *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->plan ? (PyObject *)self->plan->program : Py_None);
}

static PyMethodDef methods[] = {
    {"_setup", (PyCFunction)(void (*)(void))caller_setup, METH_VARARGS | METH_KEYWORDS,
     "_setup(program, containers=(), targets=(), unpack=0, takes=None, names=None): see symtensor.link.execute."},
    {NULL},
};

static PyGetSetDef properties[] = {
    {"program", (getter)get_program, NULL, "The program that calls run, or None.", NULL},
    {NULL},
};

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Caller, vectorcall), READONLY},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Caller, weakrefs), READONLY},
    {"trust_input", T_BOOL, offsetof(Caller, trust_input), 0, "Whether arguments are known to fit."},
    {NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What compiled functions derive from; see symtensor.link.execute."},
    {Py_tp_new, caller_new},
    {Py_tp_init, caller_init},
    {Py_tp_dealloc, caller_dealloc},
    {Py_tp_traverse, caller_traverse},
    {Py_tp_clear, caller_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec symtensor_caller_spec = {
    "symtensor.link.runtime._runtime.Caller", sizeof(Caller), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL, slots};
