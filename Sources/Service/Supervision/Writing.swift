import Glibc

/// Writes all of it; false when the other end is gone. For threads that have SIGPIPE blocked.
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
  var text = text
  return text.withUTF8 { bytes in
    var done = 0
    while done < bytes.count {
      let rest = UnsafeBufferPointer(rebasing: bytes[done...])
      let written = write(descriptor, rest.baseAddress, rest.count)
      if written > 0 {
        done += written
      } else if written < 0 && errno == EAGAIN {
        var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&waited, 1, 1000)
      } else if written >= 0 || errno != EINTR {
        return false
      }
    }
    return true
  }
}

/// One line to standard error in one piece, so that lines of several threads do not mix.
func say(_ line: String) { _ = writeAll(line + "\n", to: STDERR_FILENO) }
