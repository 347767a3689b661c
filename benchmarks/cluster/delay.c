// Messages between hosts that take longer than they do, for kernels whose links cannot be delayed (netem): a library to
// be loaded before MPI (LD_PRELOAD), which starts what MPI_Isend hands to a rank of another host only CLUSTER_DELAY_US
// microseconds later, at the next call of MPI that looks after messages. A rank that waits for others calls often; one
// that computes lets its messages lie for longer, which a network would not. Collectives are as fast as ever.
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLACES 4096

typedef struct {
  const void *bytes;
  int count, peer, tag, error;
  MPI_Datatype type;
  double due;
  MPI_Request real;
  enum { FREE, WAITING, STARTED } state;
} message;

static message messages[PLACES];
// In the order in which they were handed over, which is that in which they are due.
static int queue[PLACES];
static unsigned first, end;
static char *is_far;
static double delay;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static message *message_of(MPI_Request request) {
  const uintptr_t at = (uintptr_t)request, begin = (uintptr_t)messages;
  return at >= begin && at < begin + sizeof messages ? (message *)at : NULL;
}

static void start_due(void) {
  while (first != end) {
    message *next = &messages[queue[first % PLACES]];
    if (next->due > now()) return;
    next->error = PMPI_Isend(next->bytes, next->count, next->type, next->peer, next->tag, MPI_COMM_WORLD, &next->real);
    next->state = STARTED;
    first++;
  }
}

// As PMPI_Test, of a request of ours.
static int test(message *sent, MPI_Request *request, int *flag, MPI_Status *status) {
  *flag = 0;
  if (sent->state != STARTED) return MPI_SUCCESS;
  int code = sent->error;
  if (code == MPI_SUCCESS) code = PMPI_Test(&sent->real, flag, status);
  if (*flag || code != MPI_SUCCESS) {
    sent->state = FREE;
    *request = MPI_REQUEST_NULL;
  }
  return code;
}

int MPI_Init_thread(int *count, char ***arguments, int required, int *provided) {
  const int code = PMPI_Init_thread(count, arguments, required, provided);
  const char *text = getenv("CLUSTER_DELAY_US");
  if (code != MPI_SUCCESS || text == NULL) return code;
  delay = 1e-6 * atof(text);
  int size, rank, length;
  PMPI_Comm_size(MPI_COMM_WORLD, &size);
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  char own[MPI_MAX_PROCESSOR_NAME] = {0};
  char *names = calloc((size_t)size, sizeof own);
  is_far = calloc((size_t)size, 1);
  if (names == NULL || is_far == NULL) return MPI_ERR_NO_MEM;
  PMPI_Get_processor_name(own, &length);
  const int gathered = PMPI_Allgather(own, sizeof own, MPI_BYTE, names, sizeof own, MPI_BYTE, MPI_COMM_WORLD);
  for (int peer = 0; peer < size; peer++) {
    is_far[peer] = memcmp(own, names + (size_t)peer * sizeof own, sizeof own) != 0;
  }
  free(names);
  return gathered;
}

int MPI_Isend(const void *bytes, int count, MPI_Datatype type, int peer, int tag, MPI_Comm communicator,
              MPI_Request *request) {
  start_due();
  if (is_far == NULL || communicator != MPI_COMM_WORLD || !is_far[peer]) {
    return PMPI_Isend(bytes, count, type, peer, tag, communicator, request);
  }
  int place = 0;
  while (place < PLACES && messages[place].state != FREE) place++;
  if (place == PLACES) return MPI_ERR_OTHER;
  messages[place] = (message){.bytes = bytes,
                              .count = count,
                              .peer = peer,
                              .tag = tag,
                              .error = MPI_SUCCESS,
                              .type = type,
                              .due = now() + delay,
                              .state = WAITING};
  queue[end++ % PLACES] = place;
  *request = (MPI_Request)&messages[place];
  return MPI_SUCCESS;
}

int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status) {
  start_due();
  message *sent = message_of(*request);
  return sent != NULL ? test(sent, request, flag, status) : PMPI_Test(request, flag, status);
}

int MPI_Testsome(int count, MPI_Request *requests, int *done, int *indices, MPI_Status *statuses) {
  start_due();
  // Ours are hidden from MPI, which would take them for its own.
  MPI_Request *hidden = malloc((size_t)(count > 0 ? count : 1) * sizeof *hidden);
  if (hidden == NULL) return MPI_ERR_NO_MEM;
  int ours = 0;
  for (int i = 0; i < count; i++) {
    const int is_ours = message_of(requests[i]) != NULL;
    hidden[i] = is_ours ? MPI_REQUEST_NULL : requests[i];
    ours += is_ours;
  }
  int code = PMPI_Testsome(count, hidden, done, indices, statuses);
  if (*done == MPI_UNDEFINED && ours > 0) *done = 0;
  for (int i = 0; i < count; i++) {
    message *sent = message_of(requests[i]);
    if (sent == NULL) {
      requests[i] = hidden[i];
      continue;
    }
    int flag;
    const int own = test(sent, &requests[i], &flag, &statuses[*done]);
    if (own != MPI_SUCCESS) code = own;
    if (flag) indices[(*done)++] = i;
  }
  free(hidden);
  return code;
}

int MPI_Wait(MPI_Request *request, MPI_Status *status) {
  message *sent = message_of(*request);
  int flag = 0, code = MPI_SUCCESS;
  while (sent != NULL && !flag && code == MPI_SUCCESS) {
    start_due();
    code = test(sent, request, &flag, status);
  }
  return sent != NULL ? code : PMPI_Wait(request, status);
}
