internal import Glibc
import Synchronization

/// Where lines for whoever runs the program go: to standard error, unless it says otherwise.
package enum ErrorLines {
  fileprivate static let log = Mutex<(@Sendable (String) -> Void)?>(nil)

  /// Has `log` called with each line from now on, from any thread.
  package static func send(to log: @escaping @Sendable (String) -> Void) { Self.log.withLock { $0 = log } }
}

/// Writes lines to standard error, past any buffer: the process may be about to end.
func printError(_ message: String) {
  if let log = ErrorLines.log.withLock({ $0 }) {
    for line in message.split(separator: "\n") { log(String(line)) }
    return
  }
  var bytes = Array((message + "\n").utf8)[...]
  while !bytes.isEmpty {
    let written = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    guard written > 0 || (written < 0 && errno == EINTR) else { return }
    bytes = bytes.dropFirst(max(0, written))
  }
}
