/* The call of compiled functions: it checks and converts arguments, locks the shared variables, runs the
   program, wraps the results and commits the updates. See symtensor/link/execute.py for the methods of subclasses. */
#include "module.h"

typedef union {
    double f64;
    float f32;
    npy_half f16;
    int64_t integer;
    char bytes[32];                /* any NumPy scalar of ours */
} Slot;

/* What one call works on. `owners` are new references (NULL: the argument itself is used, or a slot). */
typedef struct {
    st_input *inputs;
    PyObject **owners, **results;
    Slot *slots;
    Held held;
} Work;

/* -- arguments --------------------------------------------------------------------------------------------- */

static int python_number(const Plan *plan, int index, PyObject *value, Slot *slot)
{
    const Spec *spec = &plan->program->inputs[index];
    if (PyFloat_CheckExact(value)) {
        if (!(plan->takes[index] & TAKES_FLOATS)) return 0;
        double number = PyFloat_AS_DOUBLE(value);
        if (spec->typenum == NPY_DOUBLE) slot->f64 = number;
        else if (spec->typenum == NPY_FLOAT) slot->f32 = (float)number;
        else return 0;
        return 1;
    }
    if (PyLong_CheckExact(value)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow) return 0;
        if (spec->typenum == NPY_INT64 || spec->typenum == NPY_LONGLONG) slot->integer = number;
        else if (spec->typenum == NPY_DOUBLE && number <= (1LL << 53) && number >= -(1LL << 53)) slot->f64 = (double)number;
        else return 0;
        return 1;
    }
    if (Py_TYPE(value) == spec->descr->typeobj) {
        PyArray_ScalarAsCtype(value, slot);
        return 1;
    }
    return 0;
}

static int take_argument(Caller *self, const Plan *plan, int index, PyObject *value, Work *work)
{
    const Spec *spec = &plan->program->inputs[index];
    PyArrayObject *array = (PyArrayObject *)value;
    int takes = self->trust_input ? 0 : plan->takes[index] & (TAKES_EXACT | TAKES_WRITEABLE);
    work->owners[index] = NULL;
    if (!program_usable(spec, value) || ((takes & TAKES_WRITEABLE) && !PyArray_ISWRITEABLE(array))) {
        if (!takes && spec->ndim == 0 && python_number(plan, index, value, &work->slots[index])) {
            work->inputs[index] = (st_input){work->slots[index].bytes, NULL};
            return 0;
        }
        PyObject *converted = Py_NewRef(value);
        int fits = !takes && PyArray_CheckExact(value) && PyArray_NDIM(array) == spec->ndim
                   && PyArray_EquivTypenums(PyArray_TYPE(array), spec->typenum);
        for (int axis = 0; fits && axis < spec->ndim; axis++)
            fits = spec->shape[axis] < 0 || spec->shape[axis] == PyArray_DIM(array, axis);
        if (!fits) {  /* the subclass converts, or words the error */
            PyObject *position = PyLong_FromLong(index);
            PyObject *arguments[] = {NULL, (PyObject *)self, position, value};
            Py_DECREF(converted);
            PyObject *name = PyUnicode_InternFromString("_convert");
            converted = position && name ? PyObject_VectorcallMethod(name, arguments + 1,
                                               3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL) : NULL;
            Py_XDECREF(name);
            Py_XDECREF(position);
            if (!converted) return -1;
        }
        array = program_ready(spec, converted);
        Py_DECREF(converted);
        if (!array) return -1;
        work->owners[index] = (PyObject *)array;
    }
    work->inputs[index] = (st_input){PyArray_BYTES(array), (const int64_t *)PyArray_DIMS(array)};
    return 0;
}

/* An array of the argument as the program saw it, for error texts and host calls. */
static PyObject *as_array(const Plan *plan, int index, PyObject *const *args, Work *work)
{
    if (work->owners[index]) return Py_NewRef(work->owners[index]);
    if (index < plan->n_args && work->inputs[index].data != work->slots[index].bytes) return Py_NewRef(args[index]);
    const Spec *spec = &plan->program->inputs[index];
    Py_INCREF(spec->descr);
    PyObject *array = PyArray_Empty(0, NULL, spec->descr, 0);
    if (array) memcpy(PyArray_DATA((PyArrayObject *)array), work->inputs[index].data, (size_t)spec->itemsize);
    return array;
}

