/* One run of a loaded program: arrays in, arrays out, host calls on the way. */
#include "module.h"

typedef struct {
    st_frame frame;            /* first: st_arena finds it from the call */
    Program *program;
    PyThreadState *thread;
    PyObject *kept;            /* list: what each host call returned last, alive until it is made again in a later
                                  step or st_main is done; NULL before the first */
    PyObject *lease;           /* capsule that views given to host calls have as base; NULL before the first */
    PyObject **owners;
} Running;

/* -- arrays ------------------------------------------------------------------------------------------------------ */

/* Without Python code run: an exact ndarray of the dtype and shape, contiguous, aligned, native. */
int program_usable(const Spec *spec, PyObject *value)
{
    if (!PyArray_CheckExact(value)) return 0;
    PyArrayObject *array = (PyArrayObject *)value;
    if (PyArray_NDIM(array) != spec->ndim || !PyArray_ISCARRAY_RO(array)) return 0;
    if (PyArray_TYPE(array) != spec->typenum && !PyArray_EquivTypes(PyArray_DESCR(array), spec->descr)) return 0;
    const npy_intp *shape = PyArray_DIMS(array);
    for (int axis = 0; axis < spec->ndim; axis++)
        if (spec->shape[axis] >= 0 && spec->shape[axis] != shape[axis]) return 0;
    return 1;
}

static PyObject *words(const Spec *spec)
{
    PyObject *shape = PyTuple_New(spec->ndim);
    if (!shape) return NULL;
    for (int axis = 0; axis < spec->ndim; axis++) {
        PyObject *dim = spec->shape[axis] < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(spec->shape[axis]);
        if (!dim) {
            Py_DECREF(shape);
            return NULL;
        }
        PyTuple_SET_ITEM(shape, axis, dim);
    }
    PyObject *text = PyUnicode_FromFormat("%S array with shape %R (None: any)", spec->descr, shape);
    Py_DECREF(shape);
    return text;
}

PyArrayObject *program_ready(const Spec *spec, PyObject *value)
{
    if (program_usable(spec, value)) return (PyArrayObject *)Py_NewRef(value);
    int fits = PyArray_Check(value) && PyArray_NDIM((PyArrayObject *)value) == spec->ndim
               && PyArray_EquivTypenums(PyArray_TYPE((PyArrayObject *)value), spec->typenum);
    for (int axis = 0; fits && axis < spec->ndim; axis++)
        fits = spec->shape[axis] < 0 || spec->shape[axis] == PyArray_DIM((PyArrayObject *)value, axis);
    if (fits) {
        Py_INCREF(spec->descr);
        return (PyArrayObject *)PyArray_FromArray((PyArrayObject *)value, spec->descr,
                                                  NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY);
    }
    PyObject *expected = words(spec);
    if (!expected) return NULL;
    if (PyArray_Check(value)) {
        PyObject *shape = PyObject_GetAttrString(value, "shape");
        if (shape) {
            PyErr_Format(PyExc_TypeError, "expected a %U, got a %S array with shape %R", expected,
                         PyArray_DESCR((PyArrayObject *)value), shape);
            Py_DECREF(shape);
        }
    } else {
        PyErr_Format(PyExc_TypeError, "expected a %U, got a %s", expected, Py_TYPE(value)->tp_name);
    }
    Py_DECREF(expected);
    return NULL;
}

/* The array takes over memory of st_alloc; the memory is released also on failure. */
static PyObject *own(const Spec *spec, char *data, const int64_t *shape)
{
    Py_INCREF(spec->descr);
    PyObject *array = PyArray_NewFromDescr(&PyArray_Type, spec->descr, spec->ndim, (npy_intp *)shape, NULL, data,
                                           NPY_ARRAY_CARRAY, NULL);
    if (!array) {
        st_release(data);
        return NULL;
    }
    ((PyArrayObject_fields *)array)->mem_handler = Py_NewRef(symtensor_memory_handler);
    PyArray_ENABLEFLAGS((PyArrayObject *)array, NPY_ARRAY_OWNDATA);
    return array;
}

