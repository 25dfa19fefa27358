/* The Python type of loaded programs. */
#include "module.h"

static int parse_spec(PyObject *item, Spec *spec)
{
    PyObject *dtype, *shape;
    if (!PyArg_ParseTuple(item, "OO!", &dtype, &PyTuple_Type, &shape)) return -1;
    if (PyTuple_GET_SIZE(shape) > ST_MAX_NDIM) {
        PyErr_Format(PyExc_ValueError, "at most %d dimensions, got %zd", ST_MAX_NDIM, PyTuple_GET_SIZE(shape));
        return -1;
    }
    spec->ndim = (int)PyTuple_GET_SIZE(shape);
    for (int axis = 0; axis < spec->ndim; axis++) {
        PyObject *dim = PyTuple_GET_ITEM(shape, axis);
        spec->shape[axis] = dim == Py_None ? -1 : PyLong_AsSsize_t(dim);
        if (PyErr_Occurred()) return -1;
    }
    if (!PyArray_DescrConverter(dtype, &spec->descr)) return -1;
    spec->typenum = spec->descr->type_num;
    PyObject *size = PyObject_GetAttrString((PyObject *)spec->descr, "itemsize");
    spec->itemsize = size ? PyLong_AsSsize_t(size) : -1;
    Py_XDECREF(size);
    return spec->itemsize < 0 ? -1 : 0;
}

/* The specs of a tuple of (dtype, shape); descr is NULL in those not reached. */
static Spec *parse_specs(PyObject *items, int *count)
{
    if (!PyTuple_Check(items)) {
        PyErr_SetString(PyExc_TypeError, "specs must be tuples of (dtype, shape)");
        return NULL;
    }
    *count = (int)PyTuple_GET_SIZE(items);
    Spec *specs = PyMem_Calloc((size_t)*count + 1, sizeof(Spec));
    if (!specs) return (Spec *)PyErr_NoMemory();
    for (int i = 0; i < *count; i++)
        if (parse_spec(PyTuple_GET_ITEM(items, i), &specs[i]) < 0) {
            for (int k = 0; k <= i; k++) Py_XDECREF(specs[k].descr);
            PyMem_Free(specs);
            return NULL;
        }
    return specs;
}

static void free_specs(Spec *specs, int count)
{
    for (int i = 0; specs && i < count; i++) Py_XDECREF(specs[i].descr);
    PyMem_Free(specs);
}

static int parse_hosts(Program *self, PyObject *hosts)
{
    self->n_hosts = 0;
    self->hosts = PyMem_Calloc((size_t)PyTuple_GET_SIZE(hosts) + 1, sizeof(HostSpec));
    if (!self->hosts) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->n_hosts < PyTuple_GET_SIZE(hosts); self->n_hosts++) {
        HostSpec *host = &self->hosts[self->n_hosts];
        PyObject *inputs, *outputs;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(hosts, self->n_hosts), "OO", &inputs, &outputs)) return -1;
        if (!(host->inputs = parse_specs(inputs, &host->n_inputs))) return -1;
        if (!(host->outputs = parse_specs(outputs, &host->n_outputs))) {
            free_specs(host->inputs, host->n_inputs);
            return -1;
        }
    }
    return 0;
}

static int parse_constants(Program *self, PyObject *constants)
{
    Py_ssize_t count = constants ? PyTuple_GET_SIZE(constants) : 0;
    if (count > self->n_inputs) {
        PyErr_Format(PyExc_ValueError, "%zd constants for %d inputs", count, self->n_inputs);
        return -1;
    }
    self->n_given = self->n_inputs - (int)count;
    if (!(self->constants = PyTuple_New(count))) return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyArrayObject *array = program_ready(&self->inputs[self->n_given + i], PyTuple_GET_ITEM(constants, i));
        if (!array) return -1;
        PyTuple_SET_ITEM(self->constants, i, (PyObject *)array);
    }
    return 0;
}

void program_constants(Program *self, st_input *inputs, PyObject **owners)
{
    for (int i = self->n_given; i < self->n_inputs; i++) {
        PyArrayObject *array = (PyArrayObject *)PyTuple_GET_ITEM(self->constants, i - self->n_given);
        owners[i] = Py_NewRef((PyObject *)array);
        inputs[i] = (st_input){PyArray_BYTES(array), (const int64_t *)PyArray_DIMS(array)};
    }
}

