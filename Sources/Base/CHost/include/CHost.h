// What the host asks of C: atomics, futexes, CPU affinity, signal handlers and child processes.
#ifndef C_HOST_H
#define C_HOST_H
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// The fork/join pool; host_pool_run is declared in pool.c and WorkerPool.swift, for it takes a Swift closure.
typedef struct host_pool host_pool;

// Starts `worker_count` - 1 threads. `cores` has one entry per worker, or is NULL to leave threads unpinned; the
// calling thread is pinned to cores[0]. Waiting threads spin for `spin_nanoseconds`, then park. Returns NULL and sets
// *error (an errno value) on failure, with nothing left running.
host_pool *_Nullable host_pool_create(long worker_count, const int *_Nullable cores, uint64_t spin_nanoseconds,
                                      size_t stack_byte_count, int *error);
// Waits until every worker of the running body has called it, each with its own index. Writes before it are seen by
// every worker after it.
void host_pool_barrier(host_pool *pool, long worker);
// Joins the threads; gives the creating thread its former affinity back when called on it.
void host_pool_destroy(host_pool *pool);

// The hardware threads the calling thread may run on, ascending. Returns the count (which may exceed `capacity`; then
// only `capacity` are stored), or a negated errno.
long host_allowed_cores(int *cores, long capacity);

// SIGINT, SIGTERM and SIGUSR1 set a flag; a second SIGINT ends the process at once with status 130. Returns 0 or an
// errno.
int host_interrupt_install(void);
// The same signals end the process at once, with status 0, until they are installed: also where it is process 1 of a
// container, which a signal without a handler does not reach. Returns 0 or an errno.
int host_interrupt_leave(void);
int host_interrupt_requested(void);

// Both ends of a pipe that no child inherits. Returns 0 or an errno.
int host_pipe(int ends[_Nonnull 2]);
// Starts a command, looked up in PATH, in a process group of its own: with these three standard streams and no other
// descriptor, no signal blocked or ignored. Both lists end with NULL. Returns 0 or an errno.
int host_spawn(const char *_Nullable const *_Nonnull arguments, const char *_Nullable const *_Nonnull environment,
               const int streams[_Nonnull 3], int32_t *process);

// A number that two files share only when, in all likelihood, they are the same; for mistakes, not for attackers.
// Returns 0 or an errno.
int host_file_digest(const char *path, uint64_t *digest);

// Raises the limit of open files to the hard limit, but not beyond `most`, and tells it. Returns 0 or an errno.
int host_raise_file_limit(uint64_t most, uint64_t *limit);

// Memory that processes share by its descriptor: of `byte_count` zeros, a number which nobody can change any more.
// Returns the descriptor, or a negated errno.
int host_memory_create(size_t byte_count);
// Forbids mappings made from now on to write. Returns 0 or an errno.
int host_memory_seal(int descriptor);
// The size of such memory; -1 where the descriptor is something else, or memory that could still change its size.
int64_t host_memory_size(int descriptor);
// Asks for huge pages in the place of small ones, at once. Returns 0 or an errno.
int host_memory_collapse(void *start, size_t byte_count);

// Sockets in the file system that carry whole messages with descriptors, to processes of this user alone. All return a
// descriptor, or a negated errno; EPERM where the other side is another user's.
int host_socket_listen(const char *path);
int host_socket_accept(int listener);
int host_socket_connect(const char *path, int seconds);
// Sends a message. Returns 0 or an errno.
int host_socket_send(int socket, const void *bytes, size_t byte_count, const int *_Nullable descriptors, long count);
// Receives a message, of `byte_count` bytes at most, and descriptors, of which there may be `capacity`; closes all
// where there are more. Returns its length, 0 at the end, or a negated errno.
long host_socket_receive(int socket, void *bytes, size_t byte_count, int *descriptors, long capacity, long *count);

#pragma clang assume_nonnull end
#endif