/* -- host calls ---------------------------------------------------------------------------------------------------- */

static void end_lease(PyObject *capsule)
{
    void *arenas = PyCapsule_GetContext(capsule);
    PyObject *owners = PyCapsule_GetPointer(capsule, "symtensor.lease");
    st_frame frame = {.arenas = arenas};
    st_arena_release(&frame);
    Py_XDECREF(owners);
}

static PyObject *view(Running *run, const Spec *spec, const st_value *value)
{
    Py_INCREF(spec->descr);
    PyObject *array = PyArray_NewFromDescr(&PyArray_Type, spec->descr, (int)value->ndim, (npy_intp *)value->shape,
                                           (npy_intp *)value->strides, value->data, 0, NULL);
    if (array && PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(run->lease)) < 0) Py_CLEAR(array);
    return array;
}

static void extent(PyArrayObject *array, char **low, char **high)
{
    *low = *high = PyArray_BYTES(array);
    for (int axis = 0; axis < PyArray_NDIM(array); axis++) {
        npy_intp reach = (PyArray_DIM(array, axis) - 1) * PyArray_STRIDE(array, axis);
        if (reach < 0) *low += reach;
        else *high += reach;
    }
    *high += PyArray_ITEMSIZE(array);
}

static int overlaps(PyArrayObject *a, PyArrayObject *b)
{
    char *low_a, *high_a, *low_b, *high_b;
    if (!PyArray_SIZE(a) || !PyArray_SIZE(b)) return 0;
    extent(a, &low_a, &high_a);
    extent(b, &low_b, &high_b);
    return low_a < high_b && low_b < high_a;
}

/* The result of a host call as a contiguous array whose memory is not that of an argument. */
static PyArrayObject *take(const Spec *spec, PyObject *value, PyObject *arguments)
{
    PyArrayObject *array;
    if (PyArray_Check(value)) {
        array = program_ready(spec, value);
    } else {  /* NumPy scalars, for 0-d outputs */
        PyObject *made = PyArray_FromAny(value, NULL, 0, 0, 0, NULL);
        array = made ? program_ready(spec, made) : NULL;
        Py_XDECREF(made);
    }
    for (Py_ssize_t i = 0; array && i < PyList_GET_SIZE(arguments); i++) {
        if (!overlaps(array, (PyArrayObject *)PyList_GET_ITEM(arguments, i))) continue;
        Py_SETREF(array, (PyArrayObject *)PyArray_NewCopy(array, NPY_CORDER));
        break;
    }
    return array;
}

/* Keep `taken` (its reference is taken over) in place of what the same host call returned in an earlier step, unless
   someone holds a view of that. */
static int replace_kept(Running *run, int32_t index, PyObject *taken)
{
    PyObject *before = PyList_GET_ITEM(run->kept, index);
    if (before != Py_None && Py_REFCNT(run->lease) > 1 && PyList_Append(run->kept, before) < 0) {
        Py_DECREF(taken);
        return -1;
    }
    return PyList_SetItem(run->kept, index, taken);
}

/* The results of a host call, described in `outputs`. */
static PyObject *take_all(const HostSpec *spec, PyObject *arguments, PyObject *results, st_value *outputs)
{
    if (PySequence_Fast_GET_SIZE(results) != spec->n_outputs) {
        PyErr_Format(PyExc_ValueError, "a host call returned %zd arrays instead of %d",
                     PySequence_Fast_GET_SIZE(results), spec->n_outputs);
        return NULL;
    }
    PyObject *taken = PyTuple_New(spec->n_outputs);
    for (int k = 0; taken && k < spec->n_outputs; k++) {
        PyArrayObject *array = take(&spec->outputs[k], PySequence_Fast_GET_ITEM(results, k), arguments);
        if (!array) {
            Py_CLEAR(taken);
            break;
        }
        PyTuple_SET_ITEM(taken, k, (PyObject *)array);
        outputs[k].data = PyArray_BYTES(array);
        outputs[k].ndim = PyArray_NDIM(array);
        memcpy(outputs[k].shape, PyArray_DIMS(array), sizeof(npy_intp) * (size_t)PyArray_NDIM(array));
        memcpy(outputs[k].strides, PyArray_STRIDES(array), sizeof(npy_intp) * (size_t)PyArray_NDIM(array));
    }
    return taken;
}