static int parse_inplace(Program *self, PyObject *inplace)
{
    self->inplace = PyMem_Calloc((size_t)self->n_outputs + 1, sizeof(int));
    if (!self->inplace) {
        PyErr_NoMemory();
        return -1;
    }
    for (int k = 0; k < self->n_outputs; k++) {
        long from = k < PyTuple_GET_SIZE(inplace) ? PyLong_AsLong(PyTuple_GET_ITEM(inplace, k)) : -1;
        if (from == -1 && PyErr_Occurred()) return -1;
        if (from >= self->n_given) {
            PyErr_Format(PyExc_ValueError, "output %d in place of input %ld of %d", k, from, self->n_inputs);
            return -1;
        }
        self->inplace[k] = (int)from;
    }
    return 0;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"entry", "inputs", "outputs", "inplace", "hosts", "host", "keep",
                            "code", "path", "failure", "general", "constants", NULL};
    unsigned long long entry;
    PyObject *inputs, *outputs, *inplace, *hosts, *host, *keep, *code, *path, *failure, *general,
             *constants = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KOOO!O!OOOOOO|O!:Program", names, &entry, &inputs, &outputs,
                                     &PyTuple_Type, &inplace, &PyTuple_Type, &hosts, &host, &keep, &code, &path,
                                     &failure, &general, &PyTuple_Type, &constants))
        return NULL;
    Program *self = (Program *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->entry = (int (*)(st_call *))(uintptr_t)entry;
    self->host = Py_NewRef(host);
    self->keep = Py_NewRef(keep);
    self->code = Py_NewRef(code);
    self->path = Py_NewRef(path);
    self->Failure = Py_NewRef(failure);
    self->General = Py_NewRef(general);
    if (!(self->inputs = parse_specs(inputs, &self->n_inputs)) || !(self->outputs = parse_specs(outputs, &self->n_outputs))
        || parse_constants(self, constants) < 0 || parse_inplace(self, inplace) < 0
        || parse_hosts(self, hosts) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int program_traverse(Program *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->host);
    Py_VISIT(self->keep);
    Py_VISIT(self->code);
    Py_VISIT(self->Failure);
    Py_VISIT(self->General);
    return 0;
}

static int program_clear(Program *self)
{
    Py_CLEAR(self->host);
    Py_CLEAR(self->code);
    return 0;
}

static void program_dealloc(Program *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    program_clear(self);
    Py_CLEAR(self->keep);
    Py_CLEAR(self->constants);
    Py_CLEAR(self->path);
    Py_CLEAR(self->Failure);
    Py_CLEAR(self->General);
    if (self->inputs) free_specs(self->inputs, self->n_inputs);
    if (self->outputs) free_specs(self->outputs, self->n_outputs);
    for (int i = 0; self->hosts && i < self->n_hosts; i++) {
        free_specs(self->hosts[i].inputs, self->hosts[i].n_inputs);
        free_specs(self->hosts[i].outputs, self->hosts[i].n_outputs);
    }
    PyMem_Free(self->hosts);
    PyMem_Free(self->inplace);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *outcome(Program *self, int status, PyObject **results, PyObject **owners, const Report *report)
{
    if (status == ST_OK) {
        PyObject *list = PyList_New(self->n_outputs);
        for (int k = 0; k < self->n_outputs; k++) {
            PyObject *item = results[k] ? results[k] : Py_NewRef(owners[self->inplace[k]]);
            if (list) PyList_SET_ITEM(list, k, item);
            else Py_DECREF(item);
        }
        return list;
    }
    if (status == ST_GENERAL) {
        PyErr_SetNone(self->General);
    } else if (status == ST_FAILED) {
        PyObject *values = program_values(report);
        PyObject *failure = values ? PyObject_CallFunction(self->Failure, "iiN", (int)report->error.code, (int)report->error.node,
                                                           values) : NULL;
        if (failure) PyErr_SetObject(self->Failure, failure);
        Py_XDECREF(failure);
    } else if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_SystemError, "the program returned the unknown status %d", status);
    }
    return NULL;
}

static PyObject *program_run(Program *self, PyObject *arrays)
{
    PyObject *fast = PySequence_Fast(arrays, "run(arrays) takes a sequence of arrays");
    if (!fast) return NULL;
    PyObject *list = NULL;
    int n = self->n_inputs, given = self->n_given, ready = 0;
    st_input *inputs = PyMem_Malloc(sizeof(st_input) * (size_t)n + sizeof(PyObject *) * (size_t)(n + self->n_outputs) + 1);
    PyObject **owners = (PyObject **)(inputs + n), **results = owners + n;
    if (!inputs) {
        PyErr_NoMemory();
        goto end;
    }
    if (PySequence_Fast_GET_SIZE(fast) != given) {
        PyErr_Format(PyExc_ValueError, "the program takes %d arrays, got %zd", given, PySequence_Fast_GET_SIZE(fast));
        goto end;
    }
    for (; ready < given; ready++) {
        PyArrayObject *array = program_ready(&self->inputs[ready], PySequence_Fast_GET_ITEM(fast, ready));
        if (!array) goto end;
        owners[ready] = (PyObject *)array;
        inputs[ready] = (st_input){PyArray_BYTES(array), (const int64_t *)PyArray_DIMS(array)};
    }
    program_constants(self, inputs, owners);
    ready = n;
    Report report;
    int status = program_execute(self, inputs, owners, results, &report);
    list = outcome(self, status, results, owners, &report);
end:
    while (ready--) Py_DECREF(owners[ready]);
    PyMem_Free(inputs);
    Py_DECREF(fast);
    return list;
}

static PyMethodDef program_methods[] = {
    {"run", (PyCFunction)program_run, METH_O, "run(arrays) -> list of arrays: one array per input of the program."},
    {NULL},
};

static PyMemberDef program_members[] = {
    {"host", T_OBJECT, offsetof(Program, host), 0, "host(index, arrays) -> arrays, for host calls."},
    {"code", T_OBJECT, offsetof(Program, code), READONLY, "The code the program was loaded from."},
    {"path", T_OBJECT, offsetof(Program, path), READONLY, "The file of the compiled code."},
    {NULL},
};

static PyType_Slot program_slots[] = {
    {Py_tp_doc, "A compiled program; made by symtensor.link.execute.load."},
    {Py_tp_new, program_new},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_traverse, program_traverse},
    {Py_tp_clear, program_clear},
    {Py_tp_methods, program_methods},
    {Py_tp_members, program_members},
    {0, NULL},
};

PyType_Spec symtensor_program_spec = {"symtensor.link.runtime._runtime.Program", sizeof(Program), 0,
                                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, program_slots};
