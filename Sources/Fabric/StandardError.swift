internal import Glibc

/// Writes one line to standard error, past any buffer: the process may be about to end.
func printError(_ message: String) {
  var bytes = Array((message + "\n").utf8)[...]
  while !bytes.isEmpty {
    let written = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    guard written > 0 || (written < 0 && errno == EINTR) else { return }
    bytes = bytes.dropFirst(max(0, written))
  }
}