/* -- shared variables ---------------------------------------------------------------------------------------- */

static int take_shared(const Plan *plan, int position, Work *work)
{
    int index = plan->n_args + position;
    const Spec *spec = &plan->program->inputs[index];
    PyObject *storage = PyTuple_GET_ITEM(plan->storages, position);
    PyObject *value = PySequence_GetItem(storage, 0);
    work->owners[index] = value;
    if (!value) return -1;
    int write = plan->written[position];
    if (!program_usable(spec, value) || (write && !PyArray_ISWRITEABLE((PyArrayObject *)value))) {
        PyArrayObject *ready = program_ready(spec, value);
        if (ready && write && (PyObject *)ready == value) Py_SETREF(ready, (PyArrayObject *)PyArray_NewCopy(ready, NPY_CORDER));
        Py_XSETREF(work->owners[index], (PyObject *)ready);
        if (!ready || (write && PyList_SetItem(storage, 0, Py_NewRef(ready)) < 0)) return -1;
    }
    PyArrayObject *array = (PyArrayObject *)work->owners[index];
    work->inputs[index] = (st_input){PyArray_BYTES(array), (const int64_t *)PyArray_DIMS(array)};
    return 0;
}

/* A program writes into shared memory last, but nobody else's: an argument that borrows it is copied. */
static int separate(const Plan *plan, int written, PyObject *const *args, Work *work)
{
    PyArrayObject *target = (PyArrayObject *)work->owners[plan->n_args + written];
    const char *low = PyArray_BYTES(target), *high = low + PyArray_NBYTES(target);
    for (int i = 0; i < plan->n_args + plan->n_shared; i++) {
        if (i == plan->n_args + written) continue;
        PyObject *other = work->owners[i] ? work->owners[i] : args[i];
        const char *data = work->inputs[i].data;
        if (data == work->slots[i].bytes || low == high || data >= high) continue;
        if (data + PyArray_NBYTES((PyArrayObject *)other) <= low) continue;
        PyObject *copy = (PyObject *)PyArray_NewCopy((PyArrayObject *)other, NPY_CORDER);
        if (!copy) return -1;
        Py_XSETREF(work->owners[i], copy);
        work->inputs[i].data = PyArray_BYTES((PyArrayObject *)copy);
        if (i >= plan->n_args && plan->written[i - plan->n_args]
            && PyList_SetItem(PyTuple_GET_ITEM(plan->storages, i - plan->n_args), 0, Py_NewRef(copy)) < 0)
            return -1;
    }
    return 0;
}

static int take_all_shared(const Plan *plan, PyObject *const *args, Work *work)
{
    for (int position = 0; position < plan->n_shared; position++)
        if (take_shared(plan, position, work) < 0) return -1;
    for (int position = 0; plan->n_written && position < plan->n_shared; position++)
        if (plan->written[position] && separate(plan, position, args, work) < 0) return -1;
    return 0;
}

/* -- results ------------------------------------------------------------------------------------------------- */

/* The results leave work->results; updates are committed. */
static PyObject *deliver(const Plan *plan, Work *work)
{
    for (int k = plan->n_results; k < plan->program->n_outputs; k++) {
        PyObject *storage = PyTuple_GET_ITEM(plan->storages, plan->targets[k - plan->n_results]);
        PyObject *value = work->results[k];
        if (!value) { /* written in place; user code that ran meanwhile may have put another value there */
            PyObject *owner = work->owners[plan->program->inplace[k]];
            if (!owner || PyList_GetItem(storage, 0) == owner) continue;
            value = Py_NewRef(owner);
        }
        work->results[k] = NULL;
        if (PyList_SetItem(storage, 0, value) < 0) return NULL;
    }
    if (plan->unpack == 1) {
        PyObject *only = work->results[0];
        work->results[0] = NULL;
        return only;
    }
    if (plan->unpack == 2) return Py_NewRef(Py_None);
    PyObject *list = PyList_New(plan->n_results);
    for (int k = 0; list && k < plan->n_results; k++) {
        PyList_SET_ITEM(list, k, work->results[k]);
        work->results[k] = NULL;
    }
    return list;
}