static int prepare_host(Running *run)
{
    if (!run->kept) {
        run->kept = PyList_New(run->program->n_hosts);
        for (int i = 0; run->kept && i < run->program->n_hosts; i++) PyList_SET_ITEM(run->kept, i, Py_NewRef(Py_None));
        if (!run->kept) return -1;
    }
    if (run->lease) return 0;
    PyObject *owners = PyList_New(0);
    for (int i = 0; owners && i < run->program->n_inputs; i++)
        if (run->owners[i] && PyList_Append(owners, run->owners[i]) < 0) Py_CLEAR(owners);
    run->lease = owners ? PyCapsule_New(owners, "symtensor.lease", end_lease) : NULL;
    if (!run->lease) Py_XDECREF(owners);
    return run->lease ? 0 : -1;
}

static int call_host(Running *run, int32_t index, const st_value *inputs, st_value *outputs)
{
    const HostSpec *spec = &run->program->hosts[index];
    if (prepare_host(run) < 0) return -1;
    PyObject *arguments = PyList_New(spec->n_inputs);
    if (!arguments) return -1;
    for (int k = 0; k < spec->n_inputs; k++) {
        PyObject *array = view(run, &spec->inputs[k], &inputs[k]);
        if (!array) {
            Py_DECREF(arguments);
            return -1;
        }
        PyList_SET_ITEM(arguments, k, array);
    }
    PyObject *given = PySequence_List(arguments);  /* the host may change its list */
    PyObject *results = given ? PyObject_CallFunction(run->program->host, "iO", (int)index, given) : NULL;
    Py_XDECREF(given);
    PyObject *fast = results ? PySequence_Fast(results, "a host call must return a sequence of arrays") : NULL;
    PyObject *taken = fast ? take_all(spec, arguments, fast, outputs) : NULL;
    Py_XDECREF(fast);
    Py_XDECREF(results);
    Py_DECREF(arguments);
    return taken ? replace_kept(run, index, taken) : -1;
}

static int host_call(void *context, int32_t index, const st_value *inputs, st_value *outputs)
{
    Running *run = context;
    PyEval_RestoreThread(run->thread);
    int status = -1;
    if (index >= 0 && index < run->program->n_hosts)
        status = call_host(run, index, inputs, outputs);
    else
        PyErr_Format(PyExc_SystemError, "the program made host call %d of %d", (int)index, run->program->n_hosts);
    run->thread = PyEval_SaveThread();
    return status < 0 ? ST_PYTHON : ST_OK;
}

/* -- one run ----------------------------------------------------------------------------------------------- */

/* Someone still holds a view of temporaries or results: the memory stays until that is gone. */
static int leased(const Running *run)
{
    return run->lease && Py_REFCNT(run->lease) > 1;
}

static void finish(Running *run, PyObject **results)
{
    if (run->lease) {
        if (leased(run)) {
            PyObject *owners = PyCapsule_GetPointer(run->lease, "symtensor.lease");
            int failed = run->kept && PyList_Append(owners, run->kept) < 0;
            for (int k = 0; k < run->program->n_outputs; k++)
                if (results[k] && PyList_Append(owners, results[k]) < 0) failed = 1;
            if (failed) PyErr_WriteUnraisable(run->lease);
        }
        PyCapsule_SetContext(run->lease, run->frame.arenas);
        run->frame.arenas = NULL;
        Py_CLEAR(run->lease);
    }
    Py_CLEAR(run->kept);
    st_arena_release(&run->frame);
}

