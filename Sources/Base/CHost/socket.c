#define _GNU_SOURCE
#include "CHost.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

// The kernel's own limit of descriptors in a message.
enum { most_descriptors = 253 };

static int open_socket(const char *path, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address->sun_path) return -ENAMETOOLONG;
  strcpy(address->sun_path, path);
  int file = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  return file < 0 ? -errno : file;
}

static int close_with(int file, int error) {
  close(file);
  return -error;
}

// Whether the other side is a process of this user.
static int is_own(int file) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid();
}

static void set_patience(int file, int seconds) {
  struct timeval limit = {.tv_sec = seconds};
  setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int host_socket_listen(const char *path) {
  struct sockaddr_un address;
  int file = open_socket(path, &address);
  if (file < 0) return file;
  unlink(path);
  // The folder is this user's alone, so that nobody comes between.
  if (bind(file, (struct sockaddr *)&address, sizeof address) != 0) return close_with(file, errno);
  if (chmod(path, S_IRUSR | S_IWUSR) != 0 || listen(file, 128) != 0) return close_with(file, errno);
  return file;
}

int host_socket_accept(int listener) {
  int file = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (file < 0) return -errno;
  if (!is_own(file)) return close_with(file, EPERM);
  set_patience(file, 5);
  return file;
}

int host_socket_connect(const char *path, int seconds) {
  struct sockaddr_un address;
  int file = open_socket(path, &address);
  if (file < 0) return file;
  set_patience(file, seconds);
  if (connect(file, (struct sockaddr *)&address, sizeof address) != 0) return close_with(file, errno);
  if (!is_own(file)) return close_with(file, EPERM);
  return file;
}

int host_socket_send(int socket, const void *bytes, size_t byte_count, const int *descriptors, long count) {
  if (count < 0 || count > most_descriptors) return E2BIG;
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = byte_count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))];
  if (count > 0) {
    memset(control, 0, sizeof control);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, (size_t)count * sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

long host_socket_receive(int socket, void *bytes, size_t byte_count, int *descriptors, long capacity, long *count) {
  *count = 0;
  struct iovec part = {.iov_base = bytes, .iov_len = byte_count};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))];
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t length;
  do length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  if (length < 0) return -errno;
  int fits = !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    long found = (long)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (long i = 0; i < found; i++) {
      int file;
      memcpy(&file, CMSG_DATA(header) + (size_t)i * sizeof(int), sizeof file);
      if (fits && *count < capacity) {
        descriptors[(*count)++] = file;
      } else {
        close(file);
        fits = 0;
      }
    }
  }
  if (fits) return length;
  for (long i = 0; i < *count; i++) close(descriptors[i]);
  *count = 0;
  return -EMSGSIZE;
}
