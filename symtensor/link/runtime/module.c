/* The Python extension `symtensor.link.runtime._runtime`: programs, calls, locks, and the switches of the runtime. */
#define SYMTENSOR_MODULE_MAIN
#include "module.h"

PyObject *symtensor_memory_handler;
void symtensor_lock_at_import(void);

/* -- switches ---------------------------------------------------------------------------------------------- */

static PyObject *set_threads(PyObject *Py_UNUSED(module), PyObject *value)
{
    long count = PyLong_AsLong(value);
    if (count == -1 && PyErr_Occurred()) return NULL;
    st_set_threads(count < 0 || count > 4096 ? 0 : (int32_t)count);
    Py_RETURN_NONE;
}

static PyObject *threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(st_runtime_table()->threads);
}

static PyObject *set_memory_limit(PyObject *Py_UNUSED(module), PyObject *value)
{
    size_t bytes = PyLong_AsSize_t(value);
    if (bytes == (size_t)-1 && PyErr_Occurred()) return NULL;
    st_memory_limit(bytes);
    Py_RETURN_NONE;
}

static PyObject *memory_cached(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLongLong(st_memory_cached());
}

static PyObject *memory_watch(PyObject *Py_UNUSED(module), PyObject *on)
{
    int start = PyObject_IsTrue(on);
    return start < 0 ? NULL : PyLong_FromLongLong(st_memory_watch(start));
}

static PyObject *memory_trim(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    Py_BEGIN_ALLOW_THREADS
    st_memory_trim();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *table_address(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromVoidPtr((void *)st_runtime_table());
}

/* Missing ones are NULL. */
static int addresses(PyObject *items, void **found, int count)
{
    Py_ssize_t given = PySequence_Size(items);
    if (given < 0) return -1;
    for (int i = 0; i < count; i++) found[i] = NULL;
    for (int i = 0; i < count && i < given; i++) {
        PyObject *item = PySequence_GetItem(items, i);
        found[i] = item ? PyLong_AsVoidPtr(item) : NULL;
        Py_XDECREF(item);
        if (PyErr_Occurred()) return -1;
    }
    return 0;
}

static PyObject *set_blas(PyObject *Py_UNUSED(module), PyObject *items)
{
    void *entries[ST_BLAS_ENTRIES];
    if (addresses(items, entries, ST_BLAS_ENTRIES) < 0) return NULL;
    st_set_blas(entries);
    Py_RETURN_NONE;
}

static PyObject *set_blocked(PyObject *Py_UNUSED(module), PyObject *items)
{
    void *entries[2];
    if (addresses(items, entries, 2) < 0) return NULL;
    st_set_blocked(entries[0], entries[1]);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"set_threads", set_threads, METH_O, "set_threads(n): threads a program may use; 0: all."},
    {"threads", threads, METH_NOARGS, "Threads a program may use."},
    {"set_memory_limit", set_memory_limit, METH_O, "set_memory_limit(bytes): most memory kept for reuse."},
    {"memory_cached", memory_cached, METH_NOARGS, "Bytes kept for reuse, without small blocks."},
    {"memory_watch", memory_watch, METH_O, "memory_watch(on): count the bytes in use from now on; or stop, and give the "
                                           "most there were."},
    {"memory_trim", memory_trim, METH_NOARGS, "Give the kept memory back to the system."},
    {"table_address", table_address, METH_NOARGS, "Address of the st_runtime table."},
    {"set_blas", set_blas, METH_O, "set_blas(addresses): cblas_[sdcz]gemm, gemv, trsm, [sdcz]potrf_, getrf_."},
    {"set_blocked", set_blocked, METH_O, "set_blocked((sgemm, dgemm)): addresses of another build of the blocked product."},
    {NULL},
};

/* -- module ------------------------------------------------------------------------------------------------ */

static void *handler_malloc(void *Py_UNUSED(context), size_t bytes)
{
    return st_alloc(bytes);
}

static void *handler_calloc(void *Py_UNUSED(context), size_t count, size_t size)
{
    void *data = size && count > SIZE_MAX / size ? NULL : st_alloc(count * size);
    if (data) memset(data, 0, count * size);
    return data;
}

static void *handler_realloc(void *Py_UNUSED(context), void *data, size_t bytes)
{
    return st_resize(data, bytes);
}

static void handler_free(void *Py_UNUSED(context), void *data, size_t Py_UNUSED(bytes))
{
    st_release(data);
}

static PyDataMem_Handler handler = {
    "symtensor", 1, {NULL, handler_malloc, handler_calloc, handler_realloc, handler_free}};

static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type ? PyModule_AddType(module, *type) : -1;
}

static int module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    if (PyArray_ImportNumPyAPI() < 0) return -1;
    if (!symtensor_memory_handler) {
        symtensor_lock_at_import();
        symtensor_memory_handler = PyCapsule_New(&handler, "mem_handler", NULL);
        if (!symtensor_memory_handler) return -1;
    }
    st_runtime_table();
    if (add_type(module, &symtensor_lock_spec, &state->Lock) < 0
        || add_type(module, &symtensor_program_spec, &state->Program) < 0
        || add_type(module, &symtensor_caller_spec, &state->Caller) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "ABI", ST_ABI);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->Program);
    Py_VISIT(state->Lock);
    Py_VISIT(state->Caller);
    return 0;
}

static int module_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->Program);
    Py_CLEAR(state->Lock);
    Py_CLEAR(state->Caller);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

PyModuleDef symtensor_runtime_module = {
    PyModuleDef_HEAD_INIT, .m_name = "_runtime", .m_doc = "Runs compiled programs.", .m_size = sizeof(State),
    .m_methods = functions, .m_slots = module_slots, .m_traverse = module_traverse, .m_clear = module_clear};

PyMODINIT_FUNC PyInit__runtime(void)
{
    return PyModuleDef_Init(&symtensor_runtime_module);
}