static PyObject *fail(Caller *self, const Plan *plan, PyObject *const *args, Work *work, const Report *report)
{
    int n = plan->n_args + plan->n_shared;
    PyObject *arrays = PyList_New(n), *values = program_values(report);
    for (int i = 0; arrays && i < n; i++) {
        PyObject *array = as_array(plan, i, args, work);
        if (!array) Py_CLEAR(arrays);
        else PyList_SET_ITEM(arrays, i, array);
    }
    PyObject *result = arrays && values ? PyObject_CallMethod((PyObject *)self, "_failed", "iiOO", (int)report->error.code,
                                                              (int)report->error.node, values, arrays) : NULL;
    Py_XDECREF(arrays);
    Py_XDECREF(values);
    return result;
}

/* With the containers locked. ST_GENERAL is left to the caller (*general), who unlocks first. */
static PyObject *run_locked(Caller *self, const Plan *plan, PyObject *const *args, Work *work, int *general)
{
    Program *program = plan->program;
    Report report;
    if (take_all_shared(plan, args, work) < 0) return NULL;
    if (program->n_hosts)  /* host calls keep what their arguments are views of */
        for (int i = 0; i < plan->n_args; i++)
            if (!work->owners[i] && work->inputs[i].data != work->slots[i].bytes) work->owners[i] = Py_NewRef(args[i]);
    int status = program_execute(program, work->inputs, work->owners, work->results, &report);
    PyObject *result = NULL;
    if (status == ST_OK) {
        result = deliver(plan, work);
        for (int k = 0; k < program->n_outputs; k++) Py_XDECREF(work->results[k]);
    } else if (status == ST_FAILED) {
        result = fail(self, plan, args, work, &report);
    } else if (status == ST_GENERAL) {
        *general = 1;
    } else if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_SystemError, "the program returned the unknown status %d", status);
    }
    return result;
}

static PyObject *call_general(Caller *self, const Plan *plan, PyObject *const *args)
{
    PyObject *values = PyList_New(plan->n_args);
    for (int i = 0; values && i < plan->n_args; i++) PyList_SET_ITEM(values, i, Py_NewRef(args[i]));
    PyObject *result = values ? PyObject_CallMethod((PyObject *)self, "_general", "(O)", values) : NULL;
    Py_XDECREF(values);
    return result;
}

/* -- the call ------------------------------------------------------------------------------------------------ */

enum { FEW = 12 };

static PyObject *run(Caller *self, const Plan *plan, PyObject *const *args)
{
    Program *program = plan->program;
    int n = program->n_inputs, total = n + program->n_outputs, general = 0, taken = 0;
    struct {
        Slot slots[FEW];
        st_input inputs[FEW];
        PyObject *objects[2 * FEW];
    } few;
    char *many = NULL;
    Work work = {few.inputs, few.objects, few.objects + n, few.slots, {plan->locks, plan->exclusive, 0, NULL}};
    if (n > FEW || total > 2 * FEW) {
        many = PyMem_Malloc((sizeof(Slot) + sizeof(st_input)) * (size_t)n + sizeof(PyObject *) * (size_t)total + 1);
        if (!many) return PyErr_NoMemory();
        work.slots = (Slot *)many;
        work.inputs = (st_input *)(work.slots + n);
        work.owners = (PyObject **)(work.inputs + n);
        work.results = work.owners + n;
    }
    PyObject *result = NULL;
    for (int i = plan->n_args; i < n; i++) work.owners[i] = NULL;
    while (taken < plan->n_args && take_argument(self, plan, taken, args[taken], &work) == 0) taken++;
    if (taken == plan->n_args && (!plan->n_locks || lock_acquire_all(&work.held, plan->n_locks) == 0)) {
        program_constants(program, work.inputs, work.owners);
        taken = n;
        result = run_locked(self, plan, args, &work, &general);
        if (plan->n_locks) lock_release_all(&work.held);
        if (general) result = call_general(self, plan, args);
        else if (result && plan->unpack == 3)
            Py_SETREF(result, PyObject_CallMethod((PyObject *)self, "_pack", "(O)", result));
    }
    for (int i = 0; i < taken; i++) Py_XDECREF(work.owners[i]);
    PyMem_Free(many);
    return result;
}

