/* A stand-in for NVIDIA's driver library: device memory is host memory, streams are done at once, graphs replay copies.
   It shows whether the driver's functions are called with the right arguments, in pairs, and on the right context. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { void *to; const void *from; size_t n; } Copy;
typedef struct { Copy copies[64]; int count; } Graph;
typedef struct { Graph *recording; } Stream;

#define OUT_OF_MEMORY 2
#define INVALID_VALUE 1
#define INVALID_CONTEXT 201
static char context_, live_[64];
static int depth, retained, buffers, pinned, streams, events, graphs, execs, fail_after = -1;
#define NEED_CONTEXT if (depth < 1) return INVALID_CONTEXT

/* What is still held: the test asks at the end. */
const char *stub_held(void) {
    snprintf(live_, sizeof live_, "%d %d %d %d %d %d %d %d", depth, retained, buffers, pinned, streams, events, graphs, execs);
    return live_;
}
void stub_fail_after(int launches) { fail_after = launches; }

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = getenv("STUB_NO_GPU") ? 0 : 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "Stub GPU"); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 6 : 0;
    return 0;
}
int cuGetErrorName(int error, const char **name) {
    *name = error == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : error == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
          : error == INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE" : "CUDA_ERROR_LAUNCH_FAILED";
    return 0;
}
int cuGetErrorString(int error, const char **text) { return cuGetErrorName(error, text); }

int cuDevicePrimaryCtxRetain(void **context, int device) { retained++; *context = &context_; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { retained--; return 0; }
int cuCtxPushCurrent_v2(void *context) { if (context != &context_) return INVALID_CONTEXT; depth++; return 0; }
int cuCtxPopCurrent_v2(void **context) { NEED_CONTEXT; depth--; *context = &context_; return 0; }
int cuCtxGetCurrent(void **context) { *context = depth ? &context_ : 0; return 0; }
int cuCtxSynchronize(void) { return 0; }

int cuMemAlloc_v2(uint64_t *address, size_t n) {
    NEED_CONTEXT;
    if (n > (1u << 30)) return OUT_OF_MEMORY;
    *address = (uint64_t)(uintptr_t)malloc(n);
    buffers++;
    return 0;
}
int cuMemFree_v2(uint64_t address) { NEED_CONTEXT; free((void *)(uintptr_t)address); buffers--; return 0; }
int cuMemHostAlloc(void **address, size_t n, unsigned flags) { NEED_CONTEXT; *address = malloc(n); pinned++; return 0; }
int cuMemAllocHost_v2(void **address, size_t n) { return cuMemHostAlloc(address, n, 0); }
int cuMemFreeHost(void *address) { NEED_CONTEXT; free(address); pinned--; return 0; }
int cuMemGetInfo_v2(size_t *free_, size_t *total) { NEED_CONTEXT; *free_ = 1u << 29; *total = 1u << 30; return 0; }

int cuStreamCreate(void **stream, unsigned flags) {
    NEED_CONTEXT;
    *stream = calloc(1, sizeof(Stream));
    streams++;
    return 0;
}
int cuStreamDestroy_v2(void *stream) { NEED_CONTEXT; free(stream); streams--; return 0; }
int cuStreamSynchronize(Stream *stream) { NEED_CONTEXT; return stream->recording ? 900 : 0; }
int cuEventCreate(void **event, unsigned flags) { NEED_CONTEXT; *event = malloc(1); events++; return 0; }
int cuEventDestroy_v2(void *event) { NEED_CONTEXT; free(event); events--; return 0; }
int cuEventRecord(void *event, void *stream) { NEED_CONTEXT; return event && stream ? 0 : INVALID_VALUE; }
int cuEventSynchronize(void *event) { NEED_CONTEXT; return event ? 0 : INVALID_VALUE; }

static int copy(void *to, const void *from, size_t n, Stream *stream) {
    NEED_CONTEXT;
    if (!stream) return INVALID_VALUE;
    if (stream->recording) {
        stream->recording->copies[stream->recording->count++] = (Copy){to, from, n};
        return 0;
    }
    memcpy(to, from, n);
    return 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, Stream *stream) {
    return copy((void *)(uintptr_t)to, from, n, stream);
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, Stream *stream) {
    return copy(to, (const void *)(uintptr_t)from, n, stream);
}

int cuStreamBeginCapture_v2(Stream *stream, int mode) {
    NEED_CONTEXT;
    if (mode != 1 || stream->recording) return INVALID_VALUE;
    stream->recording = calloc(1, sizeof(Graph));
    return 0;
}
int cuStreamEndCapture(Stream *stream, void **graph) {
    NEED_CONTEXT;
    if (!stream->recording) return INVALID_VALUE;
    *graph = stream->recording;
    stream->recording = 0;
    graphs++;
    return 0;
}
int cuGraphInstantiateWithFlags(void **executable, Graph *graph, uint64_t flags) {
    NEED_CONTEXT;
    *executable = memcpy(malloc(sizeof(Graph)), graph, sizeof(Graph));
    execs++;
    return 0;
}
int cuGraphDestroy(void *graph) { NEED_CONTEXT; free(graph); graphs--; return 0; }
int cuGraphExecDestroy(void *executable) { NEED_CONTEXT; free(executable); execs--; return 0; }
int cuGraphLaunch(Graph *graph, Stream *stream) {
    NEED_CONTEXT;
    if (fail_after == 0) return 719;
    if (fail_after > 0) fail_after--;
    for (int i = 0; i < graph->count; i++) copy(graph->copies[i].to, graph->copies[i].from, graph->copies[i].n, stream);
    return 0;
}

/* cuda-python asks for every function by name. */
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    char versioned[128];
    Dl_info here;
    dladdr((void *)cuInit, &here);
    void *self = dlopen(here.dli_fname, RTLD_NOLOAD | RTLD_LAZY);
    snprintf(versioned, sizeof versioned, "%s_v2", name);
    *function = dlsym(self, versioned);
    if (!*function) *function = dlsym(self, name);
    if (status) *status = *function ? 0 : 1;
    return *function ? 0 : 500;
}
int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, function, version, flags, 0);
}