/* The outputs as arrays; those of a failed run are released, unless a host call's view still looks at them. */
static int collect(Running *run, st_output *outputs, PyObject **results, int status)
{
    const Program *self = run->program;
    for (int k = 0; k < self->n_outputs; k++) {
        if (self->inplace[k] >= 0) continue;
        if (!outputs[k].data) {
            if (status != ST_OK) continue;
            PyErr_Format(PyExc_SystemError, "the program made no output %d", k);
            status = ST_PYTHON;
        } else if (status == ST_OK || leased(run)) {
            results[k] = own(&self->outputs[k], outputs[k].data, outputs[k].shape);
            if (!results[k]) status = ST_PYTHON;
        } else {
            st_release(outputs[k].data);
        }
    }
    return status;
}

/* The exception of a host call inside loops says in which steps. */
static void say_steps(const Program *self, const Report *report)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *values = program_values(report);
    PyObject *done = values && value ? PyObject_CallMethod(self->Failure, "in_steps", "OOO", value, self->code, values)
                                     : NULL;
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(values);
    PyErr_Restore(type, value, trace);
}

int program_execute(Program *self, const st_input *inputs, PyObject **owners, PyObject **results, Report *report)
{
    st_output few[4];
    st_output *outputs = self->n_outputs <= 4 ? few : PyMem_Malloc(sizeof(st_output) * (size_t)self->n_outputs);
    if (!outputs) {
        PyErr_NoMemory();
        return ST_MEMORY;
    }
    for (int k = 0; k < self->n_outputs; k++) {
        outputs[k].data = NULL;
        results[k] = NULL;
    }
    Running run;
    run.frame.call = (st_call){.rt = st_runtime_table(), .inputs = inputs, .outputs = outputs, .host = &run,
                               .host_call = host_call, .arena = st_arena};
    run.frame.arenas = NULL;
    run.program = self;
    run.kept = run.lease = NULL;
    run.owners = owners;
    run.thread = PyEval_SaveThread();
    int status = self->entry(&run.frame.call);
    PyEval_RestoreThread(run.thread);
    if (status == ST_MEMORY)
        PyErr_SetString(PyExc_MemoryError, "no memory for the temporaries and results of the call; f.memory_plan(shapes) "
                                           "tells how much it needs");
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    int collected = collect(&run, outputs, results, status);
    if (status == ST_OK && collected != ST_OK) {
        status = collected;
        PyErr_Fetch(&type, &value, &trace);
    }
    finish(&run, results);
    PyErr_Restore(type, value, trace);
    if (status != ST_OK) {
        for (int k = 0; k < self->n_outputs; k++) Py_CLEAR(results[k]);
        if (status == ST_PYTHON && !PyErr_Occurred())
            PyErr_SetString(PyExc_SystemError, "a host call failed without an exception");
        *report = (Report){run.frame.call.error, run.frame.call.steps};
        if (status == ST_PYTHON && report->steps.count) say_steps(self, report);
    }
    if (outputs != few) PyMem_Free(outputs);
    return status;
}

/* The values, then a node and the number of its step for each loop. */
PyObject *program_values(const Report *report)
{
    int count = ST_ERROR_VALUES + 2 * (int)report->steps.count;
    PyObject *values = PyTuple_New(count);
    for (int i = 0; values && i < count; i++) {
        int k = i - ST_ERROR_VALUES;
        PyObject *value = PyLong_FromLongLong(k < 0 ? report->error.values[i] : k % 2 ? report->steps.step[k / 2]
                                              : report->steps.node[k / 2]);
        if (!value) Py_CLEAR(values);
        else PyTuple_SET_ITEM(values, i, value);
    }
    return values;
}