/* The input of this name, or -1. Names are interned nearly always, and given in order mostly. */
static int named(const Plan *plan, PyObject *name, int first)
{
    for (int turn = 0; turn < plan->n_args; turn++) {
        int at = first + turn < plan->n_args ? first + turn : first + turn - plan->n_args;
        if (PyTuple_GET_ITEM(plan->names, at) == name) return at;
    }
    for (int at = 0; at < plan->n_args; at++) {
        PyObject *known = PyTuple_GET_ITEM(plan->names, at);
        if (known != Py_None && PyUnicode_Compare(known, name) == 0) return at;
    }
    return -1;
}

/* Values by input, new references, of positional and keyword arguments and defaults; 0: it takes words to say why not. */
static int place(const Plan *plan, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames, PyObject **values)
{
    Py_ssize_t n_named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < n_args; i++) values[i] = Py_NewRef(args[i]);
    for (Py_ssize_t k = 0, next = n_args; k < n_named; k++) {
        int at = named(plan, PyTuple_GET_ITEM(kwnames, k), (int)(next < plan->n_args ? next : 0));
        if (at < 0 || values[at]) return 0;
        values[at] = Py_NewRef(args[n_args + k]);
        next = at + 1;
    }
    for (int i = 0; i < plan->n_args; i++) {
        if (values[i]) continue;
        PyObject *value = PyList_GetItem(plan->defaults, plan->default_at[i]);
        if (!value || value == Py_None) {
            PyErr_Clear();
            return 0;
        }
        values[i] = Py_NewRef(value);
    }
    return 1;
}

static PyObject *placed_call(Caller *self, const Plan *plan, PyObject *const *args, Py_ssize_t n_args,
                             PyObject *kwnames, int *placed)
{
    PyObject *few[2 * FEW] = {NULL}, *result = NULL;
    PyObject **values = plan->n_args <= 2 * FEW ? few : PyMem_Calloc((size_t)plan->n_args, sizeof *values);
    if (!values) return PyErr_NoMemory();
    *placed = place(plan, args, n_args, kwnames, values);
    if (*placed) result = run(self, plan, values);
    for (int i = 0; i < plan->n_args; i++) Py_XDECREF(values[i]);
    if (values != few) PyMem_Free(values);
    return result;
}

/* Any other call is the subclass's. */
static PyObject *indirect_call(Caller *self, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    PyObject *positional = PyTuple_New(n_args), *keywords = PyDict_New(), *result = NULL;
    for (Py_ssize_t i = 0; positional && i < n_args; i++) PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; keywords && kwnames && i < PyTuple_GET_SIZE(kwnames); i++)
        if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(kwnames, i), args[n_args + i]) < 0) Py_CLEAR(keywords);
    if (positional && keywords)
        result = PyObject_CallMethod((PyObject *)self, "_indirect", "OO", positional, keywords);
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return result;
}

PyObject *symtensor_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Caller *self = (Caller *)callable;
    const Plan *plan = __atomic_load_n(&self->plan, __ATOMIC_ACQUIRE);
    Py_ssize_t n_args = PyVectorcall_NARGS(nargsf);
    int placed = 0;
    if (plan && n_args == plan->n_args && (!kwnames || !PyTuple_GET_SIZE(kwnames))) return run(self, plan, args);
    if (plan && plan->names && n_args <= plan->n_args) {
        PyObject *result = placed_call(self, plan, args, n_args, kwnames, &placed);
        if (placed || PyErr_Occurred()) return result;
    }
    return indirect_call(self, args, n_args, kwnames);
}
